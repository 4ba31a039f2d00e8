import contextlib
import itertools
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from hybridir import names
from tests.support.disks import write_protected
from tests.support.tracked import (
    COMPLETE,
    OUTCOMES,
    PRUNED,
    Server,
    check_whole,
    runs,
    start,
    statuses,
    until,
)
from tune.folders import Outcome, RunFolder
from tune.record.address import address_of, read_record, tracking_uri
from tune.record.tracking import Tracker

pytestmark = pytest.mark.xdist_group("tracking")

# Of the tests' own requests as well; a server that answers takes a fraction of it.
os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "3"


@pytest.fixture(scope="module")
def server(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(tmp_path_factory.mktemp("server"), port)
    shutil.copy(empty, server.folder)
    server.start()
    yield server
    for process in server.started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run-001")
    run.path.mkdir()
    run.study_file.write_text("name: small\n")
    return run


def track(uri: str, folder: RunFolder) -> Tracker:
    return Tracker(
        address_of(folder, uri), "small", folder, {"seed": 0}, [("train", "0123", "training")]
    )


def opened(uri: str, folder: RunFolder, *, trials: int) -> list[Run]:
    """The runs, once those of all trials exist with their parameters."""

    def complete() -> bool:
        with contextlib.suppress(MlflowException):
            return len([r for r in runs(uri, folder)[1:] if r.data.params]) == trials
        return False

    until(complete)
    return runs(uri, folder)


@pytest.mark.long
def test_nothing_is_lost_if_a_server_starts_late_freezes_and_is_killed(
    server: Server, folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    # The server is not up yet when the study starts.
    trials = [start(folder, f"search-{number:03d}") for number in range(3)]
    tracker = track(server.uri, folder)
    for trial in trials:
        tracker.start_trial(trial)
    parent, *children = opened(server.uri, folder, trials=3)
    assert [run.info.status for run in (parent, *children)] == ["RUNNING"] * 4

    # Frozen, it accepts connections and never answers. Trials end all the same.
    server.send(signal.SIGSTOP)
    for trial, outcome in zip(trials, OUTCOMES, strict=True):
        trial.finalize(outcome)
        tracker.end_trial(trial)
    late = start(folder, "search-003")
    tracker.start_trial(late)
    until(lambda: tracker.outage)
    assert tracker.finish("KILLED", {}, patience=0) == [trial.name for trial in trials]
    # Thawed, it carries out the requests on which the client has given up.
    server.send(signal.SIGCONT)
    opened(server.uri, folder, trials=4)
    server.send(signal.SIGKILL)
    late.finalize(COMPLETE)
    tracker.end_trial(late)
    until(lambda: tracker.outage)
    server.start()
    assert tracker.finish("FINISHED", {names.TAG_BEST: "alpha=0.5"}, patience=300) == []
    check_whole(server.uri, folder, (*OUTCOMES, COMPLETE))
    assert runs(server.uri, folder)[0].data.tags[names.TAG_BEST] == "alpha=0.5"
    warnings = [record.message for record in caplog.records if "tracking" in record.message]
    kinds = ["outage" if " is unreachable;" in line else "back" for line in warnings]
    assert kinds[:2] == ["outage", "back"]
    assert all(kind != following for kind, following in itertools.pairwise(kinds)), warnings


def test_a_resumed_study_finds_its_runs_by_trial(uri: str, folder: RunFolder) -> None:
    first = track(uri, folder)
    trial = start(folder)
    first.start_trial(trial)
    opened(uri, folder, trials=1)
    # The driver is killed here. Another working directory would name another database.
    second = track("sqlite:////nowhere/else.db", folder)
    assert second.uri == uri
    second.start_trial(trial)
    trial.finalize(COMPLETE)
    second.end_trial(trial)
    assert second.finish("FINISHED", {names.TAG_BEST: "alpha=0.5"}) == []
    check_whole(uri, folder, (COMPLETE,))


def test_a_study_that_was_killed_before_it_recorded_its_run_finds_it(
    uri: str, folder: RunFolder
) -> None:
    assert track(uri, folder).finish("KILLED", {}, patience=60) == []
    folder.tracking.unlink()
    assert track(uri, folder).finish("FINISHED", {}) == []
    assert statuses(uri, folder) == ["FINISHED"]


def test_the_run_of_an_interrupted_trial_is_closed_and_reopened(
    uri: str, folder: RunFolder
) -> None:
    trial = start(folder)
    tracker = track(uri, folder)
    tracker.start_trial(trial)
    assert tracker.finish("KILLED", {}, patience=60) == []
    assert statuses(uri, folder) == ["KILLED", "KILLED"]
    assert read_record(folder).closed
    resumed = track(uri, folder)
    resumed.start_trial(trial)
    until(lambda: statuses(uri, folder) == ["RUNNING", "RUNNING"])
    assert not read_record(folder).closed
    # A pruned trial's run is KILLED as well, yet this one is not up to date.
    assert resumed.finish("KILLED", {}, patience=60) == []
    trial.finalize(PRUNED)
    assert track(uri, folder).finish("FINISHED", {}) == []
    check_whole(uri, folder, (PRUNED,))


def test_a_refused_trial_is_named_and_does_not_hold_up_the_others(
    uri: str, folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    refused, accepted = start(folder, "search-000"), start(folder, "search-001")
    refused.finalize(Outcome(names.COMPLETE, {"illegal@name": 1.0}))
    accepted.finalize(COMPLETE)
    assert track(uri, folder).finish("FINISHED", {}) == ["search-000"]
    assert "search-000 was refused" in caplog.text
    assert statuses(uri, folder) == ["FINISHED", "RUNNING", "FINISHED"]


def test_a_database_that_becomes_immutable_is_told_in_a_line_and_sent_the_rest_later(
    uri: str, folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    if os.geteuid():
        pytest.skip("what is open stays open to a user who may not open it again")
    trial = start(folder)
    tracker = track(uri, folder)
    tracker.start_trial(trial)
    opened(uri, folder, trials=1)
    trial.finalize(COMPLETE)
    with write_protected(Path(uri.removeprefix("sqlite:///"))):
        tracker.end_trial(trial)
        until(lambda: tracker.outage)
    assert tracker.finish("FINISHED", {}, patience=60) == []
    check_whole(uri, folder, (COMPLETE,))
    assert "is unreachable; the study continues" in caplog.text
    assert not [entry for entry in caplog.records if entry.exc_info or entry.exc_text]
    assert "Traceback" not in caplog.text


def test_the_studys_address_takes_precedence_over_the_environments_and_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert tracking_uri("http://mine:1") == "http://mine:1"
    assert tracking_uri(None) == "http://server:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri(None) == f"sqlite:///{tmp_path / 'mlflow.db'}"
