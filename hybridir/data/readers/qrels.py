"""Passages, queries and relevance judgements of one language, from files that are checked.

Only a positive judgement makes a passage relevant. What cannot be used is reported with its file
and place, all of one file in one message, or left out and logged.

A broken file is read up to where it breaks and then says so, so that all that is wrong with one
file can be named at once.
"""

import gzip
import json
import logging
import math
import reprlib
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridir.data.pairs import is_unicode
from hybridir.errors import InputError

# BEIR's, the hub's and MIRACL's names of an id.
_IDS = ("_id", "docid", "id")
_QRELS = ("query-id", "corpus-id", "score")
_TOPIC_COLUMNS = ("_id", "text")
_TREC_COLUMNS = ("query-id", "Q0", "corpus-id", "score")


@dataclass(frozen=True)
class Files:
    """Where the data of one language are.

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
class Judged:
    """What one language has; every query has a relevant passage, and that is there.

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


def read_judged(files: Files, skip_bad: bool) -> Judged:
    """Read the data of one language.

    Args:
        files: where they are.
        skip_bad: leave bad records out, and what they leave without use, and log them.

    Raises:
        InputError: if a file cannot be read to its end, nothing is left, or a record is bad and
            `skip_bad` is off: a malformed line, an empty text, an id that occurs twice, a
            judgement on what is not there, a query without a relevant passage.
    """
    passages: dict[str, str] = {}
    for path in files.corpus:
        for _ in _texts(path, passages, _passage, skip_bad):
            pass
    texts: dict[str, str] = {}
    places: dict[str, tuple[Path, int]] = {}
    for path in files.queries:
        places |= {key: (path, place) for key, place in _texts(path, texts, _query, skip_bad)}
    relevant, judged = _judgements(files, passages, texts, skip_bad)
    if files.one_split:
        _check_all_judged(places, judged, skip_bad)
    if not relevant:
        raise InputError(
            f"{', '.join(map(str, files.qrels))}: no query of "
            f"{', '.join(map(str, files.queries))} has a relevant passage"
        )
    queries = {query: text for query, text in texts.items() if query in relevant}
    return Judged(files.language, passages, queries, relevant)


def _texts(
    path: Path,
    texts: dict[str, str],
    text_of: Callable[[Mapping[str, object]], str],
    skip_bad: bool,
) -> Iterator[tuple[str, int]]:
    """Add the texts of one file; yields the id and place of each."""
    bad = BadRecords(path)
    for place, fields in read_records(path, needed=["text"], columns=_TOPIC_COLUMNS):
        try:
            if isinstance(fields, str):
                raise _BadRecord(fields)
            name = next((name for name in _IDS if fields.get(name) is not None), _IDS[0])
            key, text = _id(fields, name), text_of(fields)
            if key in texts:
                raise _BadRecord(f"{name} {key!r} is already there")
        except _BadRecord as error:
            bad.add(place, error.reason)
            continue
        texts[key] = text
        yield key, place
    bad.settle(skip_bad)


def _judgements(
    files: Files, passages: Mapping[str, str], queries: Mapping[str, str], skip_bad: bool
) -> tuple[dict[str, set[str]], set[str]]:
    """From each query to its relevant passages, and the queries that are judged at all."""
    scores: dict[tuple[str, str], float] = {}
    relevant: dict[str, set[str]] = {}
    first: dict[str, tuple[Path, int]] = {}
    positive: set[str] = set()
    bad = {path: BadRecords(path) for path in files.qrels}
    columns = _TREC_COLUMNS if files.trec else None
    for path in files.qrels:
        for place, fields in read_records(path, needed=_QRELS, columns=columns):
            try:
                if isinstance(fields, str):
                    raise _BadRecord(fields)
                query, passage = _id(fields, _QRELS[0]), _id(fields, _QRELS[1])
                score = _score(fields)
                first.setdefault(query, (path, place))
                if scores.setdefault((query, passage), score) != score:
                    raise _BadRecord(f"query {query!r} and passage {passage!r} are judged twice")
                if score <= 0:
                    continue  # what is judged not to be relevant need not be there
                positive.add(query)
                if query not in queries:
                    raise _BadRecord(f"there is no query {query!r}")
                if passage not in passages:
                    raise _BadRecord(f"there is no passage {passage!r}")
                relevant.setdefault(query, set()).add(passage)
            except _BadRecord as error:
                bad[path].add(place, error.reason)
    for query, (path, place) in first.items():
        if query in queries and query not in positive:
            bad[path].add(place, f"query {query!r} has no relevant passage")
    for each in bad.values():
        each.settle(skip_bad)
    return relevant, first.keys() & queries.keys()


def _check_all_judged(
    places: Mapping[str, tuple[Path, int]], judged: Collection[str], skip_bad: bool
) -> None:
    bad: dict[Path, BadRecords] = {}
    for query, (path, place) in places.items():
        if query not in judged:
            bad.setdefault(path, BadRecords(path)).add(
                place, f"query {query!r} has no relevant passage: it is not judged"
            )
    for each in bad.values():
        each.settle(skip_bad)


class _BadRecord(Exception):
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
        raise _BadRecord(f"title={reprlib.repr(title)} is no text")
    return _string("text", f"{title} {text}".strip())


def _string(name: str, value: object) -> str:
    if value is None:
        raise _BadRecord(f"no {name}")
    if not isinstance(value, str):
        raise _BadRecord(f"{name}={reprlib.repr(value)} is no text")
    if not value.strip():
        raise _BadRecord(f"empty {name}")
    if not is_unicode(value):
        raise _BadRecord(f"half of a surrogate pair in {name}")
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
    raise _BadRecord(f"score={reprlib.repr(value)} is no number")


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
