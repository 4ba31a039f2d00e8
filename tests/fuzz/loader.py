"""What is fuzzed: a reader of files, with a small input that is whole."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hybridir.errors import InputError


class Unfinished(Exception):
    """What a loader returned or wrote is not whole."""


@dataclass(frozen=True)
class Loader:
    """One reader of files.

    Attributes:
        name: what it reads.
        write: writes a whole input into a folder.
        load: reads that folder; whatever it writes goes to the second one. It looks at what it
            gets, and raises `Unfinished` if that is not whole.
        weight: how many of a round's cases it gets.
        refuses: what it may raise.
        keeps: whether it leaves its input alone; a cache mends itself.
    """

    name: str
    write: Callable[[Path], object]
    load: Callable[[Path, Path], object]
    weight: int = 1
    refuses: tuple[type[Exception], ...] = (InputError,)
    keeps: bool = True
