"""One trial's per-query table as arrays: a row per cell, a column per question.

C cells, Q question ids. A cell is a question language with a pool language.
"""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names

Key = tuple[str, str]
"""(measure, setting)."""

KEYS: Final[tuple[Key, ...]] = (
    *((names.AP, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
    (names.RANK_DISTANCE_SEEN, names.MULTILINGUAL),
    (names.TOP1_OWN_LANGUAGE, names.MULTILINGUAL),
    (names.LANGUAGE_PREFERENCE, names.MULTILINGUAL),
    (names.PEER, names.MULTILINGUAL),
    (names.NDCG_AT_10, names.MONOLINGUAL),
    (names.NDCG_AT_10, names.MULTILINGUAL),
    (names.RECALL_AT_10, names.MULTILINGUAL),
    (names.SET_F1, names.MULTILINGUAL),
    *((names.ANSWER_F1, setting) for setting in names.SETTINGS),
)
"""What is followed over the mixing ratio: every mean over questions that a trial has as a headline
metric. The mean rank correlation is none: it compares questions with their translations."""

# Measures that are columns of the table under another name.
_COLUMNS = {names.LANGUAGE_PREFERENCE: names.BEST_IS_OWN, names.PEER: names.EQUAL_RANKS}
_DISTANCES = {
    names.RANK_DISTANCE: (names.BEST_RANK, names.WORST_RANK),
    names.RANK_DISTANCE_SEEN: (names.BEST_RANK_SEEN, names.WORST_RANK_SEEN),
}
_CELL = (names.QUERY_LANGUAGE, names.POOL_LANGUAGE)

NEEDED: Final = tuple(
    dict.fromkeys(
        [
            *(names.SETTING, *_CELL, names.QUESTION_ID, names.TOP1_LANGUAGE),
            *(rank for ranks in _DISTANCES.values() for rank in ranks),
            *_COLUMNS.values(),
            *(measure for measure, _ in KEYS if measure in names.MEASURES),
        ]
    )
)
"""Columns of the per-query table that `lay_out` reads."""


class LaidOut(NamedTuple):
    """One measure in one setting of one trial.

    Attributes:
        cells: C pairs (question language, pool language), sorted.
        questions: Q question ids, sorted.
        values: [C, Q]; NaN where a cell has no such question. No row or column is all NaN.
    """

    cells: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    values: NDArray[np.float64]


def lay_out(table: pd.DataFrame) -> dict[Key, LaidOut]:
    """Lay out every key of `KEYS` for which a per-query table has values.

    Args:
        table: per-query table of one benchmark, or the columns `NEEDED` of it; a measure whose
            column it lacks is left out.
    """
    setting_of, settings = _coded(table[names.SETTING])
    query_of, queries = _coded(table[names.QUERY_LANGUAGE])
    pool_of, pools = _coded(table[names.POOL_LANGUAGE])
    question_of, questions = _coded(table[names.QUESTION_ID])
    cell_of = query_of * len(pools) + pool_of
    cells = [(query, pool) for query in queries for pool in pools]
    found = {}
    columns: dict[str, NDArray[np.float64] | None] = {}
    for measure, setting in KEYS:
        if measure not in columns:
            columns[measure] = _values(table, measure)
        values = columns[measure]
        if values is None or setting not in settings:
            continue
        rows = (setting_of == settings.index(setting)) & ~np.isnan(values)
        # Cells and questions without a value are no part of it.
        kept_cells, row = _present(cell_of[rows], len(cells))
        kept_questions, column = _present(question_of[rows], len(questions))
        laid_out = np.full((len(kept_cells), len(kept_questions)), np.nan)
        laid_out[row, column] = values[rows]
        if laid_out.size:
            found[measure, setting] = LaidOut(
                tuple(cells[index] for index in kept_cells),
                tuple(questions[index] for index in kept_questions),
                laid_out,
            )
    return found


def _coded(column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Number the names of a column in the order of the alphabet; -1 where there is none."""
    categories = column.astype("category").cat
    labels = [str(name) for name in categories.categories]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    number = np.empty(len(labels), dtype=np.int64)
    number[order] = np.arange(len(labels))
    codes = categories.codes.to_numpy()
    return np.where(codes < 0, -1, np.append(number, -1)[codes]), [labels[at] for at in order]


def _present(codes: NDArray[np.int64], count: int) -> tuple[list[int], NDArray[np.int64]]:
    """Codes that occur, of `count`, and the place of each given code among them."""
    there = np.bincount(codes, minlength=count) > 0
    return np.flatnonzero(there).tolist(), (np.cumsum(there) - 1)[codes]


def _values(table: pd.DataFrame, measure: str) -> NDArray[np.float64] | None:
    if measure in _DISTANCES:
        best, worst = _DISTANCES[measure]
        values = table[worst] - table[best]
    elif measure == names.TOP1_OWN_LANGUAGE:
        return _own_first(table)
    elif (column := _COLUMNS.get(measure, measure)) in table:
        values = table[column]
    else:
        return None
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _own_first(table: pd.DataFrame) -> NDArray[np.float64]:
    """Whether the first passage is in the question's language; NaN where nobody asked."""
    asked, languages = _coded(table[names.QUERY_LANGUAGE])
    first, others = _coded(table[names.TOP1_LANGUAGE])
    same = np.array([languages.index(name) if name in languages else -1 for name in [*others, ""]])
    return np.where(first < 0, np.nan, same[first] == asked)
