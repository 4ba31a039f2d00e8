"""What batches are drawn from: the rows of each language, and the cross-lingual pairs of rows.

A row whose passage is in another language than its question is a cross-lingual pair by itself, of
this row with itself, and nothing else: it is in no monolingual batch, and pairs with no other row.

Notation: R rows in one language each, L languages of theirs, P ordered language pairs, M
cross-lingual pairs of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridir.data import Pairs

Rows = NDArray[np.int64]

# Rounds of drawing before falling back to a pass over everything; each round draws twice what is
# missing, so that only data barely larger than a batch get there.
_ROUNDS = 6


@dataclass(frozen=True)
class Pools:
    """An index over a training table.

    Attributes:
        languages: L codes, sorted: those that rows have for question and passage alike.
        rows: R row numbers, ordered by language.
        row_offsets: [L + 1]; rows of language l are ``rows[row_offsets[l]:row_offsets[l + 1]]``.
        cross: [M, 2] (row of the question, row of the passage), ordered by language pair.
        cross_offsets: [P + 1] boundaries of the language pairs in `cross`.
        row_groups: [R] passage groups, in the order of `rows`.
        cross_groups: [M] passage groups, in the order of `cross`.
        n_groups: number of passage groups.
    """

    languages: tuple[str, ...]
    rows: Rows
    row_offsets: Rows
    cross: Rows
    cross_offsets: Rows
    row_groups: Rows
    cross_groups: Rows
    n_groups: int

    @property
    def sizes(self) -> Rows:
        """[L] rows per language."""
        return np.diff(self.row_offsets)

    def of_language(self, index: int) -> slice:
        """Where one language lies in `rows` and `row_groups`."""
        return slice(self.row_offsets[index], self.row_offsets[index + 1])


def build_pools(pairs: Pairs) -> Pools:
    """Index a training table once; drawing from it then never looks at the texts."""
    language_of = {code: index for index, code in enumerate(pairs.languages)}
    asked, answered = (
        np.array([language_of[code] for code in column], dtype=np.int64)
        for column in (pairs.language, pairs.passage_languages)
    )
    _, question = np.unique(np.asarray(pairs.question_id, dtype=object), return_inverse=True)
    names, group = np.unique(np.asarray(pairs.passage_group, dtype=object), return_inverse=True)

    own, crossing = np.flatnonzero(asked == answered), np.flatnonzero(asked != answered)
    rows = own[np.argsort(asked[own], kind="stable")]
    of_rows, starts = np.unique(asked[rows], return_index=True)
    cross = np.concatenate(
        [
            own[_cross_lingual_pairs(question.ravel()[own])],
            np.stack([crossing, crossing], axis=1),
        ]
    )
    code = asked[cross[:, 0]] * len(language_of) + answered[cross[:, 1]]
    order = np.argsort(code, kind="stable")
    _, cross_starts = np.unique(code[order], return_index=True)
    cross = cross[order]
    return Pools(
        languages=tuple(pairs.languages[index] for index in of_rows),
        rows=rows,
        row_offsets=np.append(starts, len(rows)),
        cross=cross,
        cross_offsets=np.append(cross_starts, len(cross)),
        row_groups=group[rows],
        cross_groups=group[cross[:, 1]],
        n_groups=len(names),
    )


def _cross_lingual_pairs(question: Rows) -> Rows:
    """All ordered pairs of different rows that ask the same question, as [M, 2].

    A question is there once per language, so that different rows are different languages.
    """
    order = np.argsort(question, kind="stable")
    starts = np.flatnonzero(np.diff(question[order], prepend=-1))
    found = [np.empty((0, 2), dtype=np.int64)]
    for members in np.split(order, starts[1:]):
        n = len(members)
        if n > 1:
            first, second = np.nonzero(~np.eye(n, dtype=bool))
            found.append(np.stack([members[first], members[second]], axis=1))
    return np.concatenate(found)


def draw_distinct(
    rng: np.random.Generator,
    size: int,
    draw: Callable[[int], Rows],
    group: Rows,
) -> Rows:
    """Draw items of which no two share a group, where the data allow it.

    Args:
        rng: decides the order of the fallback.
        size: number of items wanted.
        draw: gives that many items at random, repetitions allowed.
        group: group of each item; items are indices into it.

    Returns:
        [size] items. Only if the data have fewer groups than `size`, groups repeat; items repeat
        only if there are fewer items than `size`.
    """
    items = np.empty(0, dtype=np.int64)
    for _ in range(_ROUNDS):
        items = np.concatenate([items, draw(2 * (size - len(items)) + 8)])
        items = _first_of_each(items, group[items])
        if len(items) >= size:
            return items[:size]
    everything = rng.permutation(len(group))
    items = np.concatenate([items, everything])
    distinct = _first_of_each(items, group[items])
    if len(distinct) >= size:
        return distinct[:size]
    rest = everything[~np.isin(everything, distinct)]
    return np.resize(np.concatenate([distinct, rest]), size)


def _first_of_each(items: Rows, keys: Rows) -> Rows:
    """Keep the first item of each key, in the order of the items."""
    _, first = np.unique(keys, return_index=True)
    return items[np.sort(first)]
