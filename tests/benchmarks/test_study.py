import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks import study


@pytest.mark.long
def test_both_studies_run_and_the_stages_add_up(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(study.main)
    file = tmp_path / "study.json"
    arguments = ["--trials", "1", "--pairs", "128", "--repeats", "1", "--json", str(file)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(file.read_text())
    assert (row["name"], row["unit"], row["n"]) == ("study-embedded", "s", 1)
    assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
    for stage in study.STAGES:
        assert f"  {stage}: ours " in result.output
