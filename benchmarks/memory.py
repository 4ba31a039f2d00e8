"""Memory of large batches in chunks, and of large vocabularies, against sentence-transformers.

    python benchmarks/memory.py

One thread; peak memory of a step beyond what the libraries hold. First a 2 x 128 encoder in fp32:
ours goes through in chunks of 2,048 tokens, the peer in one piece, and in chunks of 32 texts, its
default (CachedMultipleNegativesRankingLoss). Then the shape of multilingual-e5-small in bf16, most
of whose weights are a table of 250,037 words; weights, gradients and AdamW's two moments take 16
bytes a weight, which is printed beside the peak.
"""

import json
import math
import tempfile
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from safetensors import safe_open

from benchmarks.parts.cases import Case, make_encoder
from benchmarks.parts.ours import train_ours
from benchmarks.parts.peers import train_peer
from benchmarks.parts.texts import draw_texts
from benchmarks.parts.turns import Work, take_turns
from hybridir.runtime.startup import quieten_dependencies

_PEER = "sentence-transformers"
_BYTES = 16  # of a weight, its gradient and AdamW's two moments, each in single precision


class Shape(NamedTuple):
    """Layers, dimensions, words of the vocabulary (0: those of the texts), and precision."""

    layers: int
    hidden: int
    words: int
    precision: str


class Row(NamedTuple):
    """What is measured: whose training, pairs of a batch, tokens or texts of a chunk (0: none)."""

    whose: str
    work: Work
    pairs: int
    chunk_tokens: int = 0
    mini_batch: int = 0


SMALL = Shape(2, 128, 0, "fp32")
E5 = Shape(12, 384, 250_037, "bf16")
ROWS = {
    SMALL: (
        Row("ours", train_ours, 512, chunk_tokens=2048),
        Row("ours", train_ours, 1024, chunk_tokens=2048),
        Row("ours", train_ours, 2048, chunk_tokens=2048),
        Row(_PEER, train_peer, 128),
        Row(f"{_PEER}, cached", train_peer, 1024, mini_batch=32),
    ),
    E5: (
        Row("ours", train_ours, 16),
        Row("ours", train_ours, 64),
        Row("ours", train_ours, 64, chunk_tokens=2048),
        Row(_PEER, train_peer, 16),
        Row(_PEER, train_peer, 64),
    ),
}


def weights_of(folder: Path) -> int:
    """The number of an encoder's weights."""
    with safe_open(folder / "model.safetensors", framework="np") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())


def main(
    shrink: Annotated[int, typer.Option(min=1, help="Divides all sizes, for a try.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures there.")] = None,
) -> None:
    """Print the peak memory of each."""
    quieten_dependencies()
    records = []
    for shape, rows in ROWS.items():
        layers, hidden, words, precision = shape
        # The same for all: memory of the batch is asked for, not that of the data.
        texts = draw_texts(4 * max(4, max(row.pairs for row in rows) // shrink), seed=0)
        for row in rows:
            size = max(4, row.pairs // shrink)
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name) / "encoder"
                make_encoder(folder, layers, max(64, hidden // shrink), 0.0, words // shrink)
                weights = weights_of(folder)
                chunks = (row.chunk_tokens, row.mini_batch)
                case = Case("memory", folder, texts, precision, size, 1, 1, *chunks)
                (taken,) = take_turns([row.work], case, repeats=1, threads=1)
            megabytes = taken.memory_mb
            print(
                f"{row.whose}, {layers} x {hidden}, {size} pairs"
                f"{', in chunks' if any(chunks) else ''}: "
                f"{taken.failure or f'{megabytes:.0f} MB'}, of which weights, gradients and "
                f"optimizer {_BYTES * weights / 2**20:.0f} MB",
                flush=True,
            )
            records.append(
                {
                    "name": row.whose,
                    "layers": layers,
                    "hidden": hidden,
                    "weights": weights,
                    "pairs": size,
                    "chunked": any(chunks),
                    "mb": megabytes,
                }
            )
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
