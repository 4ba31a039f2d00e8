"""Memory of large batches in chunks, against a small batch of sentence-transformers.

    python benchmarks/memory.py

A 2 x 128 encoder, fp32, one thread; peak memory of a step beyond what the libraries hold. Ours
goes through in chunks of 2,048 tokens, the peer in one piece, and in chunks of 32 texts, its
default (CachedMultipleNegativesRankingLoss).
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.cases import Case, make_encoder
from benchmarks.parts.ours import train_ours
from benchmarks.parts.peers import train_peer
from benchmarks.parts.texts import draw_texts
from benchmarks.parts.turns import Work, take_turns
from hybridir.runtime.startup import quieten_dependencies

# Whose, pairs of a batch, tokens of our chunks, texts of the peer's.
ROWS: tuple[tuple[str, Work, int, int, int], ...] = (
    ("ours", train_ours, 512, 2048, 0),
    ("ours", train_ours, 1024, 2048, 0),
    ("ours", train_ours, 2048, 2048, 0),
    ("sentence-transformers", train_peer, 128, 0, 0),
    ("sentence-transformers, cached", train_peer, 1024, 0, 32),
)


def main(
    shrink: Annotated[int, typer.Option(min=1, help="Divides the batch sizes, for a try.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures there.")] = None,
) -> None:
    """Print the peak memory of each."""
    quieten_dependencies()
    records = []
    # The same for all: memory of the batch is asked for, not that of the data.
    texts = draw_texts(4 * max(4, max(pairs for _, _, pairs, _, _ in ROWS) // shrink), seed=0)
    for whose, work, pairs, chunk_tokens, mini_batch in ROWS:
        size = max(4, pairs // shrink)
        with tempfile.TemporaryDirectory() as folder:
            encoder = make_encoder(Path(folder) / "encoder", 2, 128, 0.0)
            case = Case("memory", encoder, texts, "fp32", size, 1, 1, chunk_tokens, mini_batch)
            (taken,) = take_turns([work], case, repeats=1, threads=1)
        megabytes = taken.memory_mb
        print(f"{whose}, {size} pairs: {taken.failure or f'{megabytes:.0f} MB'}", flush=True)
        records.append({"name": whose, "pairs": size, "mb": megabytes})
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
