"""JSONL and Parquet files row by row, and text files line by line.

A bad row comes with its place and a reason. A broken file is read up to where it breaks, so that
all problems of one file can be named at once.
"""

import gzip
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hybridir.errors import InputError

_logger = logging.getLogger("hybridir")

# A broken file repeats one mistake many times; this many are enough to see which.
SHOWN_PROBLEMS = 20
_GZIP = ".gz"
_PARQUET = ".parquet"
# Rows of a Parquet file that are unpacked at once: few enough to bound memory.
_BATCH_ROWS = 10_000


class BrokenFile(str):
    """Why a file cannot be read any further."""

    remedy = "fetch the file again"


class UnknownForm(BrokenFile):
    """Why the rest of a file has no known form; says which is expected."""

    remedy = "mend the file"


# Number of a row (its line, or its place in a Parquet file, from 1), and its fields or the reason
# why it is bad.
Row = tuple[int, dict[str, object] | str]


def read_rows(path: Path) -> Iterator[Row]:
    """Read a file row by row.

    Args:
        path: ``.parquet``; or JSON, an object a line, in UTF-8, also with ``.gz``.

    Returns:
        The rows, without empty lines. The last one is a `BrokenFile` if the file breaks off.
    """
    if path.suffix.lower() == _PARQUET:
        return _parquet_rows(path)
    return _json_rows(read_lines(path))


def parse_object(text: str) -> dict[str, object] | str:
    """Parse a JSON object; returns the reason if the text is none."""
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        return f"invalid JSON ({error.msg}, column {error.colno})"
    except (ValueError, RecursionError) as error:  # too many digits, or brackets
        return f"invalid JSON ({error})"
    if isinstance(fields, dict):
        return fields
    return f"expected an object, found {type(fields).__name__}"


def parquet_errors() -> tuple[type[Exception], ...]:
    """The errors by which Arrow reports damage; a text that is not UTF-8 is a ValueError."""
    import pyarrow as pa

    return (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def shortened(problems: Sequence[str], total: int | None = None) -> list[str]:
    """The first `SHOWN_PROBLEMS` problems of a file, and how many more of `total` there are."""
    more = (len(problems) if total is None else total) - SHOWN_PROBLEMS
    return [*problems[:SHOWN_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]


class BadRows:
    """The problems of one file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unit = "row" if path.suffix.lower() == _PARQUET else "line"
        self._problems: list[tuple[int, str]] = []

    def add(self, number: int, reason: str) -> None:
        """Note the problem of one row."""
        self._problems.append((number, reason))

    def report(self, skip_bad: bool) -> int:
        """Stop at the problems, or log them.

        Args:
            skip_bad: bad rows have been left out on purpose.

        Returns:
            How many there are.

        Raises:
            InputError: lists them, unless there are none or all have been left out on purpose; a
                file that could not be read to its end is never good enough.
        """
        if not self._problems:
            return 0
        # A broken file comes first: that matters most, and may explain the others.
        self._problems.sort(key=lambda problem: (not isinstance(problem[1], BrokenFile), *problem))
        lines = shortened([f"{self._unit} {number}: {why}" for number, why in self._problems])
        count = f"{len(self._problems)} bad record{'s' * (len(self._problems) > 1)}"
        if isinstance(self._problems[0][1], BrokenFile):
            remedy = self._problems[0][1].remedy
            raise InputError.collect(f"{self._path} has {count}; {remedy}", lines)
        if not skip_bad:
            advice = "mend them, or set skip_bad: true to leave them out"
            raise InputError.collect(f"{self._path} has {count}; {advice}", lines)
        _logger.warning("%s: %s left out:\n  - %s", self._path, count, "\n  - ".join(lines))
        return len(self._problems)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, without its end.

    A `BrokenFile` is the last where the file breaks off.
    """
    line = 0
    try:
        with gzip.open(path) if path.suffix.lower() == _GZIP else path.open("rb") as file:
            for line, raw in enumerate(file, start=1):
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8").rstrip("\r\n")
                if text.strip():
                    yield line, text
    except UnicodeDecodeError:
        yield line, UnknownForm("not UTF-8 text; save the file as UTF-8")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield line + 1, BrokenFile(f"the compressed file breaks off or is damaged ({error})")
    except OSError as error:
        yield line + 1, BrokenFile(f"the file cannot be read ({error.strerror or error})")


def _json_rows(lines: Iterable[tuple[int, str]]) -> Iterator[Row]:
    for line, text in lines:
        yield line, text if isinstance(text, BrokenFile) else parse_object(text)


def _parquet_rows(path: Path) -> Iterator[Row]:
    # pyarrow takes .2 s to import, and most studies need no Parquet.
    import pyarrow.parquet as pq

    row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                for fields in batch.to_pylist():
                    row += 1
                    yield row, fields
    except parquet_errors() as error:
        reason = " ".join(str(error).split())
        yield row + 1, BrokenFile(f"the Parquet file breaks off or is damaged ({reason})")
