import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "interval_coverage.py"


@pytest.mark.long
def test_the_benchmark_runs_at_a_small_size_and_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            sys.executable,
            str(SCRIPT),
            "--replications=1",
            "--draws=40",
            "--json",
            str(figures),
        ],
        cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(figures.read_text())
    assert {record["n"] for record in records} == {1}
    assert {"level", "difference", "optimum", "may be best", "any false gain", "power"} <= {
        record["name"] for record in records
    }
    # One of one study: Clopper and Pearson's lower end is .05 / 2.
    whole = [record for record in records if record["share"] == 1 and "low" in record]
    assert whole
    assert all(abs(record["low"] - 0.025) < 1e-6 for record in whole)
