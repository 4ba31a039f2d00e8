"""Workers that are killed between trials, and such as die before their trial begins."""

import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from ray import tune as ray_tune
from ray.tune import Callback
from ray.tune.experiment import Trial

from hybridir.errors import InputError
from tune.driver.killed_workers import DeathsBeforeTheTrial, lost_when_killed
from tune.readiness.cluster import running_ray


def test_a_death_is_told_once_until_the_next_attempt_has_begun() -> None:
    deaths = DeathsBeforeTheTrial()
    assert deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)
    assert deaths.had_begun("search-001", attempts=1), "another trial"
    assert deaths.had_begun("search-000", attempts=2)


def test_after_ten_minutes_in_which_no_attempt_begins_the_study_stops() -> None:
    seconds = iter([0.0, 599.0, 601.0])
    deaths = DeathsBeforeTheTrial(clock=lambda: next(seconds))
    assert deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)
    with pytest.raises(InputError, match="search-000: its workers have died for 10 minutes"):
        deaths.had_begun("search-000", attempts=1)


def test_an_attempt_that_begins_ends_the_wait() -> None:
    seconds = iter([0.0, 900.0])
    deaths = DeathsBeforeTheTrial(clock=lambda: next(seconds))
    assert not deaths.had_begun("search-000", attempts=0)
    assert deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)


class _Killer(Callback):
    """Kills the worker of the first two trials as they end: the next is given a dead one."""

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        if trial.config["number"] < 2:
            worker = psutil.Process(trial.last_result["pid"])
            os.kill(worker.pid, signal.SIGKILL)
            while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)


def _numbered(config: dict[str, Any]) -> None:
    ray_tune.report({"squared": config["number"] ** 2})


@pytest.mark.long
@pytest.mark.xdist_group("ray")
def test_a_trial_that_is_given_a_dead_worker_is_retried(tmp_path: Path) -> None:
    """Without our hand Ray gives such a trial up."""
    states = {}
    with running_ray():
        for name, hand in (("without", nullcontext()), ("with", lost_when_killed())):
            tuner = ray_tune.Tuner(
                ray_tune.with_resources(_numbered, {"cpu": 1}),
                param_space={"number": ray_tune.grid_search([0, 1, 2, 3])},
                tune_config=ray_tune.TuneConfig(reuse_actors=True, max_concurrent_trials=1),
                run_config=ray_tune.RunConfig(
                    name=name,
                    storage_path=str(tmp_path),
                    failure_config=ray_tune.FailureConfig(max_failures=-1),
                    callbacks=[_Killer()],
                    verbose=0,
                ),
            )
            with hand:
                results = tuner.fit()
            each = [results[number] for number in range(len(results))]
            states[name] = [
                result.metrics["squared"] if result.error is None and result.metrics else None
                for result in each
            ]
    assert states["with"] == [0, 1, 4, 9]
    assert None in states["without"], "Ray does it by itself: what stands in its way can go"
