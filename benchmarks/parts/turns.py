"""Candidates in processes of their own that take turns, so that what disturbs one disturbs all."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import torch

from hybridir.runtime.memory import peak_memory_mb, release_memory, reset_peak_memory
from hybridir.runtime.startup import quieten_dependencies

# Repeats that are not counted: a training's heap grows for its first steps, and memory that a
# virtual machine hands out for the first time costs seconds for each GB.
WARM_UPS = 3


class _Enough(BaseException):
    """Ends a candidate's work."""


@dataclass
class Taken:
    """What a candidate took.

    Attributes:
        seconds: of each repeat, in the order of the repeats: CPU seconds of the process, or with a
            GPU seconds of the clock.
        memory_mb: peak in all repeats beyond what the libraries hold; None if it did not end.
        failure: why it did not end, or "".
    """

    seconds: list[float] = field(default_factory=list)
    memory_mb: float | None = None
    failure: str = ""


class Meter:
    """Cuts a candidate's work into repeats; made in the candidate's own process.

    Args:
        connection: to the process that gives the turns.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._start = 0.0
        self._libraries_mb = 0.0

    def loaded(self) -> None:
        """All libraries are loaded, and nothing else; memory is counted from here."""
        release_memory()
        reset_peak_memory()
        self._libraries_mb = 0.0 if torch.cuda.is_available() else peak_memory_mb()
        self._start = _now()

    def beat(self) -> None:
        """A repeat has ended; wait for the next turn."""
        taken = _now() - self._start
        self._connection.send((taken, peak_memory_mb() - self._libraries_mb))
        if not self._connection.recv():
            raise _Enough
        self._start = _now()


Work = Callable[[Any, Meter], None]


def take_turns(work: Sequence[Work], case: Any, repeats: int, threads: int) -> list[Taken]:
    """Let candidates do the same case in turns.

    Args:
        work: what each does: calls `Meter.loaded`, and then `Meter.beat` for ever.
        case: what is given to each.
        repeats: that are counted, after those that warm up.
        threads: of each candidate.
    """
    context = multiprocessing.get_context("spawn")
    lines, processes = [], []
    for does in work:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, does, case, threads), daemon=True)
        process.start()
        there.close()
        lines.append(here)
        processes.append(process)
    taken = [Taken() for _ in work]
    # A candidate begins by itself and runs to its first beat.
    for number in range(WARM_UPS + repeats):
        for line, one in zip(lines, taken, strict=True):
            if one.failure:
                continue
            if number:
                line.send(True)
            answer = line.recv()
            if isinstance(answer, str):
                one.failure, one.memory_mb = answer, None
            elif number >= WARM_UPS:
                one.seconds.append(answer[0])
                one.memory_mb = max(one.memory_mb or 0.0, answer[1])
    for line, one, process in zip(lines, taken, processes, strict=True):
        if not one.failure:
            line.send(False)
        process.join()
    return taken


def _serve(connection: Connection, work: Work, case: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    quieten_dependencies()
    try:
        work(case, Meter(connection))
    except _Enough:
        return
    except Exception as error:
        connection.send(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
