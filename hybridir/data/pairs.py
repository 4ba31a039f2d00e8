"""The training table: one question and its passage per row, in one language."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hybridir.errors import InputError
from hybridir.languages import LANGUAGES

COLUMNS = ("question_id", "passage_group", "language", "question", "passage")


@dataclass(frozen=True)
class Pairs:
    """The training table, column by column; every column has one entry per row.

    Attributes:
        question_id: shared by the translations of one question.
        passage_group: shared by passages that must never be negatives of each other:
            translations of one passage, and passages that answer the same question.
        language: code of the row's language, of question and passage alike.
        question: text of the question.
        passage: text of the passage that answers it.
    """

    question_id: Sequence[str]
    passage_group: Sequence[str]
    language: Sequence[str]
    question: Sequence[str]
    passage: Sequence[str]

    def __len__(self) -> int:
        return len(self.question_id)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of the table, sorted."""
        return tuple(sorted(set(self.language)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all columns, row by row, as 64 hexadecimal digits."""
        sha = hashlib.sha256()
        for row in zip(*(getattr(self, column) for column in COLUMNS), strict=True):
            for text in row:
                encoded = text.encode()
                sha.update(len(encoded).to_bytes(4, "big") + encoded)
        return sha.hexdigest()

    def select(self, rows: Iterable[int]) -> "Pairs":
        """Take some rows, in the order given."""
        rows = list(rows)
        return Pairs(*([getattr(self, column)[row] for row in rows] for column in COLUMNS))

    def in_languages(self, languages: Iterable[str]) -> "Pairs":
        """Keep the rows of some languages."""
        wanted = set(languages)
        return self.select(row for row, code in enumerate(self.language) if code in wanted)


def joined(tables: Sequence[Pairs], *, apart: bool = True) -> Pairs:
    """Put tables one after another.

    Args:
        tables: those of several data sets.
        apart: put the number of its table in front of each question id and passage group, where
            there are several tables, so that equal ones of two data sets stay different.
    """
    if len(tables) == 1:
        return tables[0]
    columns = {
        column: [text for table in tables for text in getattr(table, column)] for column in COLUMNS
    }
    if apart:
        number = [index for index, table in enumerate(tables, start=1) for _ in range(len(table))]
        for column in ("question_id", "passage_group"):
            columns[column] = [
                f"{index}/{text}" for index, text in zip(number, columns[column], strict=True)
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
        empty = [column for column in COLUMNS if not getattr(pairs, column)[row].strip()]
        code = pairs.language[row]
        key = (pairs.question_id[row], code)
        if empty:
            problems.append((row, f"empty {' and '.join(empty)}"))
        elif code not in LANGUAGES:
            known = " ".join(sorted(LANGUAGES))
            problems.append((row, f"unknown language {code!r}; known codes are {known}"))
        elif broken := [c for c in COLUMNS if not is_unicode(getattr(pairs, c)[row])]:
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
        share: share of the passage groups that goes to the second part, in (0, 1).
        seed: decides which groups.

    Returns:
        (training part, development part), rows in their old order.

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


def shared_questions(pairs: Pairs) -> Pairs:
    """Keep the questions that exist in at least two languages.

    With these alone, monolingual and cross-lingual batches draw from the same questions, so that
    the mixing ratio is not confounded with the data.
    """
    count: dict[str, int] = {}
    for question_id in pairs.question_id:
        count[question_id] = count.get(question_id, 0) + 1
    return pairs.select(row for row, key in enumerate(pairs.question_id) if count[key] > 1)
