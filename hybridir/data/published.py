"""From the rows of published data to the training table.

Each layout has a pure function from rows, language by language, to `Pairs`, and a reader that
gets these rows from files. What the data leave open is decided here:

- the passage of a SQuAD-like row is the whole paragraph, as in the published method's training
  on question-passage pairs; LAReQA's sentences exist for its own files alone;
- a question keeps one passage, the first that is named; all of them join its passage group;
- passages of Wikipedia begin with their title, as in BEIR and MTEB;
- question ids that are not shared by translations get their language in front.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hybridir.data.declaration import Layout
from hybridir.data.gather import Files
from hybridir.data.groups import connected
from hybridir.data.lareqa import load_lareqa_pairs
from hybridir.data.pairs import Pairs
from hybridir.data.rows import Record, parquet_records, tsv_records
from hybridir.errors import InputError

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
