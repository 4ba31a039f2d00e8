"""The columns of a table under the names that files give them, and a count of what was mended."""

import logging
import reprlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridir.errors import InputError

_logger = logging.getLogger("hybridir")


class Mended:
    """What was mended in a table, with counts."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, repair: str, count: int = 1) -> None:
        """Count a repair; none of no rows."""
        if count:
            self._counts[repair] += count

    def update(self, other: "Mended") -> None:
        """Add the repairs of another count."""
        self._counts.update(other._counts)

    def log(self, source: str) -> None:
        """Say all repairs in one line, if there are any."""
        if self._counts:
            repairs = ", ".join(f"{repair}: {count}" for repair, count in self._counts.items())
            _logger.warning("%s was mended: %s", source, repairs)


_SHOWN = 20  # names in a message


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        needed: those that every table has.
        optional: further ones that are read.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Needed and optional columns."""
        return (*self.needed, *self.optional)

    def find(self, path: Path, names: Sequence[str], mended: Mended) -> dict[str, str]:
        """Find the columns among the names in a file.

        Returns:
            Name in the file -> column.

        Raises:
            InputError: if a needed column is missing, or any is there more than once.
        """
        columns = {name: column for name in names if (column := column_name(name)) in self.all}
        missing = [column for column in self.needed if column not in columns.values()]
        if missing:
            raise InputError(
                f"{path}: no column {', '.join(missing)}; needed are {', '.join(self.needed)}, "
                f"optional are {' and '.join(self.optional)}; found "
                f"{', '.join(map(reprlib.repr, names[:_SHOWN])) or 'none'}"
                f"{', ...' * (len(names) > _SHOWN)}"
            )
        count = Counter(column_name(name) for name in names)
        if repeated := [column for column in self.all if count[column] > 1]:
            raise InputError(f"{path}: column {', '.join(repeated)} is there more than once")
        renamed = sum(name != column for name, column in columns.items())
        mended.add("column names with blanks or capitals", renamed)
        return columns


def column_name(name: str) -> str:
    """The column that a name in a file means.

    >>> column_name(" Question-ID ")
    'question_id'
    """
    return "_".join(name.lower().replace("-", " ").split())
