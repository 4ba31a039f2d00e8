"""Cases one after the other: damage a file, load it, look at what is left.

A case is known by the seed and its number alone, so that it can be repeated without the others.
"""

import multiprocessing
import os
import random
import resource
import signal
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Literal

from tests.fuzz.damage import damaged
from tests.fuzz.loader import Loader, Unfinished
from tests.fuzz.outside import OUTSIDE
from tests.fuzz.stored import STORED

# For a file of a few kB, which a healthy loader reads in milliseconds.
SECONDS = 10
# Behind this a library is stuck where no signal reaches it, and its process is killed.
_STUCK_SECONDS = 3 * SECONDS
_MEMORY = 3 * 2**30

Outcome = Literal["loaded", "refused", "traceback", "hang", "leftover"]
OUTCOMES: tuple[Outcome, ...] = ("loaded", "refused", "traceback", "hang", "leftover")
LOADERS: tuple[Loader, ...] = (*OUTSIDE, *STORED)
_ROUND = tuple(loader for loader in LOADERS for _ in range(loader.weight))


@dataclass(frozen=True)
class Case:
    """One damaged input and what came of it.

    Attributes:
        number: of the case.
        loader: name of the loader.
        file: the file that was damaged.
        outcome: how it ended; the last three are faults.
        detail: what the loader said, or the traceback.
    """

    number: int
    loader: str
    file: str
    outcome: Outcome
    detail: str


class _TooLong(BaseException):
    pass


@cache
def _whole(loader: Loader) -> dict[str, bytes]:
    """The files of a whole input, which must load."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        inner, out = _folders(Path(folder))
        loader.write(inner)
        found = _contents(inner)
        loader.load(inner, out)
        return {name: body for name, body in found.items() if not name.endswith(".lock")}


def run_case(seed: int, number: int, keep: Path | None = None) -> Case:
    """Damage one file and load it.

    Args:
        seed: of the campaign.
        number: of the case.
        keep: copy the damaged input there.
    """
    rng = random.Random(f"{seed}/{number}")
    loader = _loader(seed, number)
    files = dict(_whole(loader))
    name = rng.choice(sorted(files))
    others = [body for other, body in sorted(files.items()) if other != name]
    files[name] = damaged(name, files[name], others, rng)
    if keep is not None:
        _write(keep, files)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        inner, out = _folders(Path(folder))
        _write(inner, files)
        outcome, detail = _load(loader, inner, out)
        left = _left(loader, files, inner, out, outcome)
        if left and outcome in ("loaded", "refused"):
            outcome, detail = "leftover", left
    return Case(number, loader.name, name, outcome, detail)


def _loader(seed: int, number: int) -> Loader:
    """In every round each loader has as many cases as it has weight, in an order of its own."""
    number_of_round, place = divmod(number, len(_ROUND))
    return random.Random(f"{seed}/round {number_of_round}").sample(_ROUND, len(_ROUND))[place]


def _load(loader: Loader, inner: Path, out: Path) -> tuple[Outcome, str]:
    try:
        with _time_limit():
            loader.load(inner, out)
    except loader.refuses as error:
        readable = str(error).encode(errors="backslashreplace").decode()
        # What cannot be printed would be a traceback after all.
        return ("refused" if readable == str(error) != "" else "traceback"), readable
    except Unfinished as error:
        return "leftover", str(error)
    except _TooLong:
        return "hang", traceback.format_exc()
    except KeyboardInterrupt:
        raise
    except BaseException:  # Rust's panics are no Exception
        return "traceback", traceback.format_exc()
    return "loaded", ""


def _left(
    loader: Loader, files: dict[str, bytes], inner: Path, out: Path, outcome: Outcome
) -> str:
    """What a loader should not have left behind or changed, or nothing."""
    now = _contents(inner)
    parts = [name for name in (*now, *_contents(out)) if name.endswith(".part")]
    if parts:
        return f"half-written: {', '.join(parts)}"
    if loader.keeps and now != files:
        return "the input was changed"
    written = [name for name in _contents(out) if not name.endswith(".lock")]
    if outcome == "refused" and written:
        return f"refused, but there is {', '.join(written)}"
    return ""


def _folders(folder: Path) -> tuple[Path, Path]:
    inner, out = folder / "in", folder / "out"
    inner.mkdir()
    out.mkdir()
    return inner, out


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_cases(seed: int, numbers: range) -> Iterator[Case]:
    """Run cases in a process of their own, which may crash, hang or run out of memory.

    Args:
        seed: of the campaign.
        numbers: of the cases.
    """
    spawn = multiprocessing.get_context("spawn")
    while numbers:
        here, there = spawn.Pipe(duplex=False)
        worker = spawn.Process(target=_serve, args=(seed, numbers, there))
        worker.start()
        there.close()
        try:
            for number in numbers:
                # The first case waits for imports as well.
                if not here.poll(_STUCK_SECONDS + 120 * (number == numbers.start)):
                    yield Case(number, "?", "?", "hang", "stuck where no signal reaches it")
                    break
                try:
                    yield here.recv()
                except EOFError:
                    worker.join()
                    yield Case(number, "?", "?", "traceback", f"died: {worker.exitcode}")
                    break
                numbers = range(number + 1, numbers.stop)
            else:
                return
            numbers = range(number + 1, numbers.stop)
        finally:
            worker.kill()
            worker.join()
            here.close()


def _serve(seed: int, numbers: range, there: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings of libraries, thousands of them
    for number in numbers:
        there.send(run_case(seed, number))
