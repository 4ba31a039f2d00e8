"""Training and encoding against sentence-transformers: same weights, texts, batches, precision.

    python benchmarks/training.py
    python benchmarks/training.py --only train-12x768-bf16-b32 --json training.json

Both train in processes of their own that take turns, on one thread each, and are timed in CPU
seconds from step to step, so that neither's start counts. Ours has its texts tokenised before, as
a study has; the peer's trainer tokenises while it trains. The floor is what the matrix products of
the real tokens take at the rate of a large product by torch's `@`, measured in the same run. In
fp32 oneDNN, which ours calls, may be faster, so its rate is a second floor. A ratio above 1 means
that ours does more in a second.
"""

import json
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from benchmarks.parts.cases import Case, flops, make_encoder
from benchmarks.parts.ours import encode_ours, matrix_rate, onednn_rate, train_ours
from benchmarks.parts.peers import encode_peer, train_peer
from benchmarks.parts.texts import draw_texts, lengths_of
from benchmarks.parts.turns import WARM_UPS, Taken, take_turns
from hybridir.runtime.startup import quieten_dependencies

Record = dict[str, str | float | int | None]


class Training(NamedTuple):
    """A training that is measured.

    Attributes:
        layers, hidden: of the encoder.
        precision: ``fp32`` or ``bf16``.
        batch_size: pairs.
        steps: of a repeat.
        chunk_tokens: tokens of our chunks; 0 for none.
        mini_batch: texts at once of the peer's chunks.
        words: of the vocabulary; 0 for those of the texts.
    """

    layers: int
    hidden: int
    precision: str
    batch_size: int
    steps: int = 1
    chunk_tokens: int = 0
    mini_batch: int = 0
    words: int = 0


TRAINING = {
    "train-2x128-fp32-b64": Training(2, 128, "fp32", 64, steps=8),
    "train-12x768-fp32-b32": Training(12, 768, "fp32", 32),
    "train-12x768-bf16-b32": Training(12, 768, "bf16", 32),
    "train-12x768-bf16-b64": Training(12, 768, "bf16", 64),
    "chunked-2x128-b1024": Training(2, 128, "fp32", 1024, chunk_tokens=2048, mini_batch=32),
    # The shapes of multilingual-e5-small and XLM-R base.
    "train-12x384-250k-bf16-b32": Training(12, 384, "bf16", 32, words=250_037),
    "train-12x768-250k-bf16-b32": Training(12, 768, "bf16", 32, words=250_002),
}
# Name: layers, dimensions, precision, pairs of texts.
ENCODING = {
    "encode-fp32": (6, 384, "fp32", 256),
    "encode-bf16": (6, 384, "bf16", 256),
}


def training_case(name: str, dropout: float, folder: Path, repeats: int, shrink: int) -> Case:
    """Set up a comparison of trainings."""
    training = TRAINING[name]
    batch_size = max(4, training.batch_size // shrink)
    hidden, words = max(64, training.hidden // shrink), training.words // shrink
    encoder = make_encoder(folder / "encoder", training.layers, hidden, dropout, words)
    # As many batches as a run has steps, so that no text comes twice and none is in a cache.
    texts = draw_texts(batch_size * training.steps * (WARM_UPS + repeats + 1), seed=0)
    return Case(
        f"{name}-dropout{dropout}" if dropout else name,
        encoder,
        texts,
        training.precision,
        batch_size,
        training.steps,
        repeats,
        training.chunk_tokens,
        training.mini_batch,
    )


def compare(
    case: Case, unit: str, amount: float, floor_seconds: float, ours: Taken, peer: Taken
) -> Record:
    """Print the rates of two candidates, and put them into one record.

    Args:
        case: what was measured.
        unit: of the rates.
        amount: done in a repeat.
        floor_seconds: that the matrix products of a repeat would take.
        ours: what ours took.
        peer: what the peer took.
    """
    typer.echo(case.name)
    rates = {}
    for who, taken in (("ours", ours), ("peer", peer)):
        if taken.failure:
            typer.echo(f"  {who}  {taken.failure}")
            continue
        rates[who] = [amount / seconds for seconds in taken.seconds]
        typer.echo(f"  {who}  {spread(rates[who])} {unit}, {taken.memory_mb:.0f} MB at the peak")
    both = zip(rates.get("ours", ()), rates.get("peer", ()), strict=False)
    ratios = [mine / theirs for mine, theirs in both]
    share = floor_seconds / statistics.median(ours.seconds) if ours.seconds else None
    if ratios:
        typer.echo(f"  ours / peer  {spread(ratios)}  ({len(ratios)} repeats)")
    if share is not None:
        typer.echo(f"  share of torch's matrix products  {share:.2f}")
        if (onednn := onednn_rate()) is not None and case.precision == "fp32":
            typer.echo(f"  share of oneDNN's  {share * matrix_rate('fp32') / onednn:.2f}")
    return {
        "name": case.name,
        "ours": statistics.median(rates["ours"]) if "ours" in rates else None,
        "peer": statistics.median(rates["peer"]) if "peer" in rates else None,
        "unit": unit,
        "ratio": statistics.median(ratios) if ratios else None,
        "floor_share": share,
        "ours_mb": ours.memory_mb,
        "peer_mb": peer.memory_mb,
        "n": len(ratios),
    }


def spread(values: list[float]) -> str:
    """Write a median with the smallest and the largest value."""
    return f"{statistics.median(values):.3g} [{min(values):.3g} .. {max(values):.3g}]"


def measure_training(name: str, dropout: float, repeats: int, threads: int, shrink: int) -> Record:
    """Train with both, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        case = training_case(name, dropout, Path(folder), repeats, shrink)
        ours, peer = take_turns([train_ours, train_peer], case, repeats, threads)
    layers, hidden = TRAINING[name].layers, max(64, TRAINING[name].hidden // shrink)
    pairs = case.batch_size * case.steps
    # A backward pass has twice the products of the forward one, chunks another forward one.
    passes = 4 if case.chunk_tokens else 3
    per_text = flops(lengths_of(case.texts), layers, hidden) / len(case.texts)
    floor = passes * per_text * 2 * pairs / matrix_rate(case.precision)
    return compare(case, "pairs/s", pairs, floor, ours, peer)


def measure_encoding(name: str, repeats: int, threads: int, shrink: int) -> Record:
    """Encode with both, in turns."""
    layers, hidden, precision, pairs = ENCODING[name]
    pairs, hidden = max(8, pairs // shrink), max(64, hidden // shrink)
    with tempfile.TemporaryDirectory() as folder:
        encoder = make_encoder(Path(folder) / "encoder", layers, hidden, 0.0)
        texts = draw_texts(pairs, seed=0)
        case = Case(name, encoder, texts, precision, 0, 1, repeats)
        ours, peer = take_turns([encode_ours, encode_peer], case, repeats, threads)
    floor = flops(lengths_of(texts), layers, hidden) / matrix_rate(precision)
    return compare(case, "texts/s", len(texts), floor, ours, peer)


def main(
    only: Annotated[str | None, typer.Option(help="Measure this comparison alone.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each candidate runs.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each candidate.")] = 1,
    dropout: Annotated[
        list[float] | None, typer.Option(help="Of training; 0 and 0.1 if left out.")
    ] = None,
    shrink: Annotated[int, typer.Option(min=1, help="Divides all sizes, for a try.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the figures, a list of objects.")
    ] = None,
) -> None:
    """Compare training and encoding with sentence-transformers."""
    import torch

    torch.set_num_threads(threads)
    quieten_dependencies()
    known = [*TRAINING, *ENCODING]
    if only is not None and only not in known:
        typer.echo(f"--only {only}: known are {', '.join(known)}", err=True)
        raise typer.Exit(2)
    typer.echo(
        f"{platform.machine()}, torch {torch.__version__}, {threads} thread(s), CPU seconds; "
        "median [smallest .. largest]"
    )
    records: list[Record] = []
    for name in [only] if only else known:
        if name in TRAINING:
            records += [
                measure_training(name, rate, repeats, threads, shrink)
                for rate in (dropout or [0.0, 0.1])
            ]
        else:
            records.append(measure_encoding(name, repeats, threads, shrink))
        if json_file is not None:  # after each, so that an interruption loses one alone
            json_file.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
