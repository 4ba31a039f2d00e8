"""CSV and TSV: the delimiter, the quotes and the escapes that fit a file."""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from hybridir.data.readers.rows import Row
from hybridir.data.readers.table_files.columns import Columns, Mended, column_name
from hybridir.data.readers.table_files.text import opened_text
from hybridir.errors import InputError

# Fields of any length: the limit of `csv` is 131,072 characters, and this the highest everywhere.
_LONGEST_FIELD = 2**31 - 1
_DELIMITERS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?\s*')  # Excel's first line
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


@dataclass(frozen=True)
class _Dialect:
    """How the fields of a text file are separated and quoted."""

    delimiter: str
    quoted: bool = True
    backslashes: bool = False


def separated_rows(path: Path, expected: str, columns: Columns, mended: Mended) -> list[Row]:
    """Read the records of a file in the dialect that fits them.

    Args:
        path: a text file with a header.
        expected: the delimiter that its ending promises.
        columns: what to read.
        mended: counts what was mended.

    Returns:
        The rows, good and bad, under the numbers of the lines where they begin.

    Raises:
        InputError: if no dialect fits, or a column is missing.
    """
    delimiter = _delimiter(path, expected, columns, mended)
    plain = [_read(path, _Dialect(delimiter), columns)]
    if delimiter == "\t" and _may_be_unquoted(path):
        plain.append(_read(path, _Dialect(delimiter, quoted=False), columns))
        if all(reading.fits for reading in plain):
            counts = " or ".join(str(len(reading.rows)) for reading in plain)
            raise InputError(
                f"{path}: its quotes may enclose fields or belong to texts, which gives {counts} "
                "rows; save the table as JSONL"
            )
    readings = chain(plain, _escaped_readings(path, delimiter, columns))
    chosen = next((reading for reading in readings if reading.fits), None)
    # Of readings with bad rows the first that comes to the end, so that all are named.
    chosen = chosen or next((reading for reading in plain if not reading.error), plain[0])
    if chosen.error:
        raise chosen.error
    mended.update(chosen.mended)
    return chosen.rows


@dataclass(frozen=True)
class _Reading:
    """A file as one dialect has it.

    Attributes:
        rows: good and bad ones.
        mended: what was mended.
        fits: whether the file follows the dialect and all rows have all needed columns.
        error: why the file does not follow the dialect.
    """

    rows: list[Row]
    mended: Mended
    fits: bool = False
    error: InputError | None = None


def _read(path: Path, dialect: _Dialect, columns: Columns) -> _Reading:
    mended = Mended()
    try:
        rows = _rows_of(path, dialect, columns, mended)
    except _NoCsvError as error:
        return _Reading([], mended, error=error)
    fits = all(
        not isinstance(fields, str) and all(str(fields[name]).strip() for name in columns.needed)
        for _, fields in rows
    )
    return _Reading(rows, mended, fits)


def _escaped_readings(path: Path, delimiter: str, columns: Columns) -> Iterator[_Reading]:
    """Readings with a backslash before quotes, or without quotes before delimiters."""
    for quoted, escaped in ((True, '"'), (False, delimiter)):
        with opened_text(path) as file:
            count = sum(f"\\{escaped}" in line for line in file)
        if count:
            reading = _read(path, _Dialect(delimiter, quoted, backslashes=True), columns)
            reading.mended.add(f"lines with {escaped!r} behind a backslash", count)
            yield reading


class _NoCsvError(InputError):
    """The file breaks the rules of its dialect."""


def _delimiter(path: Path, expected: str, columns: Columns, mended: Mended) -> str:
    """The delimiter that gives most of the needed columns; the expected one if several do."""
    with opened_text(path) as file:
        first = file.readline()
        if match := _SEPARATOR_LINE.fullmatch(first):
            return match[1]
    best, most = expected, 0
    for delimiter in (expected, *_DELIMITERS):
        with opened_text(path) as file, _any_length():
            try:
                header = next(csv.reader(file, delimiter=delimiter), [])
            except csv.Error:
                continue
        named = len(set(columns.needed) & set(map(column_name, header)))
        if named > most:
            best, most = delimiter, named
    if best != expected:
        mended.add(f"fields separated by {best!r}")
    return best


def _may_be_unquoted(path: Path) -> bool:
    """Whether the quotes of a TSV file may belong to its texts.

    They may if all lines have the same number of fields, and some field has a quote before it
    without being a quoted text.
    """
    lengths, odd = set(), False
    with opened_text(path) as file:
        for line in file:
            fields = line.rstrip("\r\n").split("\t")
            if any(fields):
                lengths.add(len(fields))
                odd = odd or any(_is_open(text) for text in fields if text.startswith('"'))
    return odd and len(lengths) == 1


def _is_open(text: str) -> bool:
    """Whether a text that begins with a quote is no quoted text."""
    inner = text[1:-1].replace('""', "")
    return len(text) < 2 or not text.endswith('"') or '"' in inner


@contextmanager
def _any_length() -> Iterator[None]:
    """Read fields of any length; the limit belongs to the process."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows_of(path: Path, dialect: _Dialect, columns: Columns, mended: Mended) -> list[Row]:
    """Read the records of a file.

    Raises:
        InputError: if it breaks the rules of the dialect, or lacks a column.
    """
    rows: list[Row] = []
    with opened_text(path) as file, _any_length():
        lines: Iterable[str] = file
        if dialect.backslashes:
            # A delimiter inside quotes has no need of one.
            kept = '"\\' if dialect.quoted else f'"\\\r\n{dialect.delimiter}'
            lines = (_doubled_backslashes(line, kept) for line in file)
        reader = csv.reader(
            lines,
            delimiter=dialect.delimiter,
            quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
            escapechar="\\" if dialect.backslashes else None,
            strict=True,
        )
        line = 1
        try:
            header = next(reader, [])
            if _SEPARATOR_LINE.fullmatch(dialect.delimiter.join(header)):
                header = next(reader, [])
            found = columns.find(path, header, mended)
            places = [(header.index(name), column) for name, column in found.items()]
            while True:
                # A row starts on the line after the last one read: quoted texts hold breaks.
                line = reader.line_num + 1
                values = next(reader, None)
                if values is None:
                    return rows
                if not any(map(str.strip, values)):
                    mended.add("rows without any value left out", bool(values))
                elif len(values) < len(header) or any(map(str.strip, values[len(header) :])):
                    rows.append((line, f"{len(values)} fields, but the header has {len(header)}"))
                else:
                    rows.append((line, {column: values[at] for at, column in places}))
        except csv.Error as error:
            raise _NoCsvError(
                f"{path}: invalid CSV in the record of line {line} ({error}); write quotes inside "
                "a text twice, or save the table as JSONL"
            ) from None


def _doubled_backslashes(line: str, kept: str) -> str:
    r"""Double the backslashes that stand for themselves, as `csv` drops single ones.

    Args:
        line: of the file.
        kept: characters before which a backslash is none.

    >>> print(_doubled_backslashes(r'C:\new \"x\" \\', '"\\'))
    C:\\new \"x\" \\
    """

    def double(match: re.Match[str]) -> str:
        return match[0] if match[1] and match[1] in kept else f"\\{match[0]}"

    return _ESCAPE.sub(double, line)
