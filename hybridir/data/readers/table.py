"""Tables of the user's own: JSONL, Parquet or CSV with one question and its passage per row."""

import csv
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from hybridir.data.pairs import COLUMNS, PASSAGE_LANGUAGE, Pairs, row_problems
from hybridir.errors import InputError
from hybridir.languages import check_languages

_logger = logging.getLogger("hybridir")

# A broken export repeats one mistake many times; this many are enough to see which.
_SHOWN_PROBLEMS = 20
_GROUP = "passage_group"
ALL_COLUMNS = (*COLUMNS, PASSAGE_LANGUAGE)
OPTIONAL = {_GROUP: "question_id", PASSAGE_LANGUAGE: "language"}  # what stands for them
_NEEDED = tuple(column for column in COLUMNS if column not in OPTIONAL)

# Where a row stands (a line or a row number, from 1), and its fields or what is wrong with it.
Row = tuple[int, dict[str, object] | str]


def load_table(
    path: Path, languages: Sequence[str] | None = None, skip_bad: bool = False
) -> Pairs:
    """Load a training table from a file.

    The columns are those of `hybridir.data.pairs.COLUMNS`, and ``passage_language``.
    ``passage_group`` may be left out or null and is then the question id, and so may
    ``passage_language``, which then is the language. Further columns are ignored.

    Args:
        path: a ``.jsonl`` (UTF-8, one object a line), ``.csv`` (UTF-8, with a header) or
            ``.parquet`` file.
        languages: codes to keep; all if None. A row whose question or passage is in another one
            is left out. Bad rows are reported whatever their language.
        skip_bad: drop bad rows and log how many, instead of stopping at them.

    Returns:
        The usable rows, in the order of the file.

    Raises:
        InputError: if the file cannot be read, a column is missing, nothing is left, or any row
            is bad and `skip_bad` is off; bad rows are listed with line (JSONL, CSV) or row number
            (Parquet), both from 1, and reason.
    """
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: unknown ending {path.suffix!r}; use {' or '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if languages is not None:
        check_languages(languages, str(path))
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty")
    try:
        rows = list(readers[path.suffix](path))
    except UnicodeDecodeError:
        line = _first_undecodable_line(path)
        raise InputError(f"{path}, line {line}: not UTF-8 text; save it as UTF-8") from None
    if not rows:
        raise InputError(f"{path}: there are no rows in it")

    unit = "row" if path.suffix == ".parquet" else "line"
    return usable_pairs(str(path), unit, rows, languages, skip_bad)


def usable_pairs(
    source: str, unit: str, rows: Sequence[Row], languages: Sequence[str] | None, skip_bad: bool
) -> Pairs:
    """Make a table of the good rows in some languages, and report the bad ones or stop at them.

    Args:
        source: where the rows come from, for messages.
        unit: what a row's place counts: ``line`` or ``row``.
        rows: see `Row`.
        languages: codes to keep; all if None.
        skip_bad: drop bad rows and log how many.

    Raises:
        InputError: if nothing is left, or any row is bad and `skip_bad` is off.
    """
    pairs = _good_rows(source, unit, rows, skip_bad)
    if languages is not None:
        there = pairs.languages
        pairs = pairs.in_languages(languages)
        if not len(pairs):
            raise InputError(
                f"{source}: no row in {', '.join(languages) or 'an empty list of languages'}; "
                f"languages that are there: {' '.join(there)}"
            )
    return pairs


def _good_rows(source: str, unit: str, rows: Sequence[Row], skip_bad: bool) -> Pairs:
    problems: list[tuple[int, str]] = []
    places: list[int] = []
    records: list[dict[str, str]] = []
    for place, fields in rows:
        record = fields if isinstance(fields, str) else _record(fields)
        if isinstance(record, str):
            problems.append((place, record))
        else:
            places.append(place)
            records.append(record)
    pairs = Pairs(*([record[column] for record in records] for column in ALL_COLUMNS))
    bad = row_problems(pairs)
    problems.extend((places[row], reason) for row, reason in bad)
    problems.sort()

    listed = [f"{unit} {place}: {reason}" for place, reason in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        listed.append(f"and {len(problems) - _SHOWN_PROBLEMS} more")
    count = f"{len(problems)} bad row{'s' * (len(problems) > 1)} of {len(rows)}"
    if problems and (not skip_bad or len(problems) == len(rows)):
        advice = "" if skip_bad else "; mend them or set skip_bad to drop them"
        raise InputError.collect(f"{source} has {count}{advice}", listed)
    if problems:
        _logger.warning("%s: %s dropped:\n  - %s", source, count, "\n  - ".join(listed))
    dropped = {row for row, _ in bad}
    return pairs.select(row for row in range(len(pairs)) if row not in dropped)


def _record(fields: dict[str, object]) -> dict[str, str] | str:
    """Check the fields of one row; returns its columns as text, or what is wrong."""
    missing = [column for column in _NEEDED if fields.get(column) is None]
    if missing:
        return f"no {' and no '.join(missing)}"
    record = {}
    for column in ALL_COLUMNS:
        value = fields.get(column)
        if column in OPTIONAL and value in (None, ""):
            value = fields[OPTIONAL[column]]
        if column in ("question_id", _GROUP) and type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            return f"{column}={value!r} is no text"
        record[column] = value
    return record


def _check_columns(path: Path, found: list[str]) -> None:
    missing = [column for column in _NEEDED if column not in found]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; needed are {', '.join(_NEEDED)}, "
            f"optional are {' and '.join(OPTIONAL)}; found {', '.join(map(repr, found)) or 'none'}"
        )
    twice = sorted({column for column in ALL_COLUMNS if found.count(column) > 1})
    if twice:
        raise InputError(f"{path}: column {', '.join(twice)} is there more than once")


def _read_jsonl(path: Path) -> Iterator[Row]:
    found: set[str] = set()
    # Only line feeds separate records: a text may hold other breaks, such as U+2028, as they are.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                fields = json.loads(text)
            except json.JSONDecodeError as error:
                yield line, f"invalid JSON ({error.msg}, column {error.colno})"
                continue
            except (ValueError, RecursionError) as error:  # too many digits, or brackets
                yield line, f"invalid JSON ({error})"
                continue
            if isinstance(fields, dict):
                found.update(fields)
                yield line, fields
            else:
                yield line, f"expected an object, found {type(fields).__name__}"
    if found:
        _check_columns(path, sorted(found))


def _read_csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        line = 1
        try:
            header = next(reader, [])
            _check_columns(path, header)
            while True:
                # A record starts on the line after the last one read: quoted texts hold breaks.
                line = reader.line_num + 1
                values = next(reader, None)
                if values is None:
                    return
                if not values:
                    continue
                if len(values) == len(header):
                    yield line, dict(zip(header, values, strict=True))
                else:
                    yield line, f"{len(values)} fields, but the header has {len(header)}"
        except csv.Error as error:
            raise InputError(
                f"{path}: invalid CSV in the record of line {line} ({error})"
            ) from None


def _first_undecodable_line(path: Path) -> int:
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            try:
                raw.decode()
            except UnicodeDecodeError:
                return line
    raise AssertionError(f"{path} is UTF-8 after all")


def _read_parquet(path: Path) -> Iterator[Row]:
    # pyarrow takes .2 s to import, and most studies need no Parquet.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        _check_columns(path, names)
        table = pq.read_table(path, columns=[name for name in ALL_COLUMNS if name in names])
        rows = table.to_pylist()
    except InputError:
        raise
    # Arrow reports damage as any of these; texts that are not UTF-8 as ValueError.
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no readable Parquet file ({reason})") from None
    yield from enumerate(rows, start=1)
