"""Workers that are killed: for want of memory, and before their trial begins."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial

from hybridir.errors import InputError

_PATIENCE = 600.0  # seconds


class DeathsBeforeTheTrial:
    """Watches for workers that die before their trial begins, so that no attempt is counted.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempts: dict[str, int] = {}
        self._since: dict[str, float] = {}

    def had_begun(self, trial: str, attempts: int) -> bool:
        """Look at a trial whose worker died.

        Args:
            trial: its name.
            attempts: number of its attempts that have begun.

        Returns:
            Whether an attempt began since its last worker died.

        Raises:
            InputError: if none has begun for ten minutes, in which its workers died.
        """
        if attempts > self._attempts.get(trial, 0):
            self._attempts[trial] = attempts
            self._since.pop(trial, None)
            return True
        now = self._clock()
        if now - self._since.setdefault(trial, now) > _PATIENCE:
            raise InputError(
                f"{trial}: its workers have died for {_PATIENCE / 60:.0f} minutes, each before "
                "the trial began, most likely since other programs use up the memory; nothing is "
                "lost: free some memory"
            )
        return False


def why_lost(trial: Trial) -> str:
    """Why a trial lost its worker, as far as Ray tells."""
    record = Path(trial.error_file or "")
    text = record.read_text() if record.is_file() else ""
    if "low on memory" in text.rpartition("Failure #")[2]:
        return "Ray killed its process, since the machine ran out of memory"
    return "its process or node died"


@contextmanager
def lost_when_killed() -> Iterator[None]:
    """Let Tune retry each trial whose worker was killed, where ray 2.60 does not.

    - Of a worker that was killed since memory ran out Ray raises no RayActorError, so that Tune
      takes the error for one that nobody expects, and ends the study.
    - A trial may be given the worker of an earlier one. If that is killed before the trial begins,
      Tune hears of it twice: from the worker, upon which it retries the trial, and from the task
      that was to prepare it, upon which it gives the trial up, since it does not run.
    """
    manager_class: Any = RayActorManager
    controller_class: Any = TuneController
    task_failed = manager_class._actor_task_failed
    trial_failed = controller_class._trial_task_failure

    def as_death(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        task_failed(manager, tracked_actor_task=tracked_actor_task, exception=exception)

    def once(controller: Any, trial: Trial, exception: Exception) -> None:
        retried = trial.status == Trial.PENDING and isinstance(exception, RayActorError)
        if trial in controller._resetting_trials and retried:
            controller._resetting_trials.remove(trial)
        else:
            trial_failed(controller, trial, exception)

    manager_class._actor_task_failed, controller_class._trial_task_failure = as_death, once
    try:
        yield
    finally:
        manager_class._actor_task_failed = task_failed
        controller_class._trial_task_failure = trial_failed
