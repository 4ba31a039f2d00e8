"""Files of tables as spreadsheets, pandas, Spark and data sets write them, as rows of columns.

What has one meaning is read; what has several is refused with the remedy:

- JSONL (one object a line), JSON (a list of objects), CSV and TSV with a header, Parquet; endings
  in any case, text files with ``.gz`` as well;
- UTF-8 with or without a byte order mark, UTF-16 and UTF-32 (of files without a mark, those that
  begin with a plain letter);
- column names in any case, with blanks around them, and blanks or hyphens for underscores;
- CSV with commas, semicolons or tabs, whichever gives the needed columns; quotes inside a text
  doubled, or with a backslash before them; TSV with or without quoted texts;
- rows without any value, and empty fields behind the last column, are left out.
"""

import codecs
import csv
import gzip
import io
import json
import logging
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hybridir.data.readers.rows import Row, parquet_errors, parse_object
from hybridir.errors import InputError

_logger = logging.getLogger("hybridir")

_GZIP = ".gz"
ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
# First bytes of files that are not what their ending says, and what to do.
_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or ZIP archive; save the sheet as CSV in UTF-8",
    b"\x1f\x8b": "compressed; put .gz behind its name",
    b"PAR1": "a Parquet file; let its name end with .parquet",
}
# Fields of any length: the limit of `csv` is 131,072 characters, and this the highest everywhere.
_LONGEST_FIELD = 2**31 - 1
_DELIMITERS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?\s*')  # Excel's first line
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


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


@dataclass
class TableFile:
    """The rows of a file.

    Attributes:
        rows: see `Row`; only columns that were asked for.
        unit: ``line`` or ``row``, the meaning of a row's number.
        mended: what was mended so far.
    """

    rows: list[Row]
    unit: str
    mended: Mended = field(default_factory=Mended)


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
                f"{', '.join(map(repr, names)) or 'none'}"
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


def read_table_file(path: Path, columns: Columns) -> TableFile:
    """Read a table.

    Args:
        path: a file of one of the forms above.
        columns: what to read; further columns are ignored.

    Returns:
        The rows in the order of the file, good and bad.

    Raises:
        InputError: if the file cannot be read to its end, has no row, or lacks a column.
    """
    name = path.name.lower()
    ending = Path(name.removesuffix(_GZIP)).suffix
    if ending not in ENDINGS or (ending == ".parquet" and name.endswith(_GZIP)):
        raise InputError(
            f"{path}: unknown ending {path.suffix!r}; use {' or '.join(ENDINGS)}, text files with "
            f"{_GZIP} as well; of a spreadsheet save the sheet as CSV in UTF-8"
        )
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    if ending == ".parquet":
        table = TableFile([], "row")
        table.rows.extend(_parquet_rows(path, columns, table.mended))
    else:
        table = _read_text(path, ending, columns)
    if not table.rows:
        raise InputError(f"{path}: there are no rows in it")
    return table


def _read_text(path: Path, ending: str, columns: Columns) -> TableFile:
    """Read a text file.

    Raises:
        InputError: as `read_table_file`.
    """
    try:
        with _text(path) as file:
            encoding = file.encoding.removesuffix("-sig")
        table = TableFile([], "line")
        if encoding != "utf-8":
            table.mended.add(f"read as {encoding.upper()}")
        if ending in (".csv", ".tsv"):
            delimiter = "\t" if ending == ".tsv" else ","
            table.rows.extend(_separated_rows(path, delimiter, columns, table.mended))
        else:
            table.unit, rows = _json_rows(path, columns, table.mended)
            table.rows.extend(rows)
        return table
    except UnicodeDecodeError as error:
        where = (
            f"{path}, line {_first_undecodable_line(path)}" if error.encoding == "utf-8" else path
        )
        raise InputError(
            f"{where}: not {error.encoding.upper()} text; save it as UTF-8 (in a spreadsheet: "
            "CSV UTF-8)"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the compressed file breaks off or is damaged ({error})"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror or error})") from None


def _binary(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path) if path.name.lower().endswith(_GZIP) else path.open("rb")


@contextmanager
def _text(path: Path, newline: str = "") -> Iterator[io.TextIOWrapper]:
    """Open a text file in its encoding.

    Raises:
        InputError: if it is no text file.
    """
    with _binary(path) as file:
        head = file.peek(4)[:4]
        for start, remedy in _FOREIGN.items():
            if head.startswith(start):
                raise InputError(f"{path}: the file is {remedy}")
        with io.TextIOWrapper(file, encoding=_encoding(head), newline=newline) as text:
            yield text


def _encoding(head: bytes) -> str:
    """The encoding of a text that begins with a mark or a plain letter."""
    if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32"
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if len(head) > 1 and (head[0] == 0) != (head[1] == 0):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def _first_undecodable_line(path: Path) -> int:
    with _binary(path) as file:
        for line, raw in enumerate(file, start=1):
            try:
                raw.decode()
            except UnicodeDecodeError:
                return line
    raise AssertionError(f"{path} is UTF-8 after all")


# ---- JSON


def _json_rows(path: Path, columns: Columns, mended: Mended) -> tuple[str, list[Row]]:
    """The unit of a row's number, and the rows of JSONL or of a list of objects."""
    # Only line feeds separate rows: a text may hold other breaks, such as U+2028, as they are.
    with _text(path, newline="\n") as file:
        if path.name.lower().removesuffix(_GZIP).endswith(".json"):
            whole = file.read()
            if whole.lstrip().startswith("["):
                return "row", _chosen(path, enumerate(_json_list(path, whole), 1), columns, mended)
            lines: Iterable[str] = io.StringIO(whole, newline="\n")
        else:
            lines = file
        rows = ((line, parse_object(text)) for line, text in enumerate(lines, 1) if text.strip())
        return "line", _chosen(path, rows, columns, mended)


def _json_list(path: Path, text: str) -> list[dict[str, object] | str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: invalid JSON ({error})") from None
    return [
        fields
        if isinstance(fields, dict)
        else f"expected an object, found {type(fields).__name__}"
        for fields in content
    ]


def _chosen(path: Path, rows: Iterable[Row], columns: Columns, mended: Mended) -> list[Row]:
    """Keep the columns of each object; all objects together have the needed ones."""
    every: list[Row] = list(rows)
    names = dict.fromkeys(key for _, fields in every if isinstance(fields, dict) for key in fields)
    if not names:
        return every
    found = columns.find(path, sorted(names), mended)
    return [
        (number, fields)
        if isinstance(fields, str)
        else (number, {found[key]: value for key, value in fields.items() if key in found})
        for number, fields in every
    ]


# ---- CSV and TSV


@dataclass(frozen=True)
class _Dialect:
    """How the fields of a text file are separated and quoted."""

    delimiter: str
    quoted: bool = True
    backslashes: bool = False


def _separated_rows(path: Path, expected: str, columns: Columns, mended: Mended) -> list[Row]:
    """Read the records in the dialect that fits them."""
    delimiter = _delimiter(path, expected, columns, mended)
    if delimiter == "\t" and _is_unquoted(path):
        return _rows_of(path, _Dialect(delimiter, quoted=False), columns, mended)
    repairs = Mended()
    try:
        rows = _rows_of(path, _Dialect(delimiter), columns, repairs)
    except _NoCsvError as error:
        if escaped := _escaped_rows(path, delimiter, columns, mended):
            return escaped
        raise error from None
    if any(isinstance(fields, str) for _, fields in rows):
        if escaped := _escaped_rows(path, delimiter, columns, mended):
            return escaped
    mended.update(repairs)
    return rows


def _escaped_rows(path: Path, delimiter: str, columns: Columns, mended: Mended) -> list[Row]:
    """Read records with a backslash before quotes, or without quotes before delimiters.

    Returns:
        The rows; none if no line has such a backslash, or if that gives bad rows.
    """
    for quoted, escaped in ((True, '"'), (False, delimiter)):
        with _text(path) as file:
            count = sum(f"\\{escaped}" in line for line in file)
        repairs = Mended()
        repairs.add(f"lines with {escaped!r} behind a backslash", count)
        dialect = _Dialect(delimiter, quoted, backslashes=True)
        try:
            rows = _rows_of(path, dialect, columns, repairs) if count else []
        except _NoCsvError:
            continue
        if rows and not any(isinstance(fields, str) for _, fields in rows):
            mended.update(repairs)
            return rows
    return []


class _NoCsvError(InputError):
    """The file breaks the rules of its dialect."""


def _delimiter(path: Path, expected: str, columns: Columns, mended: Mended) -> str:
    """The delimiter that gives the needed columns; the expected one if none does."""
    with _text(path) as file:
        first = file.readline()
        if match := _SEPARATOR_LINE.fullmatch(first):
            return match[1]
    for delimiter in (expected, *_DELIMITERS):
        with _text(path) as file, _any_length():
            try:
                header = next(csv.reader(file, delimiter=delimiter), [])
            except csv.Error:
                continue
        if set(columns.needed) <= set(map(column_name, header)):
            if delimiter != expected:
                mended.add(f"fields separated by {delimiter!r}")
            return delimiter
    return expected


def _is_unquoted(path: Path) -> bool:
    """Whether quotes of a TSV file belong to its texts.

    They do if all lines have the same number of fields, and some field has a quote before it
    without being a quoted text.
    """
    lengths, odd = set(), False
    with _text(path) as file:
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
    with _text(path) as file, _any_length():
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


# ---- Parquet


def _parquet_rows(path: Path, columns: Columns, mended: Mended) -> Iterator[Row]:
    # pyarrow takes .2 s to import, and most studies need no Parquet.
    import pyarrow.parquet as pq

    try:
        found = columns.find(path, pq.read_schema(path).names, mended)
        table = pq.read_table(path, columns=list(found))
        rows = table.rename_columns([found[name] for name in table.column_names]).to_pylist()
    except InputError:
        raise
    except parquet_errors() as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no readable Parquet file ({reason})") from None
    yield from enumerate(rows, start=1)
