"""Tidy tables of what hybrid batches gain by language, pair of languages and kind of pair."""

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
        The fields of `CellGain`, and behind `p` a column ``p_holm``, adjusted over the rows of a
        setting and pure strategy.
    """
    table = pd.DataFrame(gains_by_cell(scores, hybrid), columns=CellGain._fields)
    return _adjusted(table, ["setting", "pure"])


def group_gain_table(scores: Scores, hybrid: float, seen: frozenset[str] | None) -> pd.DataFrame:
    """Tabulate mean gains of kinds of cells, and how two kinds differ in their gain.

    Args:
        scores: all settings of a measure, see `hybridir.inference.scores.side_by_side`.
        hybrid: the ratio that stands for hybrid batches.
        seen: languages that were trained on; None leaves out what depends on them.

    Returns:
        The fields of `GroupGain`, and behind `p` a column ``p_holm``, adjusted over the rows of a
        pure strategy.
    """
    table = pd.DataFrame(gains_by_group(scores, hybrid, seen), columns=GroupGain._fields)
    return _adjusted(table, ["pure"])


def _adjusted(table: pd.DataFrame, family: list[str]) -> pd.DataFrame:
    """Insert Holm's p behind p, over the rows that agree in the columns `family`."""
    adjusted = table.groupby(family)["p"].transform(lambda p: inference.holm(p.to_numpy()))
    table.insert(list(table.columns).index("p") + 1, "p_holm", adjusted)
    return table
