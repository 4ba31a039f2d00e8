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
