"""A reader of files to fuzz, with a small input that is whole."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hybridir.errors import InputError


class Unfinished(Exception):
    """A loader returned or wrote something incomplete."""


@dataclass(frozen=True)
class Loader:
    """One reader of files.

    Attributes:
        name: of the format.
        write: writes a whole input into a folder.
        load: reads that folder, writes to a second one, and raises `Unfinished` if its result is
            incomplete.
        weight: number of its cases in a round.
        refuses: errors that it may raise.
        keeps: whether it leaves its input alone; a cache repairs itself.
    """

    name: str
    write: Callable[[Path], object]
    load: Callable[[Path, Path], object]
    weight: int = 1
    refuses: tuple[type[Exception], ...] = (InputError,)
    keeps: bool = True
