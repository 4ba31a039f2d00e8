"""A trial's per-query table as arrays: a row per cell, a column per question.

A cell is a question language with a pool language.

Shapes: see CONTRIBUTING; C cells, Q questions, G rows of the table.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names
from hybridir.evaluation import language_bias
from hybridir.evaluation.summary import COMPARISONS

Key = tuple[str, str]
"""(measure, setting)."""

KEYS: Final[tuple[Key, ...]] = (
    *((names.AP, setting) for setting in names.SETTINGS),
    *((names.SET_F1, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
    (names.RANK_DISTANCE_SEEN, names.MULTILINGUAL),
    (names.TOP1_OWN_LANGUAGE, names.MULTILINGUAL),
    (names.LANGUAGE_PREFERENCE, names.MULTILINGUAL),
    (names.PEER, names.MULTILINGUAL),
    *((measure, names.MULTILINGUAL) for measure in COMPARISONS),
    (names.NDCG_AT_10, names.MONOLINGUAL),
    (names.NDCG_AT_10, names.MULTILINGUAL),
    (names.RECALL_AT_10, names.MULTILINGUAL),
    # In the pool of all languages it ranks encoders backwards; see `docs/measures.md`.
    *((names.ANSWER_F1, setting) for setting in (names.MONOLINGUAL, names.CROSSLINGUAL)),
    *((names.READER_F1, setting) for setting in (names.MONOLINGUAL, names.MULTILINGUAL)),
)
"""The curves of the report: every headline metric of a trial that is a mean over questions.

Of the figures in pools of two languages only the English inclination is; the mean rank
correlation is not, since it compares questions with their translations.
"""

# Measures whose column has another name.
_COLUMN_OF = {
    **language_bias.COLUMN_OF,
    names.LANGUAGE_PREFERENCE: names.BEST_IS_OWN,
    names.PEER: names.EQUAL_RANKS,
}
_DISTANCES = {
    names.RANK_DISTANCE: (names.BEST_RANK, names.WORST_RANK),
    names.RANK_DISTANCE_SEEN: (names.BEST_RANK_SEEN, names.WORST_RANK_SEEN),
}
_CELL = (names.QUERY_LANGUAGE, names.POOL_LANGUAGE)

COLUMNS: Final = tuple(
    dict.fromkeys(
        [
            *(names.SETTING, *_CELL, names.QUESTION_ID, names.CLUSTER, names.TOP1_LANGUAGE),
            *(rank for ranks in _DISTANCES.values() for rank in ranks),
            *(_COLUMN_OF.get(measure, measure) for measure, _ in KEYS),
            *(names.HIT_AT_1, names.BEST_IS_OWN, names.EQUAL_RANKS, names.COMPLETE_AT_R),
        ]
    )
)
"""Columns of the per-query table that `to_arrays` reads."""


class ScoreArray(NamedTuple):
    """A trial's scores by one measure in one setting.

    Attributes:
        cells: C pairs (question language, pool language), sorted.
        questions: Q question ids, sorted.
        clusters: cluster of each question; empty if the table does not record them.
        values: [C, Q]; NaN where a cell lacks the question. No row or column is all NaN.
    """

    cells: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    clusters: tuple[str, ...]
    values: NDArray[np.float64]


def to_arrays(table: pd.DataFrame) -> dict[Key, ScoreArray]:
    """Make an array for every key of `KEYS` of which a per-query table has values.

    Args:
        table: per-query table of one benchmark, or its `COLUMNS` alone. Measures without a column
            are left out.
    """
    setting_of, settings = _coded(table[names.SETTING])
    query_of, queries = _coded(table[names.QUERY_LANGUAGE])
    pool_of, pools = _coded(table[names.POOL_LANGUAGE])
    question_of, questions = _coded(table[names.QUESTION_ID])
    clusters = _clusters(table, question_of, len(questions))
    cell_of = query_of * len(pools) + pool_of
    cells = [(query, pool) for query in queries for pool in pools]
    arrays = {}
    for number, setting in enumerate(settings):
        chosen = _rows(setting_of == number)
        rows, cell_of_row, question_of_row = table[chosen], cell_of[chosen], question_of[chosen]
        own_language = cache(partial(_top1_own_language, rows))
        layouts: dict[bytes, _Layout] = {}
        for measure in [measure for measure, of in KEYS if of == setting]:
            values = _values(rows, measure, own_language)
            if values is None:
                continue
            present = ~np.isnan(values)
            key = present.tobytes()
            if key not in layouts:
                # Cells and questions without a value have no row and no column.
                used_cells, row = _present(cell_of_row[present], len(cells))
                used_questions, at = _present(question_of_row[present], len(questions))
                layouts[key] = _Layout(
                    tuple(cells[index] for index in used_cells),
                    tuple(questions[index] for index in used_questions),
                    tuple(clusters[index] for index in used_questions) if clusters else (),
                    row * len(used_questions) + at,
                )
            layout = layouts[key]
            values_CQ = np.full((len(layout.cells), len(layout.questions)), np.nan)
            values_CQ.ravel()[layout.place] = values[present]
            if values_CQ.size:
                arrays[measure, setting] = ScoreArray(
                    layout.cells, layout.questions, layout.clusters, values_CQ
                )
    return {key: arrays[key] for key in KEYS if key in arrays}


def _rows(chosen: NDArray[np.bool_]) -> slice | NDArray[np.bool_]:
    """A slice, which copies nothing, where the rows follow one another."""
    places = np.flatnonzero(chosen)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return chosen


class _Layout(NamedTuple):
    """Labels of an array, and the place of each row of a table in it; measures share them."""

    cells: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    clusters: tuple[str, ...]
    place: NDArray[np.int64]


def _clusters(table: pd.DataFrame, question_of: NDArray[np.int64], n_questions: int) -> list[str]:
    """Look up the cluster of each question; empty for a table of an older version."""
    if names.CLUSTER not in table:
        return []
    cluster_of, labels = _coded(table[names.CLUSTER])
    clusters = np.zeros(n_questions, dtype=np.int64)
    clusters[question_of] = cluster_of
    return [labels[index] for index in clusters]


def _coded(column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Number the names of a column alphabetically; -1 where a name is missing."""
    categories = column.astype("category").cat
    labels = list(map(str, categories.categories.to_list()))
    order = sorted(range(len(labels)), key=labels.__getitem__)
    number = np.full(len(labels) + 1, -1)  # the last one, which code -1 finds, for a missing name
    number[order] = np.arange(len(labels))
    return number[categories.codes.to_numpy()], [labels[at] for at in order]


def _present(codes: NDArray[np.int64], count: int) -> tuple[list[int], NDArray[np.int64]]:
    """Return the codes that occur, of `count`, and the index of each code among them."""
    present = np.bincount(codes, minlength=count) > 0
    return np.flatnonzero(present).tolist(), (np.cumsum(present) - 1)[codes]


def _values(
    table: pd.DataFrame, measure: str, own_language: Callable[[], NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    if measure in _DISTANCES:
        best, worst = _DISTANCES[measure]
        values = table[worst] - table[best]
        if measure == names.RANK_DISTANCE and names.EQUAL_RANKS in table:
            # Nothing is parallel where all relevant passages are in one language.
            values = values.where(table[names.EQUAL_RANKS].notna())
    elif measure == names.MAX_AT_R:
        if names.COMPLETE_AT_R not in table:
            return None
        values = table[names.WORST_RANK].where(table[names.COMPLETE_AT_R].notna())
    elif measure in names.FIRST_HITS:
        return _first_hits(table, measure, own_language)
    elif measure == names.TOP1_OWN_LANGUAGE:
        # As in `language_bias.top1_own_language`: no choice of language, no bias.
        return own_language() if language_bias.is_parallel(table).any() else None
    elif (column := _COLUMN_OF.get(measure, measure)) in table:
        values = table[column]
    else:
        return None
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _first_hits(
    table: pd.DataFrame, kind: str, own_language: Callable[[], NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """Whether the first hit is of one of `names.FIRST_HITS`; NaN where the question has no choice.

    The rule is that of `hybridir.evaluation.language_bias.first_hits`.
    """
    if names.COMPLETE_AT_R not in table:  # a table of an older version
        return None
    right = table[names.HIT_AT_1].to_numpy(dtype=np.float64, na_value=np.nan) == 1
    own = own_language()
    is_right = kind in (names.TOP1_RIGHT_OWN, names.TOP1_RIGHT_OTHER)
    is_own = kind in (names.TOP1_RIGHT_OWN, names.TOP1_WRONG_OWN)
    hits = (right == is_right) & (own == is_own)
    return np.where(table[names.BEST_IS_OWN].isna(), np.nan, hits)


def _top1_own_language(table: pd.DataFrame) -> NDArray[np.float64]:
    """Whether the first passage is in the question's language; NaN where it is not recorded."""
    query, query_languages = _coded(table[names.QUERY_LANGUAGE])
    first, first_languages = _coded(table[names.TOP1_LANGUAGE])
    to_query = np.array(
        [
            query_languages.index(name) if name in query_languages else -1
            for name in [*first_languages, ""]
        ]
    )
    return np.where(first < 0, np.nan, to_query[first] == query)
