"""Records of JSONL, TSV and Parquet files, plain or gzipped, each with its place in the file.

A broken file is read up to where it breaks and then says so, so that all that is wrong with one
file can be named at once.
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
_SHOWN_PROBLEMS = 20
_GZIP = ".gz"
_PARQUET = ".parquet"
# Rows of a Parquet file that are unpacked at once: little enough to bound memory.
_ROWS = 10_000


class Broken(str):
    """Why a file cannot be read any further."""


# Where a record stands (a line or a row number, from 1), and its fields or what is wrong with it.
Record = tuple[int, dict[str, object] | str]


def read_records(
    path: Path, needed: Sequence[str], columns: Sequence[str] | None = None
) -> Iterator[Record]:
    """Read a file record by record.

    Args:
        path: ``.jsonl`` or ``.tsv`` in UTF-8, either of them with ``.gz``, or ``.parquet``.
        needed: columns that the header of a TSV file or a Parquet file must have.
        columns: names of the fields of a TSV file without a header; the last one takes what is
            left of its line.

    Returns:
        The records, without empty lines. A `Broken` reason is the last one.
    """
    if path.suffix == _PARQUET:
        return _rows(path, needed)
    if path.name.removesuffix(_GZIP).endswith(".jsonl"):
        return _objects(_lines(path))
    return _fields(_lines(path), needed, columns)


class BadRecords:
    """Collects what is wrong with one file.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unit = "row" if path.suffix == _PARQUET else "line"
        self._problems: list[tuple[int, str]] = []

    def add(self, place: int, reason: str) -> None:
        """Note what is wrong with one record."""
        self._problems.append((place, reason))

    def settle(self, skip_bad: bool) -> None:
        """Stop at what was found, or log it.

        Args:
            skip_bad: bad records have been left out on purpose.

        Raises:
            InputError: lists them, unless there are none or all have been left out on purpose; a
                file that could not be read to its end is never good enough.
        """
        if not self._problems:
            return
        # Why a file breaks off comes first: it is what matters most, and may explain the others.
        self._problems.sort(key=lambda problem: (not isinstance(problem[1], Broken), *problem))
        listed = [f"{self._unit} {place}: {reason}" for place, reason in self._problems]
        if len(listed) > _SHOWN_PROBLEMS:
            listed[_SHOWN_PROBLEMS:] = [f"and {len(listed) - _SHOWN_PROBLEMS} more"]
        count = f"{len(self._problems)} bad record{'s' * (len(self._problems) > 1)}"
        if isinstance(self._problems[0][1], Broken):
            raise InputError.collect(f"{self._path} has {count}; fetch the file again", listed)
        if not skip_bad:
            advice = "mend them or set skip_bad to leave them out"
            raise InputError.collect(f"{self._path} has {count}; {advice}", listed)
        _logger.warning("%s: %s left out:\n  - %s", self._path, count, "\n  - ".join(listed))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without their ends; a `Broken` one is the last."""
    line = 0
    try:
        with gzip.open(path) if path.suffix == _GZIP else path.open("rb") as file:
            for line, raw in enumerate(file, start=1):
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8").rstrip("\r\n")
                if text.strip():
                    yield line, text
    except UnicodeDecodeError:
        yield line, Broken("not UTF-8 text")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        yield line + 1, Broken(f"the compressed file breaks off or is damaged ({error})")
    except OSError as error:
        yield line + 1, Broken(f"the file cannot be read ({error.strerror or error})")


def _objects(lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    for line, text in lines:
        if isinstance(text, Broken):
            yield line, text
            continue
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:  # too many digits or brackets, too
            yield line, f"invalid JSON ({getattr(error, 'msg', error)})"
            continue
        if isinstance(fields, dict):
            yield line, fields
        else:
            yield line, f"expected an object, found {type(fields).__name__}"


def _fields(
    lines: Iterable[tuple[int, str]], needed: Sequence[str], columns: Sequence[str] | None
) -> Iterator[Record]:
    has_header = columns is None
    for line, text in lines:
        if isinstance(text, Broken):
            yield line, text
        elif columns is None:
            columns = text.split("\t")
            missing = [name for name in needed if name not in columns]
            if missing:
                yield line, Broken(f"the header has no {' and no '.join(missing)}")
                return
        else:
            values = text.split("\t") if has_header else text.split("\t", len(columns) - 1)
            if len(values) == len(columns):
                yield line, dict(zip(columns, values, strict=True))
            else:
                yield line, f"{len(values)} fields between tabs, not {len(columns)}"


def _rows(path: Path, needed: Sequence[str]) -> Iterator[Record]:
    # pyarrow takes .2 s to import, and most studies need no Parquet.
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in needed if name not in file.schema_arrow.names]
            if missing:
                yield 1, Broken(f"there is no column {' and no '.join(missing)}")
                return
            for batch in file.iter_batches(_ROWS):
                for fields in batch.to_pylist():
                    row += 1
                    yield row, fields
    # Arrow reports damage as any of these; texts that are not UTF-8 as ValueError.
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        yield row + 1, Broken(f"the Parquet file breaks off or is damaged ({reason})")
