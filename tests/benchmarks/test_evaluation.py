import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "evaluation.py"
SMALL = ["--questions", "12", "--dimensions", "8", "--repeats", "2", "--peer-queries", "7"]


@pytest.mark.long
def test_the_benchmark_runs_at_a_small_size_and_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *SMALL, "--json", str(figures)],
        cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "132 queries x 131 passages x 8 dimensions, 1452 relevant" in done.stdout
    records = json.loads(figures.read_text())
    found = {record["name"] for record in records}
    # The others are installed for benchmarks alone.
    assert found >= {
        "score-vs-product",
        "full-rankings-vs-score",
        "score-vs-pytrec_eval",
        "score-vs-sentence-transformers",
    }
    missing = {"score-vs-ir_measures", "score-vs-ranx"} - found
    assert all(f"{name}: " in done.stdout for name in missing)
    for record in records:
        assert record["n"] == 2
        own = record["name"] in ("score-vs-product", "full-rankings-vs-score")
        assert record["unit"] == ("s" if own else "queries/s")
        assert min(record[key] for key in ("ours", "peer", "ratio", "floor_share")) > 0
        assert {"ours_mb", "peer_mb"} <= record.keys()
