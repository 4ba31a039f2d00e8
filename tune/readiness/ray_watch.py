"""Ends a driver whose own Ray was killed, by an operator's mistake or for want of memory.

Without its raylet a driver waits for good, and 60 s after the end of Ray's head it aborts with the
words of a programmer (measured with ray 2.60).
"""

import os
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import psutil  # type: ignore[import-untyped]
from ray._private import worker

from hybridir.errors import INTERRUPTED

_NEEDED = ("raylet", "gcs_server")
# Ray's compiled code complains of a killed worker after 0.5 s (measured).
_POLL_SECONDS = 0.1
# Ray knows of an end by a closed pipe, which the system closes before the process has ended.
_LATE_SECONDS = 1.0
_END_SECONDS = 5.0
# A start that fails ends what it has started, to be tried again.
_START_SECONDS = 1.0


class RayWatch:
    """Looks after the Ray that this process is about to start, from a thread.

    Args:
        folder: Ray's own folder, removed when Ray is gone.
        lost: called in the thread with the reason when a process that Ray needs is gone. The main
            thread may wait in Ray meanwhile, and goes on once Ray answers. Afterwards all that is
            left of Ray is killed, and this process with it, unless the answer is False: the main
            thread ends by itself.
    """

    def __init__(self, folder: Path, lost: Callable[[str], bool]) -> None:
        self._folder = folder.resolve()
        self._lost = lost
        self._starting: dict[str, psutil.Process] = {}
        self._stopping = threading.Event()
        # Of a killed raylet Ray prints the log.
        self._print: Callable[..., None] = worker.print_to_stdstream
        worker.print_to_stdstream = self._print_unless_ended
        threading.Thread(target=self._watch, name="ray-watch", daemon=True).start()

    def stop(self) -> None:
        """Look away, since Ray is about to be ended on purpose."""
        self._stopping.set()
        worker.print_to_stdstream = self._print

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            ended = self._ended()
            if ended and not self._stopping.wait(0 if _has_started() else _START_SECONDS):
                self._finish(f"Ray's process {' and '.join(ended)}{self._advice()}")
                return

    def _advice(self) -> str:
        """Nothing has begun yet, so that nobody tells how to go on."""
        return "" if _has_started() else f" (load {os.getloadavg()[0]:.0f}); start again"

    def _ended(self) -> list[str]:
        if not _has_started():
            return [f"{name} ended while Ray started" for name in self._ended_in_start()]
        processes = worker._global_node.all_processes  # type: ignore[attr-defined]
        codes = {name: processes[name][0].process.poll() for name in _NEEDED}
        return [f"{name} {_end(code)}" for name, code in codes.items() if code is not None]

    def _ended_in_start(self) -> list[str]:
        """Names of the processes that were seen, and are gone; Ray itself tells of none yet."""
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                if child.name() in _NEEDED:
                    self._starting.setdefault(child.name(), child)
        return [name for name, process in self._starting.items() if not _runs(process)]

    def _print_unless_ended(self, *arguments: Any, **options: Any) -> None:
        self._stopping.wait(_LATE_SECONDS)
        if not self._ended():
            self._print(*arguments, **options)

    def _finish(self, reason: str) -> None:
        end = True
        try:
            end = self._lost(reason)
        finally:
            if end:
                self.end()

    def end(self, code: int = INTERRUPTED) -> NoReturn:
        """Kill all that is left of Ray, and this process with it.

        The main thread may wait in Ray for good, and so may Ray's own way to end.
        """
        self._stopping.set()
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(code)

    def _kill(self) -> None:
        """Kill all processes of this Ray, those that have lost their parent as well."""
        family = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                files = [Path(file.path) for file in process.open_files()]
                logs = any(file.is_relative_to(self._folder) for file in files)
                if logs and process.pid != os.getpid():
                    process.kill()
                    family.append(process)
        psutil.wait_procs(family, timeout=_END_SECONDS)


def _has_started() -> bool:
    return worker._global_node is not None


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _end(code: int) -> str:
    """How a process ended, from the code of `subprocess`.

    >>> _end(-9), _end(-11), _end(1)
    ('was killed (SIGKILL, as when memory runs out)', 'was killed (signal 11)', 'ended (code 1)')
    """
    if code >= 0:
        return f"ended (code {code})"
    killed = code == -signal.SIGKILL
    return f"was killed ({'SIGKILL, as when memory runs out' if killed else f'signal {-code}'})"
