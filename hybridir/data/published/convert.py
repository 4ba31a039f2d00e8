"""Rows of published files, and the training table that they make.

Each layout has a pure function from rows, language by language, to `Pairs`, and a reader that
gets these rows from files. What the data leave open is decided here:

- the passage of a SQuAD-like row is the whole paragraph, as in the published method's training
  on question-passage pairs; LAReQA's sentences exist for its own files alone;
- a question keeps one passage, the first that is named; all of them join its passage group;
- passages of Wikipedia begin with their title, as in BEIR and MTEB;
- question ids that are not shared by translations get their language in front.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hybridir.data.pairs import Pairs
from hybridir.data.passage_groups import connected
from hybridir.data.published.catalogue import Layout
from hybridir.data.published.download import Files
from hybridir.data.readers.lareqa import load_lareqa_pairs
from hybridir.errors import InputError

# A broken file repeats one mistake many times; this many are enough to see which.
_SHOWN_PROBLEMS = 20

Record = tuple[str, ...]


def parquet_records(
    paths: Sequence[Path],
    columns: Sequence[str],
    wanted: Collection[str] | None = None,
) -> Iterator[Record]:
    """Read columns of Parquet files, a few thousand rows at a time.

    Args:
        paths: files with the same columns.
        columns: their names; ``_id|id`` takes the first of these that is there. They hold text or
            numbers.
        wanted: values of the first column; other rows are passed over, before they cost anything.

    Yields:
        The values of a row as texts, an empty one for null.

    Raises:
        InputError: if a file cannot be read or a column is missing or holds anything else.
    """
    # pyarrow takes .2 s to import, and most commands need no Parquet.
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    keys = None if wanted is None else pa.array(sorted(wanted), pa.string())
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            names = [_column(path, column, file.schema_arrow) for column in columns]
            for batch in file.iter_batches(columns=names):
                texts = [_as_text(batch.column(name)) for name in names]
                if keys is not None:
                    chosen = pc.is_in(texts[0], value_set=keys)
                    texts = [text.filter(chosen) for text in texts]
                yield from zip(*(text.to_pylist() for text in texts), strict=True)
        except InputError:
            raise
        # What pyarrow raises for damaged files is not always its own kind of error.
        except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: no readable Parquet file ({reason}); fetch it again"
            ) from None


def tsv_records(path: Path, fields: int) -> Iterator[Record]:
    """Read lines of tab-separated values, without header and quotes.

    Args:
        path: UTF-8 text.
        fields: how many each line has.

    Raises:
        InputError: after the last line, naming the lines that have another number of fields; at
            once if the file cannot be read.
    """
    problems = []
    bad = 0
    try:
        # Only line feeds separate records: a text may hold other breaks, such as U+2028.
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                record = tuple(line.rstrip("\r\n").split("\t"))
                if len(record) == fields:
                    yield record
                else:
                    bad += 1
                    if bad <= _SHOWN_PROBLEMS:
                        problems.append(f"line {number}: {len(record)} fields, expected {fields}")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text ({error.reason}); the file is damaged, fetch it again"
        ) from None
    if problems:
        if bad > _SHOWN_PROBLEMS:
            problems.append(f"and {bad - _SHOWN_PROBLEMS} more")
        raise InputError.collect(f"{path} cannot be used", problems)


def _column(path: Path, column: str, schema: Any) -> str:
    for name in column.split("|"):
        if name in schema.names:
            if schema.names.count(name) > 1:
                raise InputError(f"{path}: column {name} is there more than once")
            return name
    raise InputError(
        f"{path}: no column {column.replace('|', ' or ')}; found {', '.join(schema.names)}"
    )


def _as_text(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
    ):
        raise ValueError(f"a column holds {kind}, expected text or numbers")
    return pc.fill_null(pc.cast(values, pa.string()), "")


_EXAMPLES = 3


@dataclass(frozen=True)
class Judged:
    """Questions and passages of one language, and which answers which.

    Attributes:
        positives: (question id, passage id), the first passage of a question before its others.
        questions: question id -> text.
        passages: passage id -> text.
    """

    positives: Sequence[tuple[str, str]]
    questions: Mapping[str, str]
    passages: Mapping[str, str]


def squad_pairs(rows: Mapping[str, Iterable[Record]]) -> Pairs:
    """Make pairs of questions and paragraphs.

    Translations of a question share its id; paragraphs that share a question, in whatever
    language, share a passage group.

    Args:
        rows: language -> (id, context, question).
    """
    table = _Table()
    for language, records in rows.items():
        for key, context, question in records:
            table.add(key, language, question, context)
    return table.pairs()


def judged_pairs(judged: Mapping[str, Judged], *, parallel: bool) -> Pairs:
    """Make pairs of questions and the first passage that answers each.

    Args:
        judged: language -> what was judged in it.
        parallel: whether equal ids of two languages are translations of each other; otherwise
            they have nothing to do with each other.

    Raises:
        InputError: if judgements name questions or passages that are not there.
    """
    table = _Table()
    for language, given in judged.items():
        _check_complete(language, given)
        prefix = "" if parallel else f"{language}-"
        for question, passage in given.positives:
            table.add(
                prefix + question,
                language,
                given.questions[question],
                given.passages[passage],
                prefix + passage,
            )
    return table.pairs()


def synthetic_pairs(
    rows: Mapping[str, Iterable[Record]], passage_language: str | None = None
) -> Pairs:
    """Make pairs of generated questions and the passages that they were made of.

    Whether an id names a question or a passage is not published: a row whose id was there already
    is a further question.

    Args:
        rows: language -> (id, query, title, text).
        passage_language: of all passages; that of each question if None.
    """
    table = _Table()
    for language, records in rows.items():
        count: Counter[str] = Counter()
        for key, query, title, text in records:
            count[key] += 1
            again = f"/{count[key]}" if count[key] > 1 else ""
            table.add(
                f"{language}-{key}{again}",
                language,
                query,
                _titled(title, text),
                passage_language=passage_language,
            )
    return table.pairs()


class _Table:
    """Rows as they come; at the end each gets its passage group."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, str, str]] = []
        self._seen: set[tuple[str, str]] = set()
        # An ordered set: translations repeat the answers of the first language.
        self._answers: dict[tuple[str, str], None] = {}
        # Paragraphs have several questions: one text for all of them, and its number.
        self._passages: dict[str, tuple[str, str]] = {}

    def add(
        self,
        question_id: str,
        language: str,
        question: str,
        passage: str,
        name: str | None = None,
        passage_language: str | None = None,
    ) -> None:
        """Add a row, or a further passage of one that is there.

        Passages are told apart by `name`, or else by their texts; they are in the language of
        their question unless another one is given.
        """
        text, number = self._passages.setdefault(passage, (passage, str(len(self._passages))))
        self._answers[question_id, number if name is None else name] = None
        if (question_id, language) not in self._seen:
            self._seen.add((question_id, language))
            row = (question_id, language, question, text, passage_language or language)
            self._rows.append(row)

    def pairs(self) -> Pairs:
        group = connected(self._answers)
        return Pairs(
            question_id=[row[0] for row in self._rows],
            passage_group=[group[row[0]] for row in self._rows],
            language=[row[1] for row in self._rows],
            question=[row[2] for row in self._rows],
            passage=[row[3] for row in self._rows],
            passage_language=[row[4] for row in self._rows],
        )


def _titled(title: str, text: str) -> str:
    return f"{title} {text}".strip() if text.strip() else ""


def _check_complete(language: str, given: Judged) -> None:
    problems = []
    for what, there, named in (
        ("questions", given.questions, {question for question, _ in given.positives}),
        ("passages", given.passages, {passage for _, passage in given.positives}),
    ):
        missing = sorted(named - there.keys())
        if missing:
            problems.append(
                f"{len(missing)} of {len(named)} {what} are missing, e.g. "
                f"{', '.join(map(repr, missing[:_EXAMPLES]))}"
            )
    if problems:
        raise InputError.collect(
            f"{language}: files do not belong together or are not whole; fetch them again",
            problems,
        )


def read_squad(files: Mapping[str, Files]) -> Pairs:
    """Read Parquet files with the columns of SQuAD."""
    return squad_pairs(
        {
            code: parquet_records(of["rows"], ["id", "context", "question"])
            for code, of in files.items()
        }
    )


def read_synthetic(files: Mapping[str, Files], passage_language: str | None = None) -> Pairs:
    """Read Parquet files with the columns of SWIM-IR."""
    return synthetic_pairs(
        {
            code: parquet_records(of["rows"], ["_id", "query", "title", "text"])
            for code, of in files.items()
        },
        passage_language,
    )


def read_judged(files: Mapping[str, Files]) -> Pairs:
    """Read Parquet files laid out as MTEB's: corpus, queries and judgements of each language."""
    return judged_pairs({code: _judged(code, of) for code, of in files.items()}, parallel=False)


def _judged(code: str, of: Files) -> Judged:
    positives = []
    for question, passage, score in parquet_records(
        of["qrels"], ["query-id", "corpus-id", "score"]
    ):
        try:
            relevant = float(score) > 0
        except ValueError:
            raise InputError(f"{code}: score {score!r} of {question!r} is no number") from None
        if relevant:
            positives.append((question, passage))
    questions = {question for question, _ in positives}
    passages = {passage for _, passage in positives}
    return Judged(
        positives,
        _as_dict(parquet_records(of["queries"], ["_id|id", "text"], questions)),
        {
            key: _titled(title, text)
            for key, title, text in parquet_records(
                of["corpus"], ["_id|id", "title", "text"], passages
            )
        },
    )


def read_parallel(files: Mapping[str, Files]) -> Pairs:
    """Read tab-separated files laid out as mMARCO's: its triples name the same ids everywhere."""
    ((triples,),) = {tuple(of["triples"]) for of in files.values()}
    # A question comes with each of its passages many times: an ordered set.
    positives = list({(record[0], record[1]): None for record in tsv_records(triples, 3)})
    questions = {question for question, _ in positives}
    passages = {passage for _, passage in positives}
    return judged_pairs(
        {
            code: Judged(
                positives, _texts(of["queries"], questions), _texts(of["corpus"], passages)
            )
            for code, of in files.items()
        },
        parallel=True,
    )


def _texts(paths: Sequence[Path], wanted: set[str]) -> dict[str, str]:
    records = (record for path in paths for record in tsv_records(path, 2))
    return _as_dict(record for record in records if record[0] in wanted)


def _as_dict(records: Iterable[Record]) -> dict[str, str]:
    return {record[0]: record[1] for record in records}


def read_lareqa(files: Mapping[str, Files]) -> Pairs:
    """Read the JSON files of LAReQA."""
    (folder,) = {path.parent for of in files.values() for path in of["rows"]}
    return load_lareqa_pairs(folder, list(files))


READERS: dict[Layout, Callable[[Mapping[str, Files]], Pairs]] = {
    "lareqa": read_lareqa,
    "squad": read_squad,
    "judged": read_judged,
    "parallel": read_parallel,
    "synthetic": read_synthetic,
    "synthetic-english": partial(read_synthetic, passage_language="en"),
}
