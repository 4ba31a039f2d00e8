"""Checks of a study's records in MLflow, and a real server that can be frozen or killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from hybridir import names
from tests.support.tiny import trial as tiny_trial
from tune.folders import Outcome, RunFolder, TrialFolder
from tune.record.address import folder_tag

METRICS = {f"dev/measure_{number}": number / 7 for number in range(29)} | {"fidelity": 1.0}
COMPLETE = Outcome(names.COMPLETE, METRICS, host="node-1")
FAILED = Outcome(names.FAIL, {"train/loss": 0.5}, "Traceback:\n  line\nOSError: why", "node-2")
PRUNED = Outcome(names.PRUNED, {"dev/map_mean": 0.1, "fidelity": 0.5}, host="node-1")
OUTCOMES = (COMPLETE, FAILED, PRUNED)
STATUS = {names.COMPLETE: "FINISHED", names.FAIL: "FAILED", names.PRUNED: "KILLED"}


@dataclass
class Server:
    """A real MLflow server that can be frozen, killed, and started again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        artifacts = ["--artifacts-destination", str(self.folder / "artifacts")]
        address = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *address, *store, *artifacts],
                cwd=self.folder,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(self.process)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)
        if number == signal.SIGKILL:
            self.process.wait()


def until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.02)


def start(folder: RunFolder, name: str = "search-000") -> TrialFolder:
    trial = folder.trial(name)
    trial.write("config.json", tiny_trial(seed=3).model_dump(mode="json"))
    trial.begin()
    return trial


def runs(uri: str, folder: RunFolder) -> list[Run]:
    """The runs of one folder's study: the parent first, then its trials by name."""
    client = MlflowClient(uri)
    tracked = client.search_runs([e.experiment_id for e in client.search_experiments()])
    tag = folder_tag(uri, folder)
    parents = [r for r in tracked if r.data.tags.get("hybridir.folder") == tag]
    if not parents:
        return []
    (parent,) = parents
    children = [r for r in tracked if r.data.tags.get(names.TAG_PARENT) == parent.info.run_id]
    return [parent, *sorted(children, key=lambda run: run.data.tags[names.TAG_TRIAL])]


def statuses(uri: str, folder: RunFolder) -> list[str]:
    return [run.info.status for run in runs(uri, folder)]


def check_whole(
    uri: str,
    folder: RunFolder,
    outcomes: tuple[Outcome, ...],
    files: Sequence[str] = ("config.json",),
) -> None:
    """Check that each trial has one run, with everything in its folder."""
    client = MlflowClient(uri)
    parent, *children = runs(uri, folder)
    assert parent.info.status == "FINISHED"
    assert len(children) == len(outcomes)
    for run, trial, outcome in zip(children, folder.trials(), outcomes, strict=True):
        assert run.data.tags[names.TAG_TRIAL] == trial.name
        assert run.info.status == STATUS[outcome.state]
        assert run.data.tags[names.TAG_STATE] == outcome.state
        assert run.data.tags[names.TAG_HOST] == outcome.host
        assert run.data.tags.get(names.TAG_REASON, "") == outcome.reason
        assert run.data.metrics == outcome.metrics
        assert len(run.data.metrics) <= 45
        assert run.data.params["seed"] == "3"
        for metric in outcome.metrics:
            assert len(client.get_metric_history(run.info.run_id, metric)) == 1
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == list(files)
        assert run.info.start_time == int(trial.started * 1000)
        assert run.info.end_time == int(trial.ended * 1000)
