"""Workers that are killed: those whose memory ran out, and those whose trial never began."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

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
                "lost: free some memory, then resume the study"
            )
        return False


@contextmanager
def lost_when_killed() -> Iterator[None]:
    """Let Tune retry a trial whose worker was killed since the memory of its machine ran out.

    The error is no RayActorError, so that Tune (ray 2.60) takes it for one that nobody expects,
    and ends the study.
    """
    manager_class: Any = RayActorManager
    expected = manager_class._actor_task_failed

    def failed(manager: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        expected(manager, tracked_actor_task=tracked_actor_task, exception=exception)

    manager_class._actor_task_failed = failed
    try:
        yield
    finally:
        manager_class._actor_task_failed = expected
