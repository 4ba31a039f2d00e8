"""Tables of the user's own: one question and a passage that answers it per row."""

import logging
import math
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from hybridir.data.pairs import COLUMNS, DEFAULTS, PASSAGE_LANGUAGE, Pairs, row_problems
from hybridir.data.passage_groups import joined
from hybridir.data.readers.rows import Row, shortened
from hybridir.data.readers.table_files import Columns, Mended, TableFile, read_table_file
from hybridir.errors import InputError
from hybridir.languages import LanguageChoice, LanguageSetting, check_languages, code_problem
from hybridir.names import CLUSTER

_logger = logging.getLogger("hybridir")

GROUP = "passage_group"
ALL_COLUMNS = (*COLUMNS, PASSAGE_LANGUAGE, CLUSTER)
# Column that may be missing -> the column that replaces it, which comes before it.
OPTIONAL = {
    GROUP: "question_id",
    **{column: DEFAULTS[column] for column in (PASSAGE_LANGUAGE, CLUSTER)},
}
TABLE_COLUMNS = Columns(
    needed=tuple(column for column in COLUMNS if column not in OPTIONAL),
    optional=tuple(OPTIONAL),
)
_IDS = ("question_id", GROUP, CLUSTER)
_CODES = ("language", PASSAGE_LANGUAGE)
_FREE = ("question", "passage")  # blanks at their ends belong to them
# Texts that pandas, Spark and databases write for a value that is missing.
_MISSING = ("", "nan", "NaN", "None", "null", "NULL", "<NA>", "\\N")
_ABSENT = object()
_WHOLE = re.compile(r"-?\d+(\.0)?")


def load_table(
    path: str | Path, languages: LanguageSetting | None = None, skip_bad: bool = False
) -> Pairs:
    """Load a training table from a file.

    The columns are those of `hybridir.data.pairs.COLUMNS`, ``passage_language`` and ``cluster``.
    ``passage_group``, ``passage_language`` and ``cluster`` may be left out or null; they are the
    question id, the language and the passage group then. Clusters with a common question, such as
    an article and its translation, are one. Further columns are ignored.

    A question may have several rows in one language, each with another passage. All its passages,
    and rows with the same passage in one language, are one passage group. A row that is there
    twice counts once.

    Args:
        path: a file that `hybridir.data.readers.table_files` reads.
        languages: see `hybridir.languages.LanguageSetting`; all if None. A row whose question or
            passage is in another language is left out. Bad rows are reported whatever their
            language.
        skip_bad: drop bad rows and log how many, instead of stopping at them.

    Returns:
        The usable rows, in the order of the file.

    Raises:
        InputError: if the file cannot be read, a column or a chosen language is missing, no row is
            left, or any row is bad and `skip_bad` is off; bad rows are listed with line or row
            number (Parquet, JSON), both from 1, and reason.
    """
    choice = check_languages(languages, str(path))
    table = read_table_file(Path(path), TABLE_COLUMNS)
    pairs = good_rows(str(path), table, choice.names, skip_bad)
    pairs = grouped(pairs, table.mended)
    table.mended.log(str(path))
    return in_languages(pairs, str(path), choice)


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
    table = TableFile(list(rows), unit)
    pairs = grouped(good_rows(source, table, choice.names, skip_bad), table.mended)
    table.mended.log(source)
    return in_languages(pairs, source, choice)


def in_languages(pairs: Pairs, source: str, choice: LanguageChoice) -> Pairs:
    """Keep the rows in the languages that a choice keeps.

    Args:
        pairs: a table, whose languages have the choice's names.
        source: file or data set, for messages.
        choice: the languages.

    Raises:
        InputError: if a language has no row, or no row is left.
    """
    if choice.chosen is None:
        return pairs
    chosen = pairs.in_languages(choice.keep(pairs.languages, source))
    if not len(chosen):
        raise InputError(
            f"{source}: no row has question and passage in {', '.join(choice.chosen)}; "
            f"languages that are there: {' '.join(pairs.languages)}"
        )
    return chosen


def grouped(pairs: Pairs, mended: Mended) -> Pairs:
    """Join the groups of rows that belong together, and keep each row once.

    Passage groups that answer one question, or hold one passage of a language, become one, so that
    nothing that answers a question, and no copy of it, can be its negative. Clusters with a common
    question become one.

    Args:
        pairs: a table with the groups that its file names.
        mended: counts the groups that a common passage joins, and the repeated rows.
    """
    named = pairs.passage_group
    of_questions = joined(named, (("", key) for key in pairs.question_id))
    # Blanks at the ends of a passage make no other passage.
    texts = [passage.strip() for passage in pairs.passage]
    groups = joined(of_questions, zip(pairs.passage_languages, texts, strict=True))
    lost = len(set(of_questions)) - len(set(groups))
    mended.add("passage groups joined to another with the same passage", lost)
    # A cluster that is not named is the passage group.
    clusters = [
        group if cluster == name else cluster
        for cluster, name, group in zip(pairs.clusters, named, groups, strict=True)
    ]
    clusters = list(joined(clusters, (("", key) for key in pairs.question_id)))
    pairs = replace(pairs, passage_group=groups, cluster=clusters)
    passages = zip(pairs.passage_languages, texts, strict=True)
    keys = dict.fromkeys(zip(pairs.question_id, pairs.language, passages, strict=True))
    if len(keys) == len(pairs):
        return pairs
    mended.add("repeated rows left out", len(pairs) - len(keys))
    passages = zip(pairs.passage_languages, texts, strict=True)
    rows = zip(pairs.question_id, pairs.language, passages, strict=True)
    # The first row of each key takes it.
    return pairs.select(
        row for row, key in enumerate(rows) if keys.pop(key, _ABSENT) is not _ABSENT
    )


def good_rows(
    source: str,
    table: TableFile,
    names: Callable[[Iterable[str], str], Mapping[str, str]],
    skip_bad: bool,
) -> Pairs:
    """Check rows and make a table of the good ones, with the groups that they name.

    Args:
        source: file or data set, for messages.
        table: its rows.
        names: gives the names of languages, from legal codes in their order and the source.
        skip_bad: drop bad rows and log how many.

    Raises:
        InputError: if no row is left, or any row is bad and `skip_bad` is off.
    """
    numbers, texts, problems = checked_texts(table.rows, TABLE_COLUMNS, table.mended)
    named = {columns[GROUP] for columns in texts if GROUP in columns}
    for columns in texts:
        if GROUP not in columns and columns["question_id"] in named:
            # The group of other rows happens to have the name of this question.
            columns[GROUP] = f"question {columns['question_id']}"
        for column, default in OPTIONAL.items():
            columns.setdefault(column, columns[default])
    pairs = Pairs(*([columns[name] for columns in texts] for name in ALL_COLUMNS))
    columns_of_codes = zip(pairs.language, pairs.passage_languages, strict=True)
    codes = dict.fromkeys(code for row_codes in columns_of_codes for code in row_codes)
    legal = [code for code in codes if code_problem(code) is None]
    pairs = pairs.with_codes(names(legal, source))
    bad = row_problems(pairs)
    problems += ((numbers[row], reason) for row, reason in bad)
    lines = [f"{table.unit} {number}: {reason}" for number, reason in sorted(problems)]
    report_bad_rows(source, lines, len(table.rows), skip_bad)
    if not bad:
        return pairs
    dropped = {row for row, _ in bad}
    return pairs.select(row for row in range(len(pairs)) if row not in dropped)


def report_bad_rows(source: str, problems: Sequence[str], total: int, skip_bad: bool) -> None:
    """Stop at the bad rows of a file, or log them.

    Raises:
        InputError: lists them, if no row is left, or any is bad and `skip_bad` is off.
    """
    if not problems:
        return
    lines = shortened(problems)
    count = f"{len(problems)} bad row{'s' * (len(problems) > 1)} of {total}"
    if not skip_bad or len(problems) == total:
        advice = "; mend them, or drop them with skip_bad: true"
        raise InputError.collect(f"{source} has {count}{'' if skip_bad else advice}", lines)
    _logger.warning("%s: %s dropped:\n  - %s", source, count, "\n  - ".join(lines))


Texts = dict[str, str]


def checked_texts(
    rows: Sequence[Row], columns: Columns, mended: Mended
) -> tuple[list[int], list[Texts], list[tuple[int, str]]]:
    """Turn the values of rows into texts.

    Args:
        rows: see `Row`.
        columns: of the table.
        mended: counts repairs of ids.

    Returns:
        Numbers of rows, and their texts, in which only optional columns may be missing; then the
        numbers of bad rows, and what is wrong with each.
    """
    numbers: list[int] = []
    all_texts: list[Texts] = []
    problems: list[tuple[int, str]] = []
    for number, fields in rows:
        texts = fields if isinstance(fields, str) else _as_texts(fields, columns, mended)
        if isinstance(texts, str):
            problems.append((number, texts))
        else:
            numbers.append(number)
            all_texts.append(texts)
    for column in _IDS:
        _mend_whole_numbers(column, all_texts, mended)
    return numbers, all_texts, problems


def _as_texts(fields: Mapping[str, object], columns: Columns, mended: Mended) -> Texts | str:
    """Check the fields of one row; returns its columns as texts, or the reason why it is bad."""
    texts: Texts = {}
    missing = []
    for column in columns.all:
        value = fields.get(column)
        if type(value) is not str:  # most are texts, and tables have millions of them
            value = _plain(value, is_id=column in _IDS)
        if column not in _FREE and isinstance(value, str):
            length, value = len(value), value.strip()
            if 0 < len(value) < length:
                mended.add("ids and codes with blanks around them")
        if column in columns.optional and (value is None or value in _MISSING):
            continue
        # "nan" is a language, Min Nan Chinese.
        if value is None or (column in _CODES and value in _MISSING and value != "nan"):
            missing.append(column)
        elif isinstance(value, str):
            texts[column] = value
        else:
            return f"{column}={reprlib.repr(value)} is no text"
    return f"no {' and no '.join(missing)}" if missing else texts


def _plain(value: object, *, is_id: bool) -> object:
    """The text that a value means, None if it is missing, or the value itself."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bytes):  # texts of Parquet files that do not say so
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if not is_id or isinstance(value, bool):
        return value
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value) if isinstance(value, int | float | Decimal | UUID) else value


def _mend_whole_numbers(column: str, rows: Iterable[Texts], mended: Mended) -> None:
    """Read ``7.0`` as ``7`` where all ids are whole numbers.

    pandas writes a column of numbers in which some are missing as decimal fractions.
    """
    with_ids = [texts for texts in rows if column in texts]
    fractions = [texts for texts in with_ids if texts[column].endswith(".0")]
    if fractions and all(_WHOLE.fullmatch(texts[column]) for texts in with_ids):
        for texts in fractions:
            texts[column] = texts[column].removesuffix(".0")
        mended.add(f"whole numbers such as 7.0 in {column}", len(fractions))
