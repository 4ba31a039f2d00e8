"""Training of an encoder of mBERT's size on a GPU against sentence-transformers, by batch size.

    python benchmarks/gpu.py --json gpu.json

Random weights, 12 x 768, 119,547 tokens, bf16 by autocast on both sides, texts as long as those of
XQuAD-R. The candidates are processes of their own that take turns: our training loop, the same
with fused layers (``training.compile``), and the peer's trainer, whose loss is cached from 1,024
pairs on. Printed are pairs a second, peak memory, and the share of the GPU's peak: what the matrix
products of the real tokens would take, forwards and backwards once, at the rate of a product of
two 8192 x 8192 matrices measured in the same run, over what a step took. Without a GPU it runs on
the CPU without fused layers, where only ``--shrink`` ends within a coffee break.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.parts.cases import Case, flops, make_encoder
from benchmarks.parts.ours import matrix_rate, train_ours, train_ours_compiled
from benchmarks.parts.peers import train_peer
from benchmarks.parts.texts import draw_texts, lengths_of
from benchmarks.parts.turns import WARM_UPS, take_turns
from benchmarks.training import Record, compare
from hybridir.runtime.startup import quieten_dependencies

LAYERS, HIDDEN, WORDS = 12, 768, 119_547
SQUARE = 8192  # large enough for a GPU to reach its peak
# From so many pairs on the peer, whose batches are padded, needs its cached loss: texts at once.
CACHED_FROM, MINI_BATCH = 1024, 128
# Steps of a repeat by pairs of a batch; 1 beyond.
STEPS = {64: 10, 256: 5, 1024: 2}


def measure(batch_size: int, dropout: float, repeats: int, shrink: int) -> list[Record]:
    """Train with all at one batch size, in turns."""
    layers, hidden = max(1, LAYERS // shrink), max(64, HIDDEN // shrink)
    steps = STEPS.get(batch_size, 1)
    texts = draw_texts(batch_size * steps * (WARM_UPS + repeats + 1), seed=0)
    label = f"gpu-{layers}x{hidden}-bf16-b{batch_size}" + (f"-dropout{dropout}" if dropout else "")
    mini_batch = MINI_BATCH if batch_size >= CACHED_FROM else 0
    candidates = [train_ours, train_peer]
    if torch.cuda.is_available():
        candidates.append(train_ours_compiled)
    with tempfile.TemporaryDirectory() as folder:
        words = WORDS // shrink
        encoder = make_encoder(Path(folder) / "encoder", layers, hidden, dropout, words)
        case = Case(label, encoder, texts, "bf16", batch_size, steps, repeats, None, mini_batch)
        ours, peer, *fused = take_turns(candidates, case, repeats, torch.get_num_threads())
    pairs = batch_size * steps
    per_text = flops(lengths_of(texts), layers, hidden) / len(texts)
    floor = 3 * per_text * 2 * pairs / matrix_rate("bf16", SQUARE // shrink)
    records = [compare(case, "pairs/s", pairs, floor, ours, peer)]
    for taken in fused:
        typer.echo("with fused layers")
        records.append(compare(case, "pairs/s", pairs, floor, taken, peer))
        records[-1]["name"] = f"{case.name}-fused"
    return records


def main(
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Pairs of a batch; 64, 256, 1024, 4096 if left out.")
    ] = None,
    dropout: Annotated[float, typer.Option(help="Of training.")] = 0.0,
    repeats: Annotated[int, typer.Option(min=1, help="How often each candidate runs.")] = 5,
    shrink: Annotated[int, typer.Option(min=1, help="Divides the encoder's sizes.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the figures, a list of objects.")
    ] = None,
) -> None:
    """Measure training on the GPU of this machine, or on its CPU if there is none."""
    quieten_dependencies()
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU: CPU seconds"
    typer.echo(f"torch {torch.__version__}, {where}; median [smallest .. largest]")
    records: list[Record] = []
    for size in batch_size or [64, 256, 1024, 4096]:
        records += measure(size, dropout, repeats, shrink)
        if json_file is not None:
            json_file.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
