"""Files of tables, by their ending."""

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hybridir.data.readers.rows import Row, parquet_errors, parse_object
from hybridir.data.readers.table_files.columns import Columns, Mended
from hybridir.data.readers.table_files.separated import separated_rows
from hybridir.data.readers.table_files.text import GZIP, first_undecodable_line, opened_text
from hybridir.errors import InputError

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")


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
    ending = Path(name.removesuffix(GZIP)).suffix
    if ending not in ENDINGS or (ending == ".parquet" and name.endswith(GZIP)):
        raise InputError(
            f"{path}: unknown ending {path.suffix!r}; use {' or '.join(ENDINGS)}, text files with "
            f"{GZIP} as well; of a spreadsheet save the sheet as CSV in UTF-8"
        )
    if not path.is_file():
        problem = "is a folder; name a file in it" if path.is_dir() else "there is no such file"
        raise InputError(f"{path}: {problem}")
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
        return _decoded(path, ending, columns)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: the compressed file breaks off or is damaged ({error})"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror or error})") from None


def _decoded(path: Path, ending: str, columns: Columns) -> TableFile:
    """Read a text file; raises what Python does where it cannot be read or uncompressed."""
    try:
        with opened_text(path) as file:
            encoding = file.encoding.removesuffix("-sig")
        table = TableFile([], "line")
        if encoding != "utf-8":
            table.mended.add(f"read as {encoding.upper()}")
        if ending in (".csv", ".tsv"):
            delimiter = "\t" if ending == ".tsv" else ","
            table.rows.extend(separated_rows(path, delimiter, columns, table.mended))
        else:
            table.unit, rows = _json_rows(path, columns, table.mended)
            table.rows.extend(rows)
        return table
    except UnicodeDecodeError as error:
        # A damaged compressed file may first show there.
        where = (
            f"{path}, line {first_undecodable_line(path)}" if error.encoding == "utf-8" else path
        )
        raise InputError(
            f"{where}: not {error.encoding.upper()} text; save it as UTF-8 (in a spreadsheet: "
            "CSV UTF-8)"
        ) from None


def _json_rows(path: Path, columns: Columns, mended: Mended) -> tuple[str, list[Row]]:
    """The unit of a row's number, and the rows of JSONL or of a list of objects."""
    # Only line feeds separate rows: a text may hold other breaks, such as U+2028, as they are.
    with opened_text(path, newline="\n") as file:
        if path.name.lower().removesuffix(GZIP).endswith(".json"):
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
