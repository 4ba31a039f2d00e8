"""Passages, queries and relevance judgements of one language, from files that are checked.

Only a positive judgement makes a passage relevant. A bad row is reported with its file and place,
all of one file in one message, or left out and logged.
"""

import math
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hybridir.data.pairs import is_unicode
from hybridir.data.readers.rows import BadRows, read_rows
from hybridir.errors import InputError

# Names of an id: BEIR's, the hub's and MIRACL's.
_IDS = ("_id", "docid", "id")
_QRELS = ("query-id", "corpus-id", "score")
_TOPIC_COLUMNS = ("_id", "text")
_TREC_COLUMNS = ("query-id", "Q0", "corpus-id", "score")


@dataclass(frozen=True)
class LanguageFiles:
    """The files of one language.

    Attributes:
        language: its code.
        corpus: JSONL or Parquet files of passages.
        queries: JSONL or Parquet files of queries; TSV files of ids and texts without a header.
        qrels: TSV or Parquet files of judgements.
        one_split: `queries` holds those of one split only, so each must have a judgement;
            otherwise those without any belong to other splits.
        trec: `qrels` have the four columns of trec_eval and no header.
    """

    language: str
    corpus: tuple[Path, ...]
    queries: tuple[Path, ...]
    qrels: tuple[Path, ...]
    one_split: bool = False
    trec: bool = False


@dataclass(frozen=True)
class LanguageData:
    """The texts of one language; every query has a relevant passage among the passages.

    Attributes:
        language: its code.
        passages: from id to text, the title before it.
        queries: from id to text.
        relevant: from the id of a query to those of its relevant passages.
    """

    language: str
    passages: dict[str, str]
    queries: dict[str, str]
    relevant: dict[str, set[str]]


def read_language(files: LanguageFiles, skip_bad: bool) -> LanguageData:
    """Read the data of one language.

    Args:
        files: its files.
        skip_bad: leave bad rows out, with the rows that need them, and log them.

    Raises:
        InputError: if a file cannot be read to its end, no query is left, or a row is bad and
            `skip_bad` is off: a malformed line, an empty text, an id that occurs twice, a
            judgement on a missing text, a query without a relevant passage.
    """
    passages: dict[str, str] = {}
    for path in files.corpus:
        for _ in _texts(path, passages, _passage, skip_bad):
            pass
    texts: dict[str, str] = {}
    rows: dict[str, tuple[Path, int]] = {}
    for path in files.queries:
        rows |= {key: (path, number) for key, number in _texts(path, texts, _query, skip_bad)}
    relevant, judged = _judgements(files, passages, texts, skip_bad)
    if files.one_split:
        _check_all_judged(rows, judged, skip_bad)
    if not relevant:
        raise InputError(
            f"{', '.join(map(str, files.qrels))}: no query of "
            f"{', '.join(map(str, files.queries))} has a relevant passage"
        )
    queries = {query: text for query, text in texts.items() if query in relevant}
    return LanguageData(files.language, passages, queries, relevant)


def _texts(
    path: Path,
    texts: dict[str, str],
    text_of: Callable[[Mapping[str, object]], str],
    skip_bad: bool,
) -> Iterator[tuple[str, int]]:
    """Add the texts of one file; yields the id and row number of each."""
    bad = BadRows(path)
    for number, fields in read_rows(path, needed=["text"], columns=_TOPIC_COLUMNS):
        try:
            if isinstance(fields, str):
                raise _BadRow(fields)
            name = next((name for name in _IDS if fields.get(name) is not None), _IDS[0])
            key, text = _id(fields, name), text_of(fields)
            if key in texts:
                raise _BadRow(f"{name} {key!r} is already there")
        except _BadRow as error:
            bad.add(number, error.reason)
            continue
        texts[key] = text
        yield key, number
    bad.report(skip_bad)


def _judgements(
    files: LanguageFiles, passages: Mapping[str, str], queries: Mapping[str, str], skip_bad: bool
) -> tuple[dict[str, set[str]], set[str]]:
    """The relevant passages of each query, and the queries with any judgement."""
    scores: dict[tuple[str, str], float] = {}
    relevant: dict[str, set[str]] = {}
    first: dict[str, tuple[Path, int]] = {}
    positive: set[str] = set()
    bad = {path: BadRows(path) for path in files.qrels}
    columns = _TREC_COLUMNS if files.trec else None
    for path in files.qrels:
        for number, fields in read_rows(path, needed=_QRELS, columns=columns):
            try:
                if isinstance(fields, str):
                    raise _BadRow(fields)
                query, passage = _id(fields, _QRELS[0]), _id(fields, _QRELS[1])
                score = _score(fields)
                first.setdefault(query, (path, number))
                if scores.setdefault((query, passage), score) != score:
                    raise _BadRow(f"query {query!r} and passage {passage!r} are judged twice")
                if score <= 0:
                    continue  # a passage that is not relevant may be missing
                positive.add(query)
                if query not in queries:
                    raise _BadRow(f"there is no query {query!r}")
                if passage not in passages:
                    raise _BadRow(f"there is no passage {passage!r}")
                relevant.setdefault(query, set()).add(passage)
            except _BadRow as error:
                bad[path].add(number, error.reason)
    for query, (path, number) in first.items():
        if query in queries and query not in positive:
            bad[path].add(number, f"query {query!r} has no relevant passage")
    for problems in bad.values():
        problems.report(skip_bad)
    return relevant, first.keys() & queries.keys()


def _check_all_judged(
    rows: Mapping[str, tuple[Path, int]], judged: Collection[str], skip_bad: bool
) -> None:
    bad: dict[Path, BadRows] = {}
    for query, (path, number) in rows.items():
        if query not in judged:
            bad.setdefault(path, BadRows(path)).add(
                number, f"query {query!r} has no relevant passage: it is not judged"
            )
    for problems in bad.values():
        problems.report(skip_bad)


class _BadRow(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason


def _id(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if type(value) is int:  # no bool
        return str(value)
    return _string(name, value)


def _query(fields: Mapping[str, object]) -> str:
    return _string("text", fields.get("text"))


def _passage(fields: Mapping[str, object]) -> str:
    """Title and text with a space between them, as BEIR's own evaluation joins them."""
    text, title = fields.get("text"), fields.get("title")
    if not isinstance(text, str) or not title:
        return _string("text", text)
    if not isinstance(title, str):
        raise _BadRow(f"title={reprlib.repr(title)} is no text")
    return _string("text", f"{title} {text}".strip())


def _string(name: str, value: object) -> str:
    if value is None:
        raise _BadRow(f"no {name}")
    if not isinstance(value, str):
        raise _BadRow(f"{name}={reprlib.repr(value)} is no text")
    if not value.strip():
        raise _BadRow(f"empty {name}")
    if not is_unicode(value):
        raise _BadRow(f"half of a surrogate pair in {name}")
    return value


def _score(fields: Mapping[str, object]) -> float:
    value = fields.get("score")
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            score = float(value)
            if not math.isnan(score):
                return score
    except (ValueError, OverflowError):
        pass
    raise _BadRow(f"score={reprlib.repr(value)} is no number")
