import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks import study
from tests.support.reading import write_colours, write_encoder


def rows_of(tmp_path: Path, *arguments: str) -> tuple[list[dict[str, float | str]], str]:
    app = typer.Typer()
    app.command()(study.main)
    file = tmp_path / "study.json"
    result = CliRunner().invoke(app, [*arguments, "--repeats", "1", "--json", str(file)])
    assert result.exit_code == 0, f"{result.output}\n{result.exception}"
    return json.loads(file.read_text()), result.output


@pytest.mark.long
def test_both_studies_run_and_the_stages_add_up(tmp_path: Path) -> None:
    (row,), shown = rows_of(tmp_path, "--trials", "1", "--pairs", "128")
    assert (row["name"], row["unit"], row["n"]) == ("study-embedded", "s", 1)
    assert row["ratio"] == pytest.approx(float(row["peer"]) / float(row["ours"]))
    stages = [line.split() for line in shown.splitlines() if line.startswith("  ")]
    assert [words[0].rstrip(":") for words in stages] == list(study.STAGES)
    for side, place in (("ours", 2), ("peer", 5)):
        assert sum(float(words[place]) for words in stages) == pytest.approx(row[side], abs=0.4)


@pytest.mark.long
def test_on_real_text_the_peer_runs_with_and_without_shared_vectors(tmp_path: Path) -> None:
    for name, seed in (("mlqa-r", 1), ("xquad-r", 2)):
        write_colours(tmp_path, name, questions=40, seed=seed)
    encoder = write_encoder(tmp_path / "encoder")
    size = ("--trials", "2", "--pairs", "128", "--languages", "de,en", "--precision", "fp32")
    given = ("--data-root", str(tmp_path), "--encoder", str(encoder))
    rows, _ = rows_of(tmp_path, *given, *size)
    assert [row["name"] for row in rows] == ["study-real", "study-real-cached"]
    assert rows[0]["ours"] == rows[1]["ours"]
    assert rows[0]["peer"] != rows[1]["peer"]


def test_real_text_needs_an_encoder() -> None:
    app = typer.Typer()
    app.command()(study.main)
    result = CliRunner().invoke(app, ["--data-root", "data"])
    assert result.exit_code == 2
    assert "--data-root and --encoder go together" in result.output
