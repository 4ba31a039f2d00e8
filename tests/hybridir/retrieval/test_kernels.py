import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hybridir.retrieval.kernels

COUNT = """
import numpy as np
from kernels import count_higher
higher, top1 = np.zeros((1, 1), np.int32), np.zeros((1, 1), np.int32)
offsets, order = np.array([0, 1]), np.arange(3, dtype=np.int32)
scores = np.array([[3.0, 1.0, 2.0]], np.float32)
largest, pools = scores.max(1, keepdims=True), np.array([0, 3])
query = np.array([0])
count_higher(scores, largest, query, pools, offsets, offsets[1:], order, order, higher, top1)
print(higher.tolist(), top1.tolist(), count_higher.stats.cache_path)
"""


@pytest.mark.slow
def test_where_no_cache_folder_can_be_written_the_kernel_is_compiled_all_the_same(
    tmp_path: Path,
) -> None:
    # A plain file where numba would make its folder stops root as well, unlike permissions.
    source = shutil.copy(hybridir.retrieval.kernels.__file__, tmp_path / "kernels.py")
    (tmp_path / "__pycache__").write_text("not a folder")
    (tmp_path / "cache").write_text("not a folder")
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", COUNT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # Above the score 1 lie 3 and 2; the score 3 is first; there is no cache.
    assert done.stdout.split("\n")[0] == "[[2]] [[0]] None"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "__pycache__",
        "cache",
        Path(source).name,
    ]
