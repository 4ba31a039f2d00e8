"""The files and commands of the page on one's own data, as they stand there."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "own_data.md").read_text()
COMMAND, STUDY = re.findall(r"^(hybridir evaluate .*|python tune/run_sweep.py .*)$", PAGE, re.M)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files in a folder of their own: each is named before its block."""
    blocks = re.findall(r"\n\n((?:[^\n]+\n)+)\n```(?:csv|yaml)\n(.*?)```", PAGE, re.S)
    names = [re.findall(r"`(\w+\.(?:csv|yaml))`", paragraph)[0] for paragraph, _ in blocks]
    assert names == ["train.csv", "test.csv", "more.csv", "mine.yaml"]
    for name, (_, content) in zip(names, blocks, strict=True):
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.long
def test_the_pages_table_is_measured_in_all_settings(folder: Path) -> None:
    command = [sys.executable, "-m", *shlex.split(COMMAND)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads((folder / "figures.json").read_text())
    # Six questions of two languages; 4 + 3 passages of the first table and 2 + 2 of the second.
    assert (figures["n_queries"], figures["n_passages"]) == (6, 11)
    settings = {(row["setting"], row["query_language"]) for row in figures["settings"]}
    assert {setting for setting, _ in settings} >= {"monolingual", "crosslingual", "multilingual"}
    assert {language for _, language in settings} == {"en", "pl"}


@pytest.mark.long
def test_the_pages_study_ends_with_a_report(start_study: Any, folder: Path) -> None:
    running = start_study(folder, *shlex.split(STUDY)[2:])
    assert running.finish() == 0, running.output
    report = folder / "results" / "mine" / "run-001" / "report"
    assert (report / "report.html").is_file()
    text = (report / "report.html").read_text()
    assert "3 clusters" in text
    curve = (report / "tables" / "curve-mine.csv").read_text()
    assert {"monolingual", "crosslingual", "multilingual"} <= set(re.split(r"[,\n]", curve))
