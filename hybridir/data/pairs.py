"""The training table: a question and its passage per row, mostly in the same language."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hybridir.errors import InputError
from hybridir.languages import LANGUAGES

COLUMNS = ("question_id", "passage_group", "language", "question", "passage")
# Only tables with passages in another language than their questions have it.
PASSAGE_LANGUAGE = "passage_language"


@dataclass(frozen=True)
class Pairs:
    """The training table, column by column; every column has one entry per row.

    Attributes:
        question_id: shared by the translations of one question.
        passage_group: shared by passages that must never be negatives of each other:
            translations of one passage, and passages that answer the same question.
        language: code of the question's language, and of the passage's unless `passage_language`
            says otherwise.
        question: text of the question.
        passage: text of the passage that answers it.
        passage_language: codes of the passages' languages; None if each is its question's.

    Two questions, the first of them also in German:

    >>> from hybridir import Pairs
    >>> pairs = Pairs(
    ...     question_id=["q1", "q1", "q2"],
    ...     passage_group=["p1", "p1", "p2"],
    ...     language=["en", "de", "en"],
    ...     question=["Who wrote Faust?", "Wer schrieb Faust?", "Where is Weimar?"],
    ...     passage=["Goethe wrote Faust.", "Goethe schrieb Faust.", "Weimar is in Thuringia."],
    ... )
    >>> len(pairs), pairs.languages
    (3, ('de', 'en'))
    """

    question_id: Sequence[str]
    passage_group: Sequence[str]
    language: Sequence[str]
    question: Sequence[str]
    passage: Sequence[str]
    passage_language: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Leave out a column that repeats another, so that tables of equal content are equal."""
        codes = self.passage_language
        if codes is not None and list(codes) == list(self.language):
            object.__setattr__(self, PASSAGE_LANGUAGE, None)

    def __len__(self) -> int:
        return len(self.question_id)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that the table has."""
        return COLUMNS if self.passage_language is None else (*COLUMNS, PASSAGE_LANGUAGE)

    @property
    def passage_languages(self) -> Sequence[str]:
        """The language of each row's passage."""
        return self.language if self.passage_language is None else self.passage_language

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of questions and passages, sorted."""
        return tuple(sorted({*self.language, *self.passage_languages}))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all columns, row by row, as 64 hexadecimal digits."""
        sha = hashlib.sha256()
        for row in zip(*(getattr(self, column) for column in self.columns), strict=True):
            for text in row:
                encoded = text.encode()
                sha.update(len(encoded).to_bytes(4, "big") + encoded)
        return sha.hexdigest()

    def select(self, rows: Iterable[int]) -> "Pairs":
        """Take some rows, in the order of `rows`."""
        rows = list(rows)
        return Pairs(*([getattr(self, column)[row] for row in rows] for column in self.columns))

    def in_languages(self, languages: Iterable[str]) -> "Pairs":
        """Keep the rows whose question and passage are both in one of some languages."""
        chosen = set(languages)
        return self.select(
            row
            for row, codes in enumerate(zip(self.language, self.passage_languages, strict=True))
            if chosen.issuperset(codes)
        )


def concatenate(tables: Sequence[Pairs], *, number_ids: bool = True) -> Pairs:
    """Put the tables of several data sets one after another.

    Args:
        tables: a single one is returned as it is.
        number_ids: put the number of its table in front of each question id and passage group, so
            that equal ones of two data sets stay different.
    """
    if len(tables) == 1:
        return tables[0]
    columns = {
        column: [text for table in tables for text in getattr(table, column)] for column in COLUMNS
    }
    columns[PASSAGE_LANGUAGE] = [code for table in tables for code in table.passage_languages]
    if number_ids:
        numbers = [
            number for number, table in enumerate(tables, start=1) for _ in range(len(table))
        ]
        for column in ("question_id", "passage_group"):
            columns[column] = [
                f"{number}/{text}" for number, text in zip(numbers, columns[column], strict=True)
            ]
    return Pairs(**columns)


def row_problems(pairs: Pairs) -> list[tuple[int, str]]:
    """Find the rows that cannot be trained on.

    Returns:
        (row, reason) for each empty text, unknown language, repeated (question id, language) and
        half of a surrogate pair, which no file can hold; at most one reason a row, in row order.
    """
    problems: list[tuple[int, str]] = []
    first: dict[tuple[str, str], int] = {}
    for row in range(len(pairs)):
        empty = [column for column in pairs.columns if not getattr(pairs, column)[row].strip()]
        code = pairs.language[row]
        unknown = [c for c in (code, pairs.passage_languages[row]) if c not in LANGUAGES]
        key = (pairs.question_id[row], code)
        if empty:
            problems.append((row, f"empty {' and '.join(empty)}"))
        elif unknown:
            codes = " ".join(sorted(LANGUAGES))
            problems.append((row, f"unknown language {unknown[0]!r}; known codes are {codes}"))
        elif broken := [c for c in pairs.columns if not is_unicode(getattr(pairs, c)[row])]:
            problems.append((row, f"half of a surrogate pair in {' and '.join(broken)}"))
        elif key in first:
            problems.append((row, f"question {key[0]!r} is already there in {code!r}"))
        else:
            first[key] = row
    return problems


def is_unicode(text: str) -> bool:
    """Whether a text can be written: JSON's escapes may name half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def split_by_group(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """Split a table in two so that no passage group lies on both sides.

    Args:
        pairs: the table.
        share: share of the passage groups that goes to the second table, in (0, 1).
        seed: decides which groups.

    Returns:
        (training table, development table), rows in their old order.

    Raises:
        InputError: if either side would be empty.
    """
    groups = sorted(set(pairs.passage_group))
    order = np.random.default_rng(seed).permutation(len(groups))
    n_dev = round(share * len(groups))
    if not 0 < n_dev < len(groups):
        raise InputError(
            f"dev_share={share}: of {len(groups)} passage groups {n_dev} would be held out; "
            "choose a share that leaves at least one group on each side"
        )
    dev = {groups[index] for index in order[:n_dev]}
    is_dev = [group in dev for group in pairs.passage_group]
    return (
        pairs.select(row for row, held_out in enumerate(is_dev) if not held_out),
        pairs.select(row for row, held_out in enumerate(is_dev) if held_out),
    )


def select_data_part(pairs: Pairs, number: int, n_parts: int, seed: int) -> Pairs:
    """Deal the passage groups into parts at random, and keep the rows of one part.

    Parts have no passage in common, so that they are independent samples if the groups are.
    Random subsets overlap, and a variance between them is too small (Nadeau and Bengio, Inference
    for the Generalization Error, Machine Learning 52, 2003).

    Args:
        pairs: the table.
        number: of the part, from 0.
        n_parts: number of parts; their numbers of groups differ by one at most.
        seed: decides which part a group goes to.

    Returns:
        The rows of that part, in their old order.

    Raises:
        InputError: if there are fewer groups than parts.
    """
    groups = sorted(set(pairs.passage_group))
    if len(groups) < n_parts:
        raise InputError(
            f"{n_parts} parts of the training data: there are {len(groups)} passage groups; "
            f"choose at most {len(groups)} parts"
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    dealt = {groups[index] for index in order[number::n_parts]}
    return pairs.select(row for row, group in enumerate(pairs.passage_group) if group in dealt)


def shared_questions(pairs: Pairs) -> Pairs:
    """Keep the questions that exist, with a passage in their language, in at least two languages.

    With these alone, monolingual and cross-lingual batches draw from the same questions, so that
    the mixing ratio is not confounded with the data. Rows that cross languages by themselves are
    left out: no monolingual batch could have them.
    """
    monolingual = [
        row
        for row, (question, passage) in enumerate(
            zip(pairs.language, pairs.passage_languages, strict=True)
        )
        if question == passage
    ]
    count = Counter(pairs.question_id[row] for row in monolingual)
    return pairs.select(row for row in monolingual if count[pairs.question_id[row]] > 1)
