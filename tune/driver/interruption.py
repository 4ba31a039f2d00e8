"""How a study is stopped: Ctrl-C, SIGTERM, a terminal or a Ray that goes away, a full disk."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType

from hybridir.errors import INTERRUPTED
from tune.view.terminal import end_output, leave_terminal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A second Ctrl-C, or the hang-up that follows a SIGTERM, is the same request.
_SAME_REQUEST_SECONDS = 5.0
# Slurm and Kubernetes kill 30 s after their signal, of which checkpoints and tracking take 15.
_UNWIND_SECONDS = 8.0
# Outcomes, and what MLflow's database needs to close a study's runs.
_RESERVE, _RESERVE_BYTES = ".reserve", 2**21


class Interruption:
    """Turns signals to stop into one KeyboardInterrupt; while a study is closed they wait.

    Attributes:
        close: closes the study from another thread, told the reason.
        tell: prints that the process was asked to stop, and how to go on.
        leave: ends this process at once.
    """

    def __init__(self) -> None:
        self.close: Callable[[str], None] = lambda reason: None
        self.tell: Callable[[], None] = lambda: None
        self.leave: Callable[[], None] = partial(os._exit, INTERRUPTED)
        self._closer: dict[str, int] = {}
        self._last = -_SAME_REQUEST_SECONDS
        self._raised = self._closing = self._waiting = self._working = False
        self._told: int | None = None

    def listen(self) -> None:
        """Install the handlers; to be repeated after what installs its own, as Ray does."""
        _heed(self._stop)
        if self._told is None:
            heard, self._told = os.pipe()
            os.set_blocking(self._told, False)
            threading.Thread(
                target=self._insist, args=(heard,), name="interruption", daemon=True
            ).start()
        # Python's own handlers wait until compiled code, such as Ray's, returns.
        signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Close the study from another thread if a signal does not end the body in time.

        Without its head Ray may hold the main thread for longer than there is time to close.
        """
        self._working = True
        try:
            yield
        finally:
            self._working = False
            if (self._closer or self._raised) and not self._is_first():
                threading.Event().wait()  # for the end of this process, which is near

    def _insist(self, heard: int) -> None:
        while True:
            if os.read(heard, 1)[0] not in SIGNALS:
                continue
            time.sleep(_UNWIND_SECONDS)
            if self._working and self._is_first():
                self.close("Ray does not answer")
                self.leave()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close a study, which takes seconds; once a stop was asked for, nothing interrupts."""
        if (self._closer or self._raised) and not self._is_first():
            threading.Event().wait()  # for the end of this process, which is near
        self._closing = True
        if self._raised:
            _heed_no_more()
        yield
        self._closing = self._raised
        if self._waiting and not self._raised:
            raise KeyboardInterrupt

    def take_over(self, reason: str) -> bool:
        """Close the study from another thread, after which the process is to end.

        Args:
            reason: why.

        Returns:
            False if the main thread was asked to stop before, and so closes the study itself.
        """
        # One that was asked to stop closes the study itself, or `_insist` does.
        if first := not self._raised and self._is_first():
            self.close(reason)
        return first

    def _is_first(self) -> bool:
        """Whether this thread is the first that asks: it alone closes an interrupted study."""
        me = threading.get_ident()
        # A single step, for threads and for handlers of signals.
        return self._closer.setdefault("thread", me) == me

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_terminal()
        now = time.monotonic()
        repeated = now - self._last < _SAME_REQUEST_SECONDS
        self._last = now
        if self._closing:
            self._waiting = True
        elif not repeated and (not self._closer or self._is_first()):
            self._raised = True
            raise KeyboardInterrupt


def stop_at_once() -> None:
    """End this process with a line at a signal to stop, until `Interruption.listen`."""
    _heed(_stop_at_once)


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    with suppress(OSError):  # the terminal may be gone
        os.write(1, b"interrupted; nothing has begun\n")
    # An import that is cut off in the middle might answer in its own way.
    os._exit(INTERRUPTED)


def _heed(handler: Callable[[int, FrameType | None], None]) -> None:
    """Install a handler; what the parent process has switched off, as nohup does, stays so."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _heed_no_more() -> None:
    """Ignore signals to stop, also while Python itself ends, which takes its handlers away."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def interruptible(
    say: Callable[[str], None], again: Callable[[], str] = lambda: ""
) -> Iterator[Interruption]:
    """End this process with a line and `INTERRUPTED` when it is asked to stop.

    Args:
        say: prints a line.
        again: how to go on, as the end of the line.

    Yields:
        The handlers of signals to stop, installed.
    """
    interruption = Interruption()

    told = threading.Event()

    def close(reason: str = "") -> None:
        if told.is_set():
            return
        told.set()
        say(f"interrupted{': ' if reason else ''}{reason}{again()}")
        end_output()

    interruption.close, interruption.tell = close, close
    interruption.listen()
    try:
        yield interruption
    except (KeyboardInterrupt, SystemExit):  # the latter is Ray's answer to SIGTERM
        _heed_no_more()
        if not told.is_set():
            told.set()
            say(f"interrupted{again()}")
        sys.exit(INTERRUPTED)


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
