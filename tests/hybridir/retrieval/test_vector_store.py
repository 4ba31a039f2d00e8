import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hybridir.errors import TrialError
from hybridir.retrieval.vector_store import StoredVectors, store_vectors

ROWS = np.random.default_rng(0).permutation(10)
VECTORS = np.random.default_rng(1).standard_normal((10, 3)).astype(np.float32)


class Maker:
    """Gives three rows in each shard, and records the shards made."""

    def __init__(self, fail_at: int = 99) -> None:
        self.shards: list[int] = []
        self._fail_at = fail_at

    def __call__(self, shard: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        self.shards.append(shard)
        if shard == self._fail_at:
            raise KeyboardInterrupt
        rows = ROWS[3 * shard : 3 * shard + 3]
        return rows, VECTORS[rows]


def store(folder: Path, make: Maker, digest: str = "d") -> StoredVectors:
    return store_vectors(folder, 10, 3, digest=digest, shards=4, make=make)


def test_vectors_are_read_back_by_rows_whatever_their_shard(tmp_path: Path) -> None:
    stored = store(tmp_path / "new", Maker())
    assert (len(stored), stored.shape) == (10, (10, 3))
    assert stored.dtype == np.float32
    for start, stop in ((0, 10), (3, 4), (7, 10)):
        assert np.array_equal(stored.rows(start, stop), VECTORS[start:stop])


def test_an_interrupted_call_goes_on_with_the_first_missing_shard(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path, Maker(fail_at=2))
    again, third = Maker(), Maker()
    assert np.array_equal(store(tmp_path, again).rows(0, 10), VECTORS)
    assert again.shards == [2, 3]
    store(tmp_path, third)
    assert third.shards == []


@pytest.mark.parametrize("manifest", ["", "[]", "{}", None])
def test_without_a_readable_manifest_all_shards_are_made(
    tmp_path: Path, manifest: str | None
) -> None:
    store(tmp_path, Maker())
    if manifest is None:
        (tmp_path / "vectors.f32").unlink()
    else:
        (tmp_path / "manifest.json").write_text(manifest)
    make = Maker()
    assert np.array_equal(store(tmp_path, make).rows(0, 10), VECTORS)
    assert make.shards == [0, 1, 2, 3]


def test_a_file_that_is_shorter_than_the_manifest_says_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path, Maker(fail_at=2))
    path = tmp_path / "vectors.f32"
    path.write_bytes(path.read_bytes()[:-1])
    make = Maker()
    assert np.array_equal(store(tmp_path, make).rows(0, 10), VECTORS)
    assert make.shards == [0, 1, 2, 3]


def test_vectors_with_another_digest_are_replaced(tmp_path: Path) -> None:
    store(tmp_path, Maker(), digest="other")
    make = Maker()
    store(tmp_path, make)
    assert make.shards == [0, 1, 2, 3]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    description = {"digest": "d", "vectors": 10, "dimensions": 3, "shards": 4}
    assert manifest == {**description, "done": 4, "bytes": 10 * 3 * 4}


def test_a_folder_that_cannot_be_written_stops_the_trial_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrialError, match=r"embeddings of 10 passages, 0\.0 GB, cannot be written"):
        store(tmp_path / "file", Maker())
