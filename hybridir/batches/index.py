"""An index over training pairs: the rows of each language, and the cross-lingual pairs of rows.

A row is monolingual if its question and its passage are in the same language.
A row whose passage is in another language is a cross-lingual pair of its own, with itself: it is
in no monolingual batch and is paired with no other row.

Shapes: C ordered language pairs, L languages, M cross-lingual pairs of rows, N monolingual rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridir.data import Pairs

Rows = NDArray[np.int64]

# Rounds of drawing before a pass over all items. Each round draws twice the missing number, so
# that only data barely larger than a batch need the pass.
_ROUNDS = 6


@dataclass(frozen=True)
class PairIndex:
    """An index over a training table.

    Attributes:
        languages: L codes of the monolingual rows, sorted.
        rows: [N] numbers of the monolingual rows, ordered by language.
        row_offsets: [L + 1]; rows of language l are ``rows[row_offsets[l]:row_offsets[l + 1]]``.
        cross: [M, 2] (row of the question, row of the passage), ordered by language pair.
        cross_offsets: [C + 1] boundaries of the language pairs in `cross`.
        row_groups: [N] passage groups, in the order of `rows`.
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
        """The slice of one language in `rows` and `row_groups`."""
        return slice(self.row_offsets[index], self.row_offsets[index + 1])


def index_pairs(pairs: Pairs) -> PairIndex:
    """Index a training table once, so that drawing never looks at the texts."""
    number_of = {code: number for number, code in enumerate(pairs.languages)}
    question_language, passage_language = (
        np.array([number_of[code] for code in column], dtype=np.int64)
        for column in (pairs.language, pairs.passage_languages)
    )
    _, question = np.unique(np.asarray(pairs.question_id, dtype=object), return_inverse=True)
    names, group = np.unique(np.asarray(pairs.passage_group, dtype=object), return_inverse=True)

    crosses = question_language != passage_language
    monolingual, crossing = np.flatnonzero(~crosses), np.flatnonzero(crosses)
    rows = monolingual[np.argsort(question_language[monolingual], kind="stable")]
    row_languages, starts = np.unique(question_language[rows], return_index=True)
    cross = np.concatenate(
        [
            monolingual[
                _translation_pairs(question.ravel()[monolingual], question_language[monolingual])
            ],
            np.stack([crossing, crossing], axis=1),
        ]
    )
    language_pair = question_language[cross[:, 0]] * len(number_of) + passage_language[cross[:, 1]]
    order = np.argsort(language_pair, kind="stable")
    _, cross_starts = np.unique(language_pair[order], return_index=True)
    cross = cross[order]
    return PairIndex(
        languages=tuple(pairs.languages[number] for number in row_languages),
        rows=rows,
        row_offsets=np.append(starts, len(rows)),
        cross=cross,
        cross_offsets=np.append(cross_starts, len(cross)),
        row_groups=group[rows],
        cross_groups=group[cross[:, 1]],
        n_groups=len(names),
    )


def _translation_pairs(question: Rows, language: Rows) -> Rows:
    """The first row of each question and language with each row of its translations.

    The rows of a question in one language differ in their passages alone.

    Args:
        question: [N] number of each row's question.
        language: [N] number of its language.

    Returns:
        [m, 2] positions in `question`: the row of the question, the row of the passage.
    """
    order = np.argsort(question, kind="stable")
    starts = np.flatnonzero(np.diff(question[order], prepend=-1))
    blocks = [np.empty((0, 2), dtype=np.int64)]
    for rows in np.split(order, starts[1:]):
        if len(rows) > 1:
            codes = language[rows]
            across = codes[:, None] != codes[None, :]
            is_first = np.zeros(len(rows), dtype=np.bool_)
            is_first[np.unique(codes, return_index=True)[1]] = True
            first, second = np.nonzero(across & is_first[:, None])
            blocks.append(np.stack([rows[first], rows[second]], axis=1))
    return np.concatenate(blocks)


def draw_distinct(
    rng: np.random.Generator,
    size: int,
    draw: Callable[[int], Rows],
    group: Rows,
) -> Rows:
    """Draw items from different groups, as far as the data allow.

    Args:
        rng: decides the order of the fallback.
        size: number of items to draw.
        draw: draws n items at random, with or without repetition.
        group: group of each item; items are indices into it.

    Returns:
        [size] items. Groups repeat only if the data have fewer than `size` groups, and items
        repeat only if the data have fewer than `size` items.
    """
    items = np.empty(0, dtype=np.int64)
    for _ in range(_ROUNDS):
        items = np.concatenate([items, draw(2 * (size - len(items)) + 8)])
        items = _first_by_key(items, group[items])
        if len(items) >= size:
            return items[:size]
    all_items = rng.permutation(len(group))
    items = np.concatenate([items, all_items])
    distinct = _first_by_key(items, group[items])
    if len(distinct) >= size:
        return distinct[:size]
    rest = all_items[~np.isin(all_items, distinct)]
    return np.resize(np.concatenate([distinct, rest]), size)


def _first_by_key(items: Rows, keys: Rows) -> Rows:
    """Keep the first item of each key, in the order of the items."""
    _, first = np.unique(keys, return_index=True)
    return items[np.sort(first)]
