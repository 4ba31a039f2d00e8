"""Tidy tables of what hybrid batches gain by language, pair of languages and kind of pair."""

import numpy as np
import pandas as pd

from hybridir import inference
from hybridir.inference.language_gains import CellGain, GroupGain, gains_by_cell, gains_by_group
from hybridir.inference.scores import Scores


def cell_gain_table(scores: Scores, hybrid: float) -> pd.DataFrame:
    """Tabulate the gain of every cell: language, pair of languages, language in the common pool.

    Args:
        scores: all settings of a measure, see `hybridir.inference.scores.side_by_side`.
        hybrid: the ratio that stands for hybrid batches.

    Returns:
        The fields of `CellGain`.
    """
    return pd.DataFrame(gains_by_cell(scores, hybrid), columns=CellGain._fields)


def group_gain_table(scores: Scores, hybrid: float, seen: frozenset[str] | None) -> pd.DataFrame:
    """Tabulate mean gains of kinds of cells, and how two kinds differ in their gain.

    Args:
        scores: all settings of a measure, see `hybridir.inference.scores.side_by_side`.
        hybrid: the ratio that stands for hybrid batches.
        seen: languages that were trained on; None leaves out what depends on them.

    Returns:
        The fields of `GroupGain`.
    """
    return pd.DataFrame(gains_by_group(scores, hybrid, seen), columns=GroupGain._fields)


def adjust_together(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Insert Holm's p behind p, over the rows of all tables: one exploratory family."""
    p_values = np.concatenate([table["p"].to_numpy(dtype=float) for table in tables])
    adjusted = np.split(inference.holm(p_values), np.cumsum([len(table) for table in tables])[:-1])
    result = []
    for table, p_holm in zip(tables, adjusted, strict=True):
        columns = list(table.columns)
        behind = columns.index("p") + 1
        shown = table.assign(p_holm=p_holm)
        result.append(shown[[*columns[:behind], "p_holm", *columns[behind:]]])
    return result
