"""Cases one after the other: damage a file, load it, look for leftovers.

Seed and number alone determine a case, so that it can be repeated without the others.
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
# After this a library is stuck where no signal reaches it, and its process is killed.
_STUCK_SECONDS = 3 * SECONDS
_MEMORY = 3 * 2**30

Outcome = Literal["loaded", "refused", "traceback", "hang", "leftover"]
OUTCOMES: tuple[Outcome, ...] = ("loaded", "refused", "traceback", "hang", "leftover")
LOADERS: tuple[Loader, ...] = (*OUTSIDE, *STORED)
_ROUND = tuple(loader for loader in LOADERS for _ in range(loader.weight))


@dataclass(frozen=True)
class Case:
    """A damaged input and the outcome of loading it.

    Attributes:
        number: of the case.
        loader: name of the loader.
        file: the damaged file.
        outcome: one of `OUTCOMES`; the last three are faults.
        detail: message of the loader, or the traceback.
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
        files = _contents(inner)
        loader.load(inner, out)
        return {name: body for name, body in files.items() if not name.endswith(".lock")}


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
    splices = [body for file, body in sorted(files.items()) if file != name]
    files[name] = damaged(name, files[name], splices, rng)
    if keep is not None:
        _write(keep, files)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        inner, out = _folders(Path(folder))
        _write(inner, files)
        outcome, detail = _load(loader, inner, out)
        leftover = _leftover(loader, files, inner, out, outcome)
        if leftover and outcome in ("loaded", "refused"):
            outcome, detail = "leftover", leftover
    return Case(number, loader.name, name, outcome, detail)


def _loader(seed: int, number: int) -> Loader:
    """In every round, in random order, the number of cases of a loader is its weight."""
    number_of_round, position = divmod(number, len(_ROUND))
    return random.Random(f"{seed}/round {number_of_round}").sample(_ROUND, len(_ROUND))[position]


def _load(loader: Loader, inner: Path, out: Path) -> tuple[Outcome, str]:
    try:
        with _time_limit():
            loader.load(inner, out)
    except loader.refuses as error:
        readable = str(error).encode(errors="backslashreplace").decode()
        # A message that cannot be printed would be a traceback after all.
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


def _leftover(
    loader: Loader, files: dict[str, bytes], inner: Path, out: Path, outcome: Outcome
) -> str:
    """Files that a loader should not have left behind or changed, or an empty text."""
    now = _contents(inner)
    unfinished = [name for name in (*now, *_contents(out)) if name.endswith(".part")]
    if unfinished:
        return f"half-written: {', '.join(unfinished)}"
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
        receiver, sender = spawn.Pipe(duplex=False)
        worker = spawn.Process(target=_serve, args=(seed, numbers, sender))
        worker.start()
        sender.close()
        try:
            for number in numbers:
                # The first case waits for imports as well.
                if not receiver.poll(_STUCK_SECONDS + 120 * (number == numbers.start)):
                    yield Case(number, "?", "?", "hang", "stuck where no signal reaches it")
                    break
                try:
                    yield receiver.recv()
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
            receiver.close()


def _serve(seed: int, numbers: range, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings of libraries, thousands of them
    for number in numbers:
        sender.send(run_case(seed, number))
