"""How a study is asked to stop: Ctrl-C, SIGTERM, a terminal that goes away, a full disk."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from tune.view.terminal import leave_terminal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A second Ctrl-C, or the hang-up that follows a SIGTERM, is the same request.
_SAME_REQUEST_SECONDS = 5.0
# Outcomes, and what MLflow's database needs to close a study's runs.
_RESERVE, _RESERVE_BYTES = ".reserve", 2**21


class Interruption:
    """Turns signals to stop into one KeyboardInterrupt; while a study is closed they wait."""

    def __init__(self) -> None:
        self._last = -_SAME_REQUEST_SECONDS
        self._raised = self._closing = self._waiting = False

    def listen(self) -> None:
        """Install the handlers; to be repeated after what installs its own, as Ray does.

        A signal that the parent process has switched off, as nohup does, stays so.
        """
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close a study, which takes seconds; once a stop was asked for, nothing interrupts."""
        self._closing = True
        if self._raised:
            # Also while Python itself ends, which takes its own handlers away.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
        yield
        self._closing = self._raised
        if self._waiting and not self._raised:
            raise KeyboardInterrupt

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_terminal()
        now = time.monotonic()
        repeated = now - self._last < _SAME_REQUEST_SECONDS
        self._last = now
        if self._closing:
            self._waiting = True
        elif not repeated:
            self._raised = True
            raise KeyboardInterrupt


@contextmanager
def reserve(folder: Path) -> Iterator[Callable[[], None]]:
    """Keep some room in a folder, so that a study can be closed on a disk that became full.

    Args:
        folder: the study's own.

    Yields:
        A function that gives the room back.
    """
    file = folder / _RESERVE
    with suppress(OSError), file.open("wb") as content:
        content.write(
            bytes(_RESERVE_BYTES)
        )  # written, since some disks promise more than they have
    try:
        yield lambda: file.unlink(missing_ok=True)
    finally:
        file.unlink(missing_ok=True)
