"""JSONL, TSV and Parquet files, row by row.

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


# Number of a row (its line, or its place in a Parquet file, from 1), and its fields or the reason
# why it is bad.
Row = tuple[int, dict[str, object] | str]


def read_rows(
    path: Path, needed: Sequence[str], columns: Sequence[str] | None = None
) -> Iterator[Row]:
    """Read a file row by row.

    Args:
        path: ``.jsonl`` or ``.tsv`` in UTF-8, either of them with ``.gz``, or ``.parquet``.
        needed: columns that the header of a TSV file or a Parquet file must have.
        columns: names of the fields of a TSV file without a header; the last one takes the rest of
            its line.

    Returns:
        The rows, without empty lines. The last one is a `BrokenFile` if the file breaks off.
    """
    if path.suffix == _PARQUET:
        return _parquet_rows(path, needed)
    if path.name.removesuffix(_GZIP).endswith(".jsonl"):
        return _json_rows(_lines(path))
    return _tsv_rows(_lines(path), needed, columns)


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
        self._unit = "row" if path.suffix == _PARQUET else "line"
        self._problems: list[tuple[int, str]] = []

    def add(self, number: int, reason: str) -> None:
        """Note the problem of one row."""
        self._problems.append((number, reason))

    def report(self, skip_bad: bool) -> None:
        """Stop at the problems, or log them.

        Args:
            skip_bad: bad rows have been left out on purpose.

        Raises:
            InputError: lists them, unless there are none or all have been left out on purpose; a
                file that could not be read to its end is never good enough.
        """
        if not self._problems:
            return
        # A broken file comes first: that matters most, and may explain the others.
        self._problems.sort(key=lambda problem: (not isinstance(problem[1], BrokenFile), *problem))
        lines = shortened([f"{self._unit} {number}: {why}" for number, why in self._problems])
        count = f"{len(self._problems)} bad record{'s' * (len(self._problems) > 1)}"
        if isinstance(self._problems[0][1], BrokenFile):
            raise InputError.collect(f"{self._path} has {count}; fetch the file again", lines)
        if not skip_bad:
            advice = "mend them or set skip_bad to leave them out"
            raise InputError.collect(f"{self._path} has {count}; {advice}", lines)
        _logger.warning("%s: %s left out:\n  - %s", self._path, count, "\n  - ".join(lines))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without their ends; a `BrokenFile` is the last."""
    line = 0
    try:
        with gzip.open(path) if path.suffix == _GZIP else path.open("rb") as file:
            for line, raw in enumerate(file, start=1):
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8").rstrip("\r\n")
                if text.strip():
                    yield line, text
    except UnicodeDecodeError:
        yield line, BrokenFile("not UTF-8 text")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield line + 1, BrokenFile(f"the compressed file breaks off or is damaged ({error})")
    except OSError as error:
        yield line + 1, BrokenFile(f"the file cannot be read ({error.strerror or error})")


def _json_rows(lines: Iterable[tuple[int, str]]) -> Iterator[Row]:
    for line, text in lines:
        yield line, text if isinstance(text, BrokenFile) else parse_object(text)


def _tsv_rows(
    lines: Iterable[tuple[int, str]], needed: Sequence[str], columns: Sequence[str] | None
) -> Iterator[Row]:
    has_header = columns is None
    for line, text in lines:
        if isinstance(text, BrokenFile):
            yield line, text
        elif columns is None:
            columns = text.split("\t")
            missing = [name for name in needed if name not in columns]
            if missing:
                yield line, BrokenFile(f"the header has no {' and no '.join(missing)}")
                return
        else:
            values = text.split("\t") if has_header else text.split("\t", len(columns) - 1)
            if len(values) == len(columns):
                yield line, dict(zip(columns, values, strict=True))
            else:
                yield line, f"{len(values)} fields between tabs, not {len(columns)}"


def _parquet_rows(path: Path, needed: Sequence[str]) -> Iterator[Row]:
    # pyarrow takes .2 s to import, and most studies need no Parquet.
    import pyarrow.parquet as pq

    row = 0
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in needed if name not in file.schema_arrow.names]
            if missing:
                yield 1, BrokenFile(f"there is no column {' and no '.join(missing)}")
                return
            for batch in file.iter_batches(_BATCH_ROWS):
                for fields in batch.to_pylist():
                    row += 1
                    yield row, fields
    except parquet_errors() as error:
        reason = " ".join(str(error).split())
        yield row + 1, BrokenFile(f"the Parquet file breaks off or is damaged ({reason})")
