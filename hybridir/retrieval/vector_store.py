"""Embeddings that do not fit into memory: written to a file shard by shard, mapped part by part.

N vectors, D dimensions.

A folder holds ``vectors.f32``, N x D little-endian float32, and ``manifest.json``, which says how
many shards are there. It is written after each shard, so that whoever was interrupted goes on with
the first one that is missing.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridir.errors import TrialError
from hybridir.runtime.distributed import ALONE, Processes
from hybridir.runtime.files import replacing

_VECTORS = "vectors.f32"
_MANIFEST = "manifest.json"

Shard = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True)
class StoredVectors:
    """N vectors in a file.

    Attributes:
        path: the file.
        count: N.
        dimension: D.
    """

    path: Path
    count: int
    dimension: int

    def __len__(self) -> int:
        return self.count

    @property
    def shape(self) -> tuple[int, int]:
        """N and D."""
        return self.count, self.dimension

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Of the vectors that are read."""
        return np.dtype(np.float32)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """[stop - start, D] read-only; mapped anew by each call, and in memory while it is held.

        A mapping of the whole file would count as memory of the process, page by page.
        """
        mapped: NDArray[np.float32] = np.memmap(
            self.path,
            dtype="<f4",
            mode="r",
            offset=start * self.dimension * 4,
            shape=(stop - start, self.dimension),
        )
        return mapped


def store_vectors(
    folder: Path,
    count: int,
    dimension: int,
    *,
    digest: str,
    shards: int,
    make: Callable[[int], Shard],
    processes: Processes = ALONE,
) -> StoredVectors:
    """Write vectors shard by shard; shards that an earlier call has written are not made again.

    Args:
        folder: for these vectors alone; what is there of others is replaced.
        count: N.
        dimension: D.
        digest: of everything that decides the vectors.
        shards: their number.
        make: from a shard's number to the rows that it fills and their vectors; called in every
            process, in order. All shards together fill every row.
        processes: those that make the vectors; the first one writes.

    Returns:
        The vectors; they can be read where the first process runs.

    Raises:
        TrialError: if the file cannot be written, for example because the disk is full.
    """
    vectors = StoredVectors(folder / _VECTORS, count, dimension)
    known: dict[str, object] = {
        "digest": digest,
        "vectors": count,
        "dimensions": dimension,
        "shards": shards,
    }
    done = processes.on_first(lambda: _done(vectors, known, shards))
    for shard in range(done, shards):
        rows, values = make(shard)

        def keep(
            done: int = shard + 1,
            rows: NDArray[np.int64] = rows,
            values: NDArray[np.float32] = values,
        ) -> None:
            try:
                _write(vectors, rows, values)
                with replacing(folder / _MANIFEST) as part:
                    size = vectors.path.stat().st_size
                    part.write_text(json.dumps({**known, "done": done, "bytes": size}) + "\n")
            except OSError as error:
                raise TrialError(
                    f"{folder}: embeddings of {count} passages, {count * dimension * 4 / 1e9:.1f} "
                    f"GB, cannot be kept there ({error.strerror or error}); make room or raise "
                    "evaluation.memory_mb"
                ) from None

        processes.on_first(keep)
    return vectors


def _done(vectors: StoredVectors, known: dict[str, object], shards: int) -> int:
    """How many shards of the same vectors are there; others, and damaged ones, are removed."""
    folder = vectors.path.parent
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        done, size = manifest.pop("done"), manifest.pop("bytes")
        there = vectors.path.stat().st_size
        whole = there >= size if done < shards else there == vectors.count * vectors.dimension * 4
        if manifest == known and done in range(shards + 1) and whole:
            return int(done)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass  # no manifest, or not one of ours
    for name in (_MANIFEST, _VECTORS):  # in this order: no manifest may speak of other vectors
        with suppress(OSError):
            (folder / name).unlink()
    return 0


def _write(vectors: StoredVectors, rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
    """Write rows where they belong, and wait until they are on disk.

    Not through a mapping: a full disk would end the process without a word.
    """
    vectors.path.parent.mkdir(parents=True, exist_ok=True)
    vectors.path.touch()
    order = np.argsort(rows)
    little = np.ascontiguousarray(values, dtype="<f4")
    with vectors.path.open("r+b") as file:
        for position in order.tolist():
            file.seek(int(rows[position]) * vectors.dimension * 4)
            file.write(little[position].tobytes())
        file.flush()
        os.fsync(file.fileno())
