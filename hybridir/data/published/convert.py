"""Training tables of published files.

Each layout has a reader that gets rows from files, language by language, and a pure function from
these rows to `Pairs`. The data leave some choices open; they are made here:

- the passage of a SQuAD-like row is the whole paragraph, as in the published method's training
  on question-passage pairs; LAReQA's sentences exist for its own files alone;
- a question keeps the first passage that is named; all of its passages join its passage group;
- passages of Wikipedia begin with their title, as in BEIR and MTEB;
- question ids that are not shared by translations get their language in front.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hybridir.data.pairs import Pairs
from hybridir.data.passage_groups import connected_questions
from hybridir.data.published.catalogue import Layout
from hybridir.data.published.download import FilesByContent
from hybridir.data.published.text_rows import TextRow, parquet_texts, tsv_texts
from hybridir.data.readers.lareqa import load_lareqa_pairs
from hybridir.errors import InputError

_EXAMPLES = 3


@dataclass(frozen=True)
class AnsweredQuestions:
    """Questions and passages of one language, and the passages that answer a question.

    Attributes:
        positives: (question id, passage id), the first passage of a question before its others.
        questions: question id -> text.
        passages: passage id -> text.
    """

    positives: Sequence[tuple[str, str]]
    questions: Mapping[str, str]
    passages: Mapping[str, str]


def read_lareqa(files: Mapping[str, FilesByContent]) -> Pairs:
    """Read the JSON files of LAReQA."""
    (folder,) = {path.parent for of_language in files.values() for path in of_language["rows"]}
    return load_lareqa_pairs(folder, list(files))


def read_squad(files: Mapping[str, FilesByContent]) -> Pairs:
    """Read Parquet files with the columns of SQuAD."""
    return squad_pairs(
        {
            code: parquet_texts(of_language["rows"], ["id", "context", "question"])
            for code, of_language in files.items()
        }
    )


def read_generated(
    files: Mapping[str, FilesByContent], passage_language: str | None = None
) -> Pairs:
    """Read Parquet files with the columns of SWIM-IR."""
    return generated_pairs(
        {
            code: parquet_texts(of_language["rows"], ["_id", "query", "title", "text"])
            for code, of_language in files.items()
        },
        passage_language,
    )


def read_mteb(files: Mapping[str, FilesByContent]) -> Pairs:
    """Read Parquet files laid out as MTEB's: corpus, queries and qrels of each language."""
    return answered_pairs(
        {code: _read_mteb_language(code, of_language) for code, of_language in files.items()},
        parallel=False,
    )


def _read_mteb_language(code: str, files: FilesByContent) -> AnsweredQuestions:
    positives = []
    for question, passage, score in parquet_texts(
        files["qrels"], ["query-id", "corpus-id", "score"]
    ):
        try:
            relevant = float(score) > 0
        except ValueError:
            raise InputError(f"{code}: score {score!r} of {question!r} is no number") from None
        if relevant:
            positives.append((question, passage))
    questions = {question for question, _ in positives}
    passages = {passage for _, passage in positives}
    return AnsweredQuestions(
        positives,
        dict(map(_key_and_text, parquet_texts(files["queries"], ["_id|id", "text"], questions))),
        {
            key: _titled(title, text)
            for key, title, text in parquet_texts(
                files["corpus"], ["_id|id", "title", "text"], passages
            )
        },
    )


def read_parallel(files: Mapping[str, FilesByContent]) -> Pairs:
    """Read tab-separated files laid out as mMARCO's: its triples name the same ids everywhere."""
    ((triples,),) = {tuple(of_language["triples"]) for of_language in files.values()}
    # A question comes with each of its passages many times: an ordered set.
    positives = list({(row[0], row[1]): None for row in tsv_texts(triples, 3)})
    questions = {question for question, _ in positives}
    passages = {passage for _, passage in positives}
    return answered_pairs(
        {
            code: AnsweredQuestions(
                positives,
                _read_tsv(of_language["queries"], questions),
                _read_tsv(of_language["corpus"], passages),
            )
            for code, of_language in files.items()
        },
        parallel=True,
    )


def _read_tsv(paths: Sequence[Path], keys: set[str]) -> dict[str, str]:
    rows = (row for path in paths for row in tsv_texts(path, 2))
    return dict(_key_and_text(row) for row in rows if row[0] in keys)


def _key_and_text(row: TextRow) -> tuple[str, str]:
    return row[0], row[1]


READERS: dict[Layout, Callable[[Mapping[str, FilesByContent]], Pairs]] = {
    "lareqa": read_lareqa,
    "squad": read_squad,
    "mteb": read_mteb,
    "parallel": read_parallel,
    "generated": read_generated,
    "generated-english": partial(read_generated, passage_language="en"),
}


def squad_pairs(rows: Mapping[str, Iterable[TextRow]]) -> Pairs:
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


def answered_pairs(by_language: Mapping[str, AnsweredQuestions], *, parallel: bool) -> Pairs:
    """Make pairs of questions and the first passage that answers each.

    Args:
        by_language: language -> its questions, passages and judgements.
        parallel: whether equal ids of two languages are translations of each other; otherwise
            they have nothing to do with each other.

    Raises:
        InputError: if judgements name missing questions or passages.
    """
    table = _Table()
    for language, answered in by_language.items():
        _check_complete(language, answered)
        prefix = "" if parallel else f"{language}-"
        for question, passage in answered.positives:
            table.add(
                prefix + question,
                language,
                answered.questions[question],
                answered.passages[passage],
                prefix + passage,
            )
    return table.pairs()


def _check_complete(language: str, answered: AnsweredQuestions) -> None:
    problems = []
    for kind, texts, judged in (
        ("questions", answered.questions, {question for question, _ in answered.positives}),
        ("passages", answered.passages, {passage for _, passage in answered.positives}),
    ):
        missing = sorted(judged - texts.keys())
        if missing:
            problems.append(
                f"{len(missing)} of {len(judged)} {kind} are missing, e.g. "
                f"{', '.join(map(repr, missing[:_EXAMPLES]))}"
            )
    if problems:
        raise InputError.collect(
            f"{language}: files do not belong together or are not whole; fetch them again",
            problems,
        )


def generated_pairs(
    rows: Mapping[str, Iterable[TextRow]], passage_language: str | None = None
) -> Pairs:
    """Make pairs of generated questions and the passages that they were made of.

    The publisher does not say whether an id names a question or a passage: a row with the id of an
    earlier one is a further question.

    Args:
        rows: language -> (id, query, title, text).
        passage_language: of all passages; that of each question if None.
    """
    table = _Table()
    for language, records in rows.items():
        count: Counter[str] = Counter()
        for key, query, title, text in records:
            count[key] += 1
            suffix = f"/{count[key]}" if count[key] > 1 else ""
            table.add(
                f"{language}-{key}{suffix}",
                language,
                query,
                _titled(title, text),
                passage_language=passage_language,
            )
    return table.pairs()


class _Table:
    """Rows in order of arrival; `pairs` adds the passage groups."""

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
        """Add a row, or a further passage of a question that has a row.

        Passages are the same by their texts, and by `name` if they have one; they are in the
        language of their question unless `passage_language` says otherwise.
        """
        question_id = question_id.strip()  # as the reader of the written table does
        text, number = self._passages.setdefault(passage, (passage, str(len(self._passages))))
        self._answers[question_id, f"text {number}"] = None
        if name is not None:
            self._answers[question_id, f"name {name}"] = None
        if (question_id, language) not in self._seen:
            self._seen.add((question_id, language))
            row = (question_id, language, question, text, passage_language or language)
            self._rows.append(row)

    def pairs(self) -> Pairs:
        group = connected_questions(self._answers)
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
