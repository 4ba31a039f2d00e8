"""Relevance judgements of one file, in the forms in which they are published.

A judgement names a query, a passage and a grade. Files have

- trec_eval's four columns, ``query iteration passage grade``, without a header, between blanks or
  tabs (https://github.com/usnistgov/trec_eval, ``get_qrels.c``);
- BEIR's header ``query-id corpus-id score``, ir_datasets' ``query_id doc_id relevance iteration``
  or another one with such names, or three columns without a header;
- the same names as the columns of a JSONL or Parquet file; NanoBEIR's have no grades, and each of
  its judgements is a 1.

BEIR's reader takes the first line for a header whatever it says; here it counts if it is none.
"""

import csv
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from hybridir.data.pairs import is_unicode
from hybridir.data.readers.rows import BrokenFile, UnknownForm, read_lines, read_rows

QUERY, PASSAGE, GRADE = "query-id", "corpus-id", "score"
_NAMES: Final = {
    QUERY: ("query-id", "query_id", "queryid", "qid", "query", "topic", "topic_id"),
    PASSAGE: (
        *("corpus-id", "corpus_id", "corpusid", "doc_id", "doc-id", "docid", "docno", "did"),
        *("pid", "passage_id", "passage-id", "document_id", "document-id", "doc", "passage"),
    ),
    GRADE: ("score", "relevance", "rel", "label", "grade", "relevancy", "judgment", "judgement"),
}
_TREC = (QUERY, "", PASSAGE, GRADE)
_PLAIN = (QUERY, PASSAGE, GRADE)
_EXPECTED = (
    "a header with query-id, corpus-id and score, those three columns, or trec_eval's four: "
    "query, iteration, passage, grade"
)
_TABLES = (".jsonl", ".parquet")
# Grades that a C int holds, as trec_eval's.
_LARGEST = 2**31 - 1


class Judgement(NamedTuple):
    """A grade of a passage for a query; above 0 where it is relevant."""

    query: str
    passage: str
    grade: int


class BadRow(Exception):
    """A row that cannot be used.

    Attributes:
        reason: why.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason


def read_judgements(path: Path) -> Iterator[tuple[int, Judgement | str]]:
    """Read judgements row by row.

    Args:
        path: ``.parquet``, ``.jsonl``, or any other text in UTF-8, also with ``.gz``.

    Returns:
        Number of each row (a line, or the place in a Parquet file, from 1), and its judgement or
        the reason why it is none; a `BrokenFile` if nothing after it can be read.
    """
    name = path.name.lower().removesuffix(".gz")
    rows = read_rows(path) if name.endswith(_TABLES) else _text_rows(path)
    columns: dict[str, str] = {}
    for number, fields in rows:
        if isinstance(fields, str):
            yield number, fields
            continue
        if not columns:
            columns = _columns(list(fields))
            if not {QUERY, PASSAGE} <= columns.keys():
                header = " ".join(map(str, fields))
                reason = f"no judgement in {reprlib.repr(header)}; expected {_EXPECTED}"
                yield number, UnknownForm(reason)
                return
        try:
            yield number, _judgement(fields, columns)
        except BadRow as error:
            yield number, error.reason


def _columns(fields: Sequence[object]) -> dict[str, str]:
    """The columns of query, passage and grade, by the names they are known under."""
    lower = {str(field).strip().strip("#").strip().lower(): str(field) for field in fields}
    return {
        column: lower[name]
        for column, names in _NAMES.items()
        if (name := next((name for name in names if name in lower), None))
    }


def _judgement(fields: Mapping[str, object], columns: Mapping[str, str]) -> Judgement:
    return Judgement(
        id_of(QUERY, fields.get(columns[QUERY])),
        id_of(PASSAGE, fields.get(columns[PASSAGE])),
        _grade(fields.get(columns[GRADE])) if GRADE in columns else 1,
    )


def _text_rows(path: Path) -> Iterator[tuple[int, dict[str, object] | str]]:
    comma = path.name.lower().removesuffix(".gz").endswith(".csv")
    columns: Sequence[str] = ()
    for number, line in read_lines(path):
        if isinstance(line, BrokenFile):
            yield number, line
            return
        divided = _divided(line, comma)
        if not columns:
            columns, is_header = _first_line(divided)
            if not columns:
                reason = f"no judgement in {reprlib.repr(line)}; expected {_EXPECTED}"
                yield number, UnknownForm(reason)
                return
            if is_header:
                continue
        values = next((fields for fields in divided if len(fields) == len(columns)), None)
        if values:
            yield number, dict(zip(columns, values, strict=True))
        else:
            yield number, f"{len(divided[0])} fields, not {len(columns)}"


def _first_line(divided: Sequence[list[str]]) -> tuple[Sequence[str], bool]:
    """The columns that the first line shows, and whether it is a header; () if it shows none."""
    for fields in divided:
        if {QUERY, PASSAGE} <= _columns(fields).keys():
            return fields, True
        for columns in (_TREC, _PLAIN):
            if len(fields) == len(columns) and _is_number(fields[-1]):
                return columns, False
    return (), False


def _divided(line: str, comma: bool) -> list[list[str]]:
    """Fields between commas; or between tabs, and then between blanks."""
    line = line.rstrip()
    if comma:
        try:
            return list(csv.reader([line]))
        except csv.Error:  # a field that is too long
            return [[line]]
    tabs = [_unquoted(field.strip()) for field in line.split("\t")]
    return [tabs, line.split()] if len(tabs) > 1 else [line.split()]


def _unquoted(field: str) -> str:
    """Quotes around a field, as BEIR's CSV writer puts them where an id has some."""
    if len(field) > 1 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"')
    return field


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def id_of(name: str, value: object) -> str:
    """An id as text; whole numbers as they are written.

    Raises:
        BadRow: if it is missing, empty or no id.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int:  # no bool
        return str(value)
    return text_of(name, value).strip()


def text_of(name: str, value: object) -> str:
    """A text that is not blank.

    Raises:
        BadRow: if it is missing, blank or no text.
    """
    if value is None:
        raise BadRow(f"no {name}")
    if not isinstance(value, str):
        raise BadRow(f"{name}={reprlib.repr(value)} is no text")
    if not value.strip():
        raise BadRow(f"empty {name}")
    if not is_unicode(value):
        raise BadRow(f"half of a surrogate pair in {name}")
    return value


def _grade(value: object) -> int:
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            grade = float(value)
            if grade.is_integer() and abs(grade) <= _LARGEST:
                return int(grade)
            if math.isfinite(grade):
                raise BadRow(f"score={reprlib.repr(value)} is no whole number, as trec_eval's are")
    except (ValueError, OverflowError):
        pass
    raise BadRow(f"score={reprlib.repr(value)} is no number")
