"""The notebook, run from its first cell to its last as it stands there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "from_table_to_curve.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


def test_the_notebook_shows_what_it_gave() -> None:
    for cell in CELLS:
        if cell["cell_type"] == "code":
            kinds = {output["output_type"] for output in cell["outputs"]}
            assert kinds <= {"stream", "execute_result"}  # no error, and no cell left out
            assert cell["execution_count"]


@pytest.mark.long
def test_the_notebook_goes_from_a_table_to_the_curve(tmp_path: Path) -> None:
    # Its last line is a chart, which a plain run would not draw.
    *body, chart = "\n".join(CODE).rpartition("(line + interval)")[::2]
    check = f"drawn = (line + interval){chart}\nPath('chart.json').write_text(drawn.to_json())\n"
    (tmp_path / "notebook.py").write_text("\n".join((*body, check)))
    done = subprocess.run(
        [sys.executable, "notebook.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    _assert_alike(done.stdout, "".join(_printed()))
    (answer,) = json.loads((tmp_path / "answer.json").read_text())["studies"]
    curve = {(row["setting"], row["mixing_ratio"]): row for row in answer["curve"]}
    assert len(curve) == 3 * 3
    # What the notebook says below its chart.
    assert curve["monolingual", 1.0]["mean"] > curve["monolingual", 0.0]["mean"]
    for setting in ("crosslingual", "multilingual"):
        for ratio in (0.0, 0.5):
            assert curve[setting, ratio]["low"] > curve[setting, 1.0]["high"]
    assert json.loads((tmp_path / "chart.json").read_text())["facet"]


def _printed() -> Iterator[str]:
    for cell in CELLS:
        for output in cell.get("outputs", ()):
            if output["output_type"] == "stream":
                yield from output["text"]


def _assert_alike(now: str, then: str) -> None:
    """Equal but for the last digits of figures, which another processor may change."""
    number = re.compile(r"-?\d+(?:\.\d+)?")
    assert number.sub("0", now).split() == number.sub("0", then).split()
    figures = ([float(figure) for figure in number.findall(text)] for text in (now, then))
    assert next(figures) == pytest.approx(next(figures), abs=0.02)
