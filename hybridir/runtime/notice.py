"""Notices that this process or its machine will be ended, upon which a checkpoint is written.

Where they come from: SIGTERM, a file that the driver of a study writes, and a cloud that takes a
machine back (`tune.worker.notices`). Whoever trains asks after every step.

A signal handler of Python runs in the main thread. Where another thread trains, the handler waits
there until the checkpoint is written, and then does what it did before. Where the main thread
trains, it marks the notice and returns, and the training ends the process.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# A checkpoint takes seconds. Slurm, Kubernetes and systemd kill 30 to 90 s after SIGTERM.
_WRITING_SECONDS = 20.0

_asked = threading.Event()
_answered = threading.Event()
_heeding = 0  # trainings of this process
_end: Callable[[], None] | None = None  # what SIGTERM does to a process whose main thread trains


def ask() -> None:
    """Ask the training of this process, if there is one, for a checkpoint at once."""
    if _heeding:
        _answered.clear()
        _asked.set()


def asked() -> bool:
    """Whether a checkpoint is asked for."""
    return _asked.is_set()


def answer() -> None:
    """Say that it is written; ends the process if that is what the notice was for."""
    _asked.clear()
    _answered.set()
    if _end:
        _end()


@contextmanager
def heeded(*, writes: bool) -> Iterator[None]:
    """Heed notices while this thread trains.

    Args:
        writes: whether this process writes the checkpoint. One that does not survives the first
            SIGTERM, since the process that writes needs it to the end of a step.
    """
    global _heeding, _end
    main = threading.current_thread() is threading.main_thread()
    before: Any = signal.getsignal(signal.SIGTERM) if main else None
    _heeding += writes

    def on_signal(number: int, frame: FrameType | None) -> None:
        global _end
        signal.signal(number, before)  # a second signal does what it always did
        if writes and not _heeding:  # it evaluates, right after a checkpoint
            os.kill(os.getpid(), number)
        elif writes:
            _end = lambda: os.kill(os.getpid(), number)  # noqa: E731
            ask()

    # A handler that was not set by Python is None, and could not be restored.
    if main and before is not None and before is not wait_and_end:
        signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        _heeding -= writes
        _asked.clear()
        _answered.set()
        if main and signal.getsignal(signal.SIGTERM) is on_signal:
            signal.signal(signal.SIGTERM, before)
        end, _end = _end, None
        if end:  # the training ended before its next step
            end()


@contextmanager
def unheeded() -> Iterator[None]:
    """Heed no notice for a while, in which a checkpoint would hold nothing new."""
    global _heeding
    before, _heeding = _heeding, 0
    try:
        yield
    finally:
        _heeding = before


_before: Any = signal.SIG_DFL


def wait_and_end(number: int, frame: FrameType | None) -> None:
    """Signal handler of a process in which another thread trains; see `listen`."""
    signal.signal(number, _before)
    if _heeding:
        ask()
        _answered.wait(_WRITING_SECONDS)
    os.kill(os.getpid(), number)


def listen() -> None:
    """Heed SIGTERM in a process whose trainings run in other threads than the main one."""
    global _before
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is not None and before is not wait_and_end:
        _before = before
        signal.signal(signal.SIGTERM, wait_and_end)
