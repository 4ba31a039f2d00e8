"""Trials of two processes on a real Ray, through a real Tuner, all in one run."""

import os
import re
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import ray
from ray import tune as ray_tune
from ray._private import state as ray_state
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.util import placement_group_table

from hybridir import names
from tests.support.tiny import ROOT, repeatable, trial
from tune.folders import TrialFolder
from tune.outcome import BUDGET_PERCENT, has_failed
from tune.worker.processes import trial_resources
from tune.worker.spec import TrialSpec
from tune.worker.trainable import train_trial

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("ray")]

_DROPOUT = {**trial().encoder.model_dump(), "dropout": 0.1}
_DIVERGING = {**trial().training.model_dump(), "temperature": 1e-45}
# In this order, since Ray has CPUs for one trial at a time.
CONFIGS = {
    "search-whole": trial(encoder=_DROPOUT),
    "search-stopped": trial(1),
    "search-diverged": trial(training=_DIVERGING),
    "search-uneven": trial(batch={"batch_size": 33}),
    "search-killed": trial(encoder=_DROPOUT),
}


def processes() -> list[int]:
    """Process ids of the actors that trials run in."""
    return [
        actor["Pid"]
        for actor in ray_state.actors().values()
        if actor["ActorClassName"] == "TrialProcess" and actor["State"] == "ALIVE"
    ]


@dataclass
class Observed:
    """Observations of the driver.

    Attributes:
        metrics: last result of each trial.
        reported: (trial, percent of the budget) of each result.
        processes: process ids at each result.
        reason: recorded reason of the kill, read after the trial was restarted.
        killed: process id that was killed.
    """

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    reported: list[tuple[str, int]] = field(default_factory=list)
    processes: list[set[int]] = field(default_factory=list)
    reason: str = ""
    killed: int = 0


class Disturber(FIFOScheduler):
    """Stops one trial at half its budget, and kills a process of another there."""

    def __init__(self, folder: Path, observed: Observed) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.folder = folder
        self.observed = observed

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        name = Path(trial.config["trial"]["folder"]).name
        self.observed.metrics[name] = result
        self.observed.reported.append((name, result[BUDGET_PERCENT]))
        self.observed.processes.append(set(processes()))
        half = result[BUDGET_PERCENT] == 50
        if name == "search-killed" and half and not self.observed.killed:
            self.observed.killed = processes()[1]
            os.kill(self.observed.killed, signal.SIGKILL)
        elif name == "search-killed" and half:
            failure = TrialFolder(self.folder / name).read("failure.json")
            self.observed.reason = failure["reason"] if failure else ""
        stopped = name == "search-stopped" and half
        return str(TrialScheduler.STOP if stopped else TrialScheduler.CONTINUE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def observed(folder: Path) -> Any:
    specs = [
        TrialSpec(
            folder=str(folder / name),
            cache=str(folder / "cache"),
            config=config.model_dump_json(),
            fidelities=(0.5, 1.0),
            processes=2,
        ).as_ray_config()["trial"]
        for name, config in CONFIGS.items()
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
            "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
            "RAY_AIR_NEW_OUTPUT": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        }.items():
            patch.setenv(name, value)
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}},
        )
        observed = Observed()
        ray_tune.Tuner(
            ray_tune.with_resources(train_trial, trial_resources(cpu=1, gpu=0, processes=2)),
            param_space={"trial": ray_tune.grid_search(specs)},
            tune_config=ray_tune.TuneConfig(
                reuse_actors=True, scheduler=Disturber(folder, observed)
            ),
            run_config=ray_tune.RunConfig(
                storage_path=str(folder / "ray"),
                failure_config=ray_tune.FailureConfig(max_failures=-1),
                verbose=0,
            ),
        ).fit()
        yield observed
        ray.shutdown()


def test_a_trial_with_a_killed_process_ends_with_the_metrics_of_an_undisturbed_one(
    observed: Observed, folder: Path
) -> None:
    assert [percent for name, percent in observed.reported if name == "search-killed"] == [
        50,
        50,  # from the checkpoint at half the budget, whose report may have been lost
        100,
    ]
    whole, killed = (
        repeatable(
            {k: v for k, v in observed.metrics[name].items() if "/" in k and k[:7] != "config/"}
        )
        for name in ("search-whole", "search-killed")
    )
    assert killed == whole
    assert f"{names.DEV}/map_mean" in whole


def test_the_failure_names_the_process_that_died_until_a_retry_succeeds(
    observed: Observed, folder: Path
) -> None:
    assert re.fullmatch(rf"process [01] of 2 on {socket.gethostname()} died", observed.reason)
    killed = TrialFolder(folder / "search-killed")
    assert killed.read("failure.json") is None
    attempts = killed.read("attempts.json")
    assert attempts is not None
    first, second = attempts["attempts"]
    assert first["checkpoint"] is None
    assert second["checkpoint"] is not None  # it made progress
    assert (first["step"], second["step"]) == (0, 5)


def test_processes_are_reused_by_the_next_trial_even_after_an_early_stop(
    observed: Observed,
) -> None:
    before = [pids for (name, _), pids in zip(observed.reported, observed.processes, strict=True)][
        :4
    ]
    assert ("search-stopped", 100) not in observed.reported
    assert observed.reported[2] == ("search-stopped", 50)
    assert len(before[0]) == 2
    assert all(pids == before[0] for pids in before)


def test_after_a_kill_both_processes_are_replaced(observed: Observed) -> None:
    assert len(observed.processes[-1]) == 2
    assert not observed.processes[-1] & observed.processes[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("search-diverged", "step 0: loss"),
        ("search-uneven", "batch_size=33 cannot be shared by 2 processes"),
    ],
)
def test_a_failure_that_a_retry_would_repeat_is_final_in_several_processes_too(
    observed: Observed, folder: Path, name: str, reason: str
) -> None:
    failed = TrialFolder(folder / name)
    failure = failed.read("failure.json")
    assert failure is not None
    assert failure["reason"].startswith(reason)
    assert has_failed(failed)
    attempts = failed.read("attempts.json")
    assert attempts is not None
    assert len(attempts["attempts"]) == 1


def test_nothing_is_left_behind(observed: Observed) -> None:
    family = psutil.Process().children(recursive=True)
    # After a study's end Ray frees resources at its own pace.
    while processes() or any(
        "TrialProcess" in " ".join(child.cmdline()) for child in _alive(family)
    ):
        time.sleep(0.1)
    states = {group["state"] for group in placement_group_table().values()}
    assert states == {"REMOVED"}


def test_one_process_needs_no_coordinator_and_several_leave_it_without_resources() -> None:
    assert trial_resources(cpu=2, gpu=0.5, processes=1).bundles == [{"CPU": 2, "GPU": 0.5}]
    three = trial_resources(cpu=2, gpu=1, processes=3)
    assert three.bundles == [{"CPU": 2, "GPU": 1}] * 3
    assert three.head_cpus == 0


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
