import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from hybridir import names
from tests.support.tracked import COMPLETE, check_whole, runs, start
from tune.folders import RunFolder
from tune.record.address import Address, address_of
from tune.record.store import closed_run
from tune.record.tracking import Tracker

pytestmark = pytest.mark.xdist_group("tracking")


@pytest.fixture
def project(tmp_path: Path, empty: Path) -> RunFolder:
    """A working directory with a tracked study and its database; returns the study's folder."""
    run = RunFolder(tmp_path / "project" / "results" / "small" / "run-001")
    run.path.mkdir(parents=True)
    run.study_file.write_text("name: small\n")
    (run.path / "drivers.json").write_text("[1000.5]")
    shutil.copy(empty, tmp_path / "project" / "mlflow.db")
    track(run, f"sqlite:///{tmp_path / 'project' / 'mlflow.db'}")
    run.finish()
    return run


def track(run: RunFolder, configured: str, name: str = "confirm-a0-s0") -> Address:
    """Track a study with a trial, as a driver does."""
    trial = start(run, name)
    (trial.path / "per_query").mkdir(exist_ok=True)
    (trial.path / "per_query" / "dev.parquet").write_bytes(b"scores")
    if trial.outcome is None:
        trial.finalize(COMPLETE)
    address = address_of(run, configured)
    tracker = Tracker(address, "small", run, {"seed": 0}, [])
    assert tracker.finish("FINISHED", {}) == []
    return address


def elsewhere(path: Path) -> RunFolder:
    return RunFolder(path / "results" / "small" / "run-001")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_study_in_its_own_folder_goes_on_in_its_own_database(project: RunFolder) -> None:
    address = address_of(project, "sqlite:////of/another/working/directory.db")
    assert address.uri == f"sqlite:///{project.path.parents[2] / 'mlflow.db'}"
    assert address.note(project) == ""
    assert closed_run(project)


def test_pain_39_a_copied_project_writes_into_its_own_database_and_artifacts_alone(
    project: RunFolder, tmp_path: Path
) -> None:
    copy = elsewhere(Path(shutil.copytree(tmp_path / "project", tmp_path / "copy")))
    before = content(tmp_path / "project")
    assert closed_run(copy) is False
    address = track(copy, "sqlite:////nowhere.db", "confirm-a1-s0")  # it goes on
    assert address.uri == f"sqlite:///{tmp_path / 'copy' / 'mlflow.db'}"
    assert f"was copied from {project.path}" in address.note(copy)
    assert content(tmp_path / "project") == before
    tracked = runs(address.uri, copy)
    assert len(tracked) == 3
    for run in tracked:
        assert run.info.artifact_uri.startswith((tmp_path / "copy" / "mlartifacts").as_uri())
    table = copy.trial("confirm-a1-s0").path / "per_query" / "dev.parquet"
    artifacts = Path(tracked[-1].info.artifact_uri.removeprefix("file://"))
    assert (artifacts / "per_query" / "dev.parquet").samefile(table)
    assert address_of(copy, "").note(copy) == "", "it is said once"


def test_a_moved_project_goes_on_in_the_same_run(project: RunFolder, tmp_path: Path) -> None:
    before = runs(f"sqlite:///{tmp_path / 'project' / 'mlflow.db'}", project)[0].info.run_id
    moved = elsewhere(Path(shutil.move(tmp_path / "project", tmp_path / "moved")))
    address = track(moved, "sqlite:////nowhere.db")
    assert f"was moved or copied from {project.path}" in address.note(moved)
    check_whole(address.uri, moved, (COMPLETE,), files=["config.json", "per_query"])
    assert runs(address.uri, moved)[0].info.run_id == before


def test_a_copy_beside_the_original_gets_a_run_of_its_own(
    project: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    copy = RunFolder(Path(shutil.copytree(project.path, project.path.with_name("run-002"))))
    address = track(copy, "sqlite:////nowhere.db")
    (original, *_), (own, child) = runs(address.uri, project), runs(address.uri, copy)
    assert original.info.run_id != own.info.run_id == child.data.tags[names.TAG_PARENT]
    assert "is a copy of results/small/run-001" in caplog.text


def test_a_copied_folder_without_its_database_gets_one_where_it_is(
    project: RunFolder, tmp_path: Path, empty: Path
) -> None:
    copy = elsewhere(tmp_path / "other")
    shutil.copytree(project.path, copy.path)
    address = address_of(copy, "sqlite:////nowhere.db")
    assert address.uri == f"sqlite:///{tmp_path / 'other' / 'mlflow.db'}"
    assert address.moved_from == str(project.path)


def test_a_copied_study_of_an_older_version_leaves_the_database_of_the_original(
    project: RunFolder, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'project' / 'mlflow.db'}"
    run_id = runs(uri, project)[0].info.run_id
    # Version 0.2 recorded absolute addresses.
    project.tracking.write_text(f'{{"uri": "{uri}", "run_id": "{run_id}", "sent": []}}')
    MlflowClient(uri).set_tag(run_id, names.TAG_FOLDER, str(project.path))
    assert address_of(project, "sqlite:////nowhere.db") == Address(uri, run_id)
    copy = elsewhere(Path(shutil.copytree(tmp_path / "project", tmp_path / "copy")))
    configured = f"sqlite:///{tmp_path / 'copy' / 'mlflow.db'}"
    address = address_of(copy, configured)
    assert address == Address(configured, run_id, moved_from=str(project.path))


def test_a_database_whose_artifacts_did_not_come_along_keeps_their_addresses(
    project: RunFolder, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "project" / "mlflow.db", alone)
    new = elsewhere(alone)
    new.path.mkdir(parents=True)
    new.study_file.write_text("name: small\n")
    track(new, f"sqlite:///{alone / 'mlflow.db'}")
    with contextlib.closing(sqlite3.connect(alone / "mlflow.db")) as database:
        roots = {
            Path(row[0]).parts[-4] for row in database.execute("SELECT artifact_uri FROM runs")
        }
    assert roots == {"project", "alone"}
