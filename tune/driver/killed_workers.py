"""Workers that Ray's memory monitor kills are lost workers, as those that the system kills."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError


@contextmanager
def lost_when_killed() -> Iterator[None]:
    """Let Tune retry a trial whose worker was killed since the memory of its machine ran out.

    The error is no RayActorError, so that Tune (ray 2.60) takes it for one that nobody expects,
    and ends the study.
    """
    expected = RayActorManager._actor_task_failed

    def failed(manager: RayActorManager, task: Any, error: Exception) -> None:
        if isinstance(error, OutOfMemoryError):
            error = RayActorError(error_msg=str(error))
        expected(manager, task, error)

    RayActorManager._actor_task_failed = failed
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = expected
