"""Studies that start at the same moment in a new folder share its databases from the first on."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.test_resume import _measured

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("study")]


def test_two_studies_begun_at_once_have_the_figures_of_one_alone(
    tmp_path: Path, start_study: Any, study_text: str, small_study: Any
) -> None:
    for name in ("small", "other"):
        (tmp_path / f"{name}.yaml").write_text(study_text.replace("name: small", f"name: {name}"))
    studies = [start_study(tmp_path, f"{name}.yaml") for name in ("small", "other")]
    for study in studies:
        assert study.finish() == 0, study.output
        assert "Traceback" not in study.output
    expected = _measured(small_study.folder)
    assert _measured(tmp_path) == _measured(tmp_path, "other") == expected
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        statuses = database.execute("SELECT status, count(*) FROM runs GROUP BY status").fetchall()
    database.close()
    assert dict(statuses).keys() <= {"FINISHED", "KILLED", "FAILED"}
