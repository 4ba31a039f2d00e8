import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "large_corpus.py"
SMALL = ["--passages", "500", "--queries", "7", "--dimensions", "8", "--k", "5"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *SMALL, *arguments],
        cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.long
def test_the_benchmark_runs_at_a_small_size_and_leaves_only_its_figures(tmp_path: Path) -> None:
    figures, folder = tmp_path / "figures.json", tmp_path / "folder"
    folder.mkdir()
    done = run("--json", str(figures), "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    assert "500 passages x 8 dimensions" in done.stdout
    records = json.loads(figures.read_text())
    assert [record["name"] for record in records] == [
        "write",
        "products alone",
        "ranks",
        "first 5",
    ]
    assert all(record["peak_mb"] > 0 and record["passages"] == 500 for record in records)
    assert not any(folder.iterdir())


@pytest.mark.long
def test_more_memory_than_the_limit_is_told_by_the_exit_code(tmp_path: Path) -> None:
    done = run("--limit-mb", "1", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "limit 1 MB" in done.stdout
