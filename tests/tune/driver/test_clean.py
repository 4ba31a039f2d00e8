import os
import shutil
from pathlib import Path

import pytest

from hybridir.errors import InputError
from tests.support.tracked import COMPLETE, start
from tune.driver.clean import clean, lines_about
from tune.folders import RunFolder
from tune.record.address import Address
from tune.record.tracking import Tracker

pytestmark = pytest.mark.xdist_group("tracking")


@pytest.fixture
def run(tmp_path: Path, empty: Path) -> RunFolder:
    """A finished study that was tracked, with what a study may leave behind."""
    run = RunFolder(tmp_path / "results" / "small" / "run-001")
    run.path.mkdir(parents=True)
    run.study_file.write_text("name: small\n")
    trial = start(run, "confirm-a0-s0")
    for file, size in {
        "per_query/dev.parquet": 5000,
        "embeddings/dev/passages.bin": 400,
        "checkpoint.pt": 300,
        ".result.json.0123.part": 20,
        "../../ray/confirm/state.json": 1000,
        "../../report/.scores/a.arrow": 60,
        "../../report/report.html": 70,
    }.items():
        (trial.path / file).parent.mkdir(parents=True, exist_ok=True)
        (trial.path / file).write_bytes(os.urandom(size))
    trial.write("outcome.json", {"state": "COMPLETE", "metrics": COMPLETE.metrics, "time": 9.0})
    database = shutil.copy(empty, tmp_path)
    tracker = Tracker(Address(f"sqlite:///{database}"), "small", run, {}, [])
    assert tracker.finish("FINISHED", {}) == []
    return run


def test_what_a_finished_study_no_longer_needs_is_removed_and_counted(
    run: RunFolder, tmp_path: Path
) -> None:
    run.finish()
    (copy,) = tmp_path.glob("mlartifacts/*/artifacts/per_query/dev.parquet")
    assert copy.stat().st_nlink == 2, "kept once"
    # As version 0.2 left it: a second copy.
    text = copy.read_bytes()
    copy.unlink()
    copy.write_bytes(text)
    removed = clean(run)
    assert [entry.size for entry in removed] == [1000, 300 + 400, 20, 60, 5000]
    assert "removed 0.0 MB" in lines_about(run, removed)[0]
    table = run.trial("confirm-a0-s0").path / "per_query" / "dev.parquet"
    assert copy.samefile(table)
    assert copy.read_bytes() == text
    assert (run.report / "report.html").is_file()
    assert clean(run) == []


def test_an_unfinished_study_is_left_alone(run: RunFolder) -> None:
    before = {*run.path.rglob("*"), run.path / "driver.lock"}
    with pytest.raises(InputError, match="unfinished and needs all of its files; finish it with"):
        clean(run)
    assert set(run.path.rglob("*")) == before


def test_a_study_that_a_process_works_on_is_left_alone(run: RunFolder) -> None:
    for ended in (False, True):
        if ended:
            run.finish()
        with run.lock(), pytest.raises(InputError, match="is being run by another process"):
            clean(run)
        assert run.ray.is_dir()
