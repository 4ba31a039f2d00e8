import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "evaluator.py"
SMALL = ["--languages", "de,en", "--distractors", "0", "--shrink", "6", "--repeats", "2"]


@pytest.mark.long
def test_both_give_the_same_figures_in_all_settings(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *SMALL, "--json", str(figures)],
        cwd=SCRIPT.parents[1],
        env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "480 queries x 480 passages, 5 settings" in done.stdout
    (record,) = json.loads(figures.read_text())
    assert record["n"] == 2 and record["unit"] == "s"
    # Two relevant passages with equal scores may change places.
    assert record["largest_map_difference"] < 1e-3
    assert record["ratio_low"] <= record["ratio"] <= record["ratio_high"]
    assert "  peer / ours  " in done.stdout
    assert min(record[key] for key in ("ours", "peer", "ratio", "first_call")) > 0
