"""Training of an encoder of mBERT's size on a GPU, batch size by batch size.

    python benchmarks/gpu.py --json gpu.json

Random weights, 12 x 768, 119,547 tokens, bf16, texts as long as those of XQuAD-R. Printed are
pairs a second, peak memory, the share of the GPU's measured matrix products that the real tokens
take (MFU), and sentence-transformers' figures, at the same batch sizes, where it does not run out
of memory. Without a GPU it runs on the CPU, where only ``--shrink`` ends within a coffee break.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.parts.cases import Case, flops, make_encoder
from benchmarks.parts.ours import matrix_rate, train_ours
from benchmarks.parts.peers import train_peer
from benchmarks.parts.texts import draw_texts, lengths_of
from benchmarks.parts.turns import WARM_UPS, take_turns
from benchmarks.training import Record, compare
from hybridir.runtime.startup import quieten_dependencies

LAYERS, HIDDEN, WORDS = 12, 768, 119_547
SQUARE = 8192  # large enough for a GPU to reach its peak


def measure(batch_size: int, dropout: float, repeats: int, steps: int, shrink: int) -> Record:
    """Train with both at one batch size, in turns."""
    hidden = max(64, HIDDEN // shrink)
    texts = draw_texts(batch_size * steps * (WARM_UPS + repeats + 1), seed=0)
    label = f"gpu-12x768-bf16-b{batch_size}" + (f"-dropout{dropout}" if dropout else "")
    with tempfile.TemporaryDirectory() as folder:
        encoder = make_encoder(
            Path(folder) / "encoder", max(1, LAYERS // shrink), hidden, dropout, WORDS // shrink
        )
        case = Case(label, encoder, texts, "bf16", batch_size, steps, repeats, chunk_tokens=None)
        ours, peer = take_turns([train_ours, train_peer], case, repeats, torch.get_num_threads())
    pairs = batch_size * steps
    per_text = flops(lengths_of(texts), max(1, LAYERS // shrink), hidden) / len(texts)
    floor = 3 * per_text * 2 * pairs / matrix_rate("bf16", SQUARE // shrink)
    return compare(case, "pairs/s", pairs, floor, ours, peer)


def main(
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Pairs of a batch; 64, 256, 1024, 2048 if left out.")
    ] = None,
    dropout: Annotated[float, typer.Option(help="Of training.")] = 0.0,
    repeats: Annotated[int, typer.Option(min=1, help="How often each candidate runs.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of a repeat.")] = 10,
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
    for size in batch_size or [64, 256, 1024, 2048]:
        records.append(measure(size, dropout, repeats, steps, shrink))
        if json_file is not None:
            json_file.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
