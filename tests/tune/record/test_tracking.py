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
from tune.record.tracking import Tracker, tracking_uri

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
    return Tracker(uri, "small", folder, {"seed": 0}, [("train", "0123", "training")])


def opened(uri: str, folder: RunFolder, *, trials: int) -> list[Run]:
    """The runs, once all the trials' are there with their parameters."""

    def there() -> bool:
        with contextlib.suppress(MlflowException):
            return len([r for r in runs(uri, folder)[1:] if r.data.params]) == trials
        return False

    until(there)
    return runs(uri, folder)


def test_a_server_that_comes_late_freezes_and_is_killed_costs_nothing(
    server: Server, folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    # It is not there yet when the study begins.
    trials = [start(folder, f"search-{number:03d}") for number in range(3)]
    tracker = track(server.uri, folder)
    for trial in trials:
        tracker.start_trial(trial)
    parent, *children = opened(server.uri, folder, trials=3)
    assert [run.info.status for run in (parent, *children)] == ["RUNNING"] * 4

    # Frozen, it takes connections and never answers. Trials end all the same.
    server.send(signal.SIGSTOP)
    for trial, outcome in zip(trials, OUTCOMES, strict=True):
        trial.settle(outcome)
        tracker.end_trial(trial)
    late = start(folder, "search-003")
    tracker.start_trial(late)
    until(lambda: tracker.away)
    assert tracker.finish("KILLED", {}, patience=0) == [trial.name for trial in trials]
    # What it was asked for meanwhile it does now, though nobody waits for it any more.
    server.send(signal.SIGCONT)
    opened(server.uri, folder, trials=4)
    server.send(signal.SIGKILL)
    late.settle(COMPLETE)
    tracker.end_trial(late)
    until(lambda: tracker.away)
    server.start()
    assert tracker.finish("FINISHED", {names.TAG_BEST: "alpha=0.5"}, patience=300) == []
    check_whole(server.uri, folder, (*OUTCOMES, COMPLETE))
    assert runs(server.uri, folder)[0].data.tags[names.TAG_BEST] == "alpha=0.5"
    said = [record.message for record in caplog.records if "tracking" in record.message]
    kinds = ["away" if " is away;" in line else "back" for line in said]
    assert kinds[:2] == ["away", "back"]
    assert all(one != other for one, other in itertools.pairwise(kinds)), said


def test_a_study_that_is_gone_on_with_finds_its_runs_by_trial(uri: str, folder: RunFolder) -> None:
    first = track(uri, folder)
    trial = start(folder)
    first.start_trial(trial)
    opened(uri, folder, trials=1)
    # The driver is killed here. Another working directory would name another database.
    second = track("sqlite:////nowhere/else.db", folder)
    assert second.uri == uri
    second.start_trial(trial)
    trial.settle(COMPLETE)
    second.end_trial(trial)
    assert second.finish("FINISHED", {names.TAG_BEST: "alpha=0.5"}) == []
    check_whole(uri, folder, (COMPLETE,))


def test_a_study_that_was_killed_before_it_noted_its_run_finds_it(
    uri: str, folder: RunFolder
) -> None:
    assert track(uri, folder).finish("KILLED", {}, patience=60) == []
    folder.tracking.unlink()
    assert track(uri, folder).finish("FINISHED", {}) == []
    assert statuses(uri, folder) == ["FINISHED"]


def test_a_trial_that_was_cut_off_is_closed_and_opened_again(uri: str, folder: RunFolder) -> None:
    trial = start(folder)
    tracker = track(uri, folder)
    tracker.start_trial(trial)
    assert tracker.finish("KILLED", {}, patience=60) == []
    assert statuses(uri, folder) == ["KILLED", "KILLED"]
    resumed = track(uri, folder)
    resumed.start_trial(trial)
    until(lambda: statuses(uri, folder) == ["RUNNING", "RUNNING"])
    # A pruned trial's run is KILLED as well, yet this one is not up to date.
    assert resumed.finish("KILLED", {}, patience=60) == []
    trial.settle(PRUNED)
    assert track(uri, folder).finish("FINISHED", {}) == []
    check_whole(uri, folder, (PRUNED,))


def test_what_the_server_refuses_is_named_and_keeps_nothing_else_back(
    uri: str, folder: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    refused, taken = start(folder, "search-000"), start(folder, "search-001")
    refused.settle(Outcome(names.COMPLETE, {"illegal@name": 1.0}))
    taken.settle(COMPLETE)
    assert track(uri, folder).finish("FINISHED", {}) == ["search-000"]
    assert "search-000 was refused" in caplog.text
    assert statuses(uri, folder) == ["FINISHED", "RUNNING", "FINISHED"]


def test_the_study_s_address_goes_before_the_environment_s_and_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert tracking_uri("http://mine:1") == "http://mine:1"
    assert tracking_uri(None) == "http://server:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri(None) == f"sqlite:///{tmp_path / 'mlflow.db'}"
