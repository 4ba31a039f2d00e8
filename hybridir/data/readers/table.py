"""Tables of the user's own: JSONL, Parquet or CSV with one question and its passage per row."""

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hybridir.data.pairs import COLUMNS, DEFAULTS, PASSAGE_LANGUAGE, Pairs, row_problems
from hybridir.data.passage_groups import joined
from hybridir.data.readers.rows import Row, parquet_errors, parse_object, shortened
from hybridir.errors import InputError
from hybridir.languages import LanguageChoice, LanguageSetting, check_languages, code_problem
from hybridir.names import CLUSTER

_logger = logging.getLogger("hybridir")

_GROUP = "passage_group"
ALL_COLUMNS = (*COLUMNS, PASSAGE_LANGUAGE, CLUSTER)
# Column that may be missing -> the column that replaces it, which comes before it.
OPTIONAL = {
    _GROUP: "question_id",
    **{column: DEFAULTS[column] for column in (PASSAGE_LANGUAGE, CLUSTER)},
}
_IDS = ("question_id", _GROUP, CLUSTER)
_NEEDED = tuple(column for column in COLUMNS if column not in OPTIONAL)


def load_table(
    path: Path, languages: LanguageSetting | None = None, skip_bad: bool = False
) -> Pairs:
    """Load a training table from a file.

    The columns are those of `hybridir.data.pairs.COLUMNS`, ``passage_language`` and ``cluster``.
    ``passage_group``, ``passage_language`` and ``cluster`` may be left out or null; they are the
    question id, the language and the passage group then. Clusters with a common question, such as
    an article and its translation, are one. Further columns are ignored.

    Args:
        path: a ``.jsonl`` (UTF-8, one object a line), ``.csv`` (UTF-8, with a header) or
            ``.parquet`` file.
        languages: see `hybridir.languages.LanguageSetting`; all if None. A row whose question or
            passage is in another language is left out. Bad rows are reported whatever their
            language.
        skip_bad: drop bad rows and log how many, instead of stopping at them.

    Returns:
        The usable rows, in the order of the file.

    Raises:
        InputError: if the file cannot be read, a column or a chosen language is missing, no row is
            left, or any row is bad and `skip_bad` is off; bad rows are listed with line (JSONL,
            CSV) or row number (Parquet), both from 1, and reason.
    """
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: unknown ending {path.suffix!r}; use {' or '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
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
    source: str,
    unit: str,
    rows: Sequence[Row],
    languages: LanguageSetting | None,
    skip_bad: bool,
) -> Pairs:
    """Make a table of the good rows in some languages, and report the bad ones or stop at them.

    Args:
        source: file or data set, for messages.
        unit: ``line`` or ``row``, the meaning of a row's number.
        rows: see `Row`.
        languages: see `hybridir.languages.LanguageSetting`; all if None.
        skip_bad: drop bad rows and log how many.

    Raises:
        InputError: if a chosen language is missing, no row is left, or any row is bad and
            `skip_bad` is off.
    """
    choice = check_languages(languages, source)
    pairs = _good_rows(source, unit, rows, choice, skip_bad)
    if pairs.cluster is not None:
        questions = (("", key) for key in pairs.question_id)
        pairs = replace(pairs, cluster=joined(pairs.cluster, questions))
    if choice.chosen is not None:
        loaded = pairs.languages
        pairs = pairs.in_languages(choice.keep(loaded, source))
        if not len(pairs):
            raise InputError(
                f"{source}: no row has question and passage in {', '.join(choice.chosen)}; "
                f"languages that are there: {' '.join(loaded)}"
            )
    return pairs


def _good_rows(
    source: str, unit: str, rows: Sequence[Row], choice: LanguageChoice, skip_bad: bool
) -> Pairs:
    problems: list[tuple[int, str]] = []
    numbers: list[int] = []
    texts: list[dict[str, str]] = []
    for number, fields in rows:
        columns = fields if isinstance(fields, str) else _as_texts(fields)
        if isinstance(columns, str):
            problems.append((number, columns))
        else:
            numbers.append(number)
            texts.append(columns)
    pairs = Pairs(*([columns[name] for columns in texts] for name in ALL_COLUMNS))
    columns_of_codes = zip(pairs.language, pairs.passage_languages, strict=True)
    codes = dict.fromkeys(code for row_codes in columns_of_codes for code in row_codes)
    legal = [code for code in codes if code_problem(code) is None]
    pairs = pairs.with_codes(choice.names(legal, source))
    bad = row_problems(pairs)
    problems.extend((numbers[row], reason) for row, reason in bad)
    problems.sort()

    lines = shortened([f"{unit} {number}: {reason}" for number, reason in problems])
    count = f"{len(problems)} bad row{'s' * (len(problems) > 1)} of {len(rows)}"
    if problems and (not skip_bad or len(problems) == len(rows)):
        advice = "" if skip_bad else "; mend them or set skip_bad to drop them"
        raise InputError.collect(f"{source} has {count}{advice}", lines)
    if problems:
        _logger.warning("%s: %s dropped:\n  - %s", source, count, "\n  - ".join(lines))
    dropped = {row for row, _ in bad}
    return pairs.select(row for row in range(len(pairs)) if row not in dropped)


def _as_texts(fields: dict[str, object]) -> dict[str, str] | str:
    """Check the fields of one row; returns its columns as texts, or the reason why it is bad."""
    missing = [column for column in _NEEDED if fields.get(column) is None]
    if missing:
        return f"no {' and no '.join(missing)}"
    texts: dict[str, str] = {}
    for column in ALL_COLUMNS:
        value = fields.get(column)
        if column in OPTIONAL and value in (None, ""):
            value = texts[OPTIONAL[column]]
        if column in _IDS and type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            return f"{column}={value!r} is no text"
        texts[column] = value
    return texts


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [column for column in _NEEDED if column not in names]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; needed are {', '.join(_NEEDED)}, "
            f"optional are {' and '.join(OPTIONAL)}; found {', '.join(map(repr, names)) or 'none'}"
        )
    repeated = sorted({column for column in ALL_COLUMNS if names.count(column) > 1})
    if repeated:
        raise InputError(f"{path}: column {', '.join(repeated)} is there more than once")


def _read_jsonl(path: Path) -> Iterator[Row]:
    names: set[str] = set()
    # Only line feeds separate rows: a text may hold other breaks, such as U+2028, as they are.
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            fields = parse_object(text)
            if isinstance(fields, dict):
                names.update(fields)
            yield line, fields
    if names:
        _check_columns(path, sorted(names))


def _read_csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        line = 1
        try:
            header = next(reader, [])
            _check_columns(path, header)
            while True:
                # A row starts on the line after the last one read: quoted texts hold breaks.
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
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        _check_columns(path, names)
        table = pq.read_table(path, columns=[name for name in ALL_COLUMNS if name in names])
        rows = table.to_pylist()
    except InputError:
        raise
    except parquet_errors() as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: no readable Parquet file ({reason})") from None
    yield from enumerate(rows, start=1)
