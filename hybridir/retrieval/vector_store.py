"""Embeddings too large for memory: written to a file by shards, mapped into memory by blocks.

N vectors, D dimensions.

A folder holds ``vectors.f32``, N x D little-endian float32, and ``manifest.json``, which says how
many shards have been written. The manifest is renewed after each shard, so that an interrupted
call goes on with the first missing shard.
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
from hybridir.runtime.distributed import SINGLE_PROCESS, Distributed
from hybridir.runtime.files import atomic_write

_VECTORS = "vectors.f32"
_MANIFEST = "manifest.json"

Shard = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows of the file, [n], and their vectors, [n, D]."""


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
        """float32."""
        return np.dtype(np.float32)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """[stop - start, D] read-only vectors, mapped anew by each call.

        They count as memory of the process while a caller holds them; a mapping of the whole file
        would count page by page until all of it did.
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
    distributed: Distributed = SINGLE_PROCESS,
) -> StoredVectors:
    """Write vectors shard by shard, without those that an earlier call has written.

    Args:
        folder: for these vectors alone; other vectors in it are replaced.
        count: N.
        dimension: D.
        digest: of everything that decides the vectors.
        shards: number of shards.
        make: from a shard's number to the rows that it fills and their vectors; called in every
            process, in order. All shards together fill every row.
        distributed: the processes that make the vectors; rank 0 writes them.

    Returns:
        The vectors, readable where rank 0 runs.

    Raises:
        TrialError: if the file cannot be written, for example because the disk is full.
    """
    vectors = StoredVectors(folder / _VECTORS, count, dimension)
    description: dict[str, object] = {
        "digest": digest,
        "vectors": count,
        "dimensions": dimension,
        "shards": shards,
    }
    done = distributed.on_rank_zero(lambda: _shards_done(vectors, description, shards))
    for shard in range(done, shards):
        rows, values = make(shard)

        def write(
            done: int = shard + 1,
            rows: NDArray[np.int64] = rows,
            values: NDArray[np.float32] = values,
        ) -> None:
            try:
                _write(vectors, rows, values)
                with atomic_write(folder / _MANIFEST) as partial:
                    size = vectors.path.stat().st_size
                    manifest = {**description, "done": done, "bytes": size}
                    partial.write_text(json.dumps(manifest) + "\n")
            except OSError as error:
                raise TrialError(
                    f"{folder}: embeddings of {count} passages, {count * dimension * 4 / 1e9:.1f} "
                    f"GB, cannot be written ({error.strerror or error}); make room or raise "
                    "evaluation.memory_mb"
                ) from None

        distributed.on_rank_zero(write)
    return vectors


def _shards_done(vectors: StoredVectors, description: dict[str, object], shards: int) -> int:
    """Count the shards of the same vectors; remove those of others, and damaged ones."""
    folder = vectors.path.parent
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        done, size = manifest.pop("done"), manifest.pop("bytes")
        actual, full = vectors.path.stat().st_size, vectors.count * vectors.dimension * 4
        intact = actual >= size if done < shards else actual == full
        if manifest == description and done in range(shards + 1) and intact:
            return int(done)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass  # no manifest, or one of another program
    for name in (_MANIFEST, _VECTORS):  # in this order: no manifest may describe other vectors
        with suppress(OSError):
            (folder / name).unlink()
    return 0


def _write(vectors: StoredVectors, rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
    """Write vectors to their rows of the file, and wait until they are on disk.

    Not through a mapping: a full disk would end the process without a message.
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
