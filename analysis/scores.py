"""Confirmation trials as arrays: every question's score, aligned over ratios and seeds.

A ratios, S seeds, C cells, Q question ids. A cell is a question language with a pool language; the
macro mean over cells is the figure that is reported (`hybridir.summary`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names
from hybridir.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Key = tuple[str, str]
"""(measure, setting)."""

KEYS: tuple[Key, ...] = (
    *((names.AP, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
    (names.RANK_DISTANCE_SEEN, names.MULTILINGUAL),
    (names.TOP1_OWN_LANGUAGE, names.MULTILINGUAL),
)
_CELL = [names.QUERY_LANGUAGE, names.POOL_LANGUAGE]


@dataclass(frozen=True)
class Scores:
    """One measure in one setting, for every confirmation trial of a benchmark.

    Attributes:
        measure: column of the per-query table, or a bias measure of `hybridir.names`.
        setting: one of `names.SETTINGS`.
        ratios: A mixing ratios, ascending.
        seeds: S training seeds, ascending.
        cells: C pairs (question language, pool language).
        questions: Q question ids.
        values: [A, S, C, Q]; NaN where a cell has no such question, and throughout for a
            (ratio, seed) that was not trained.
    """

    measure: str
    setting: str
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    cells: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    values: Floats

    @property
    def trained(self) -> Bools:
        """[A, S]: whether there is a trial of this ratio and seed."""
        return np.asarray(~np.isnan(self.values).all(axis=(2, 3)))

    @property
    def lower_is_better(self) -> bool:
        """Whether the best ratio has the lowest value, as with rank distances."""
        return self.measure in (names.RANK_DISTANCE, names.RANK_DISTANCE_SEEN)

    def cell_means(self) -> Floats:
        """[A, S, C] means over questions; NaN where a ratio and seed were not trained."""
        there = ~np.isnan(self.values)
        count = there.sum(axis=3)
        total = np.where(there, self.values, 0.0).sum(axis=3)
        means: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return means

    def macro_means(self) -> Floats:
        """[A, S] means over cells of the means over questions."""
        return np.asarray(self.cell_means().mean(axis=2))


def collect_scores(
    tables: Iterable[tuple[float, int, pd.DataFrame]],
) -> dict[Key, Scores]:
    """Align the per-query tables of the trials of one benchmark.

    Args:
        tables: (mixing ratio, seed, per-query table); read one at a time, so that a generator
            keeps only one table in memory.

    Returns:
        The scores of every key of `KEYS` for which there are values. The rank distance over seen
        languages is left out where it is the one over all languages.

    Raises:
        InputError: if two trials were scored on different questions, which cannot be compared.
    """
    found: dict[Key, dict[tuple[float, int], pd.DataFrame]] = {}
    for ratio, seed, table in tables:
        for key in KEYS:
            values = _pivot(table, key)
            if not values.empty:
                found.setdefault(key, {})[ratio, seed] = values
    scores = {key: _align(key, by_trial) for key, by_trial in found.items()}
    everything = scores.get((names.RANK_DISTANCE, names.MULTILINGUAL))
    seen = scores.get((names.RANK_DISTANCE_SEEN, names.MULTILINGUAL))
    if everything and seen and np.array_equal(everything.values, seen.values, equal_nan=True):
        del scores[seen.measure, seen.setting]
    return scores


def _pivot(table: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Lay one measure out as [C, Q], cells and questions sorted."""
    measure, setting = key
    rows = table[table[names.SETTING] == setting]
    laid_out = pd.DataFrame(
        {
            **{column: rows[column].astype("str") for column in [*_CELL, names.QUESTION_ID]},
            "value": _measure(rows, measure),
        }
    ).dropna(subset="value")
    return laid_out.pivot(index=_CELL, columns=names.QUESTION_ID, values="value")


def _measure(rows: pd.DataFrame, measure: str) -> "pd.Series[float]":
    if measure == names.RANK_DISTANCE:
        return (rows[names.WORST_RANK] - rows[names.BEST_RANK]).astype("float64")
    if measure == names.RANK_DISTANCE_SEEN:
        return (rows[names.WORST_RANK_SEEN] - rows[names.BEST_RANK_SEEN]).astype("Float64")
    if measure == names.TOP1_OWN_LANGUAGE:
        own = rows[names.TOP1_LANGUAGE].astype("str") == rows[names.QUERY_LANGUAGE].astype("str")
        return own.astype("float64")
    return rows[measure].astype("float64")


def _align(key: Key, by_trial: dict[tuple[float, int], pd.DataFrame]) -> Scores:
    ratios = sorted({ratio for ratio, _ in by_trial})
    seeds = sorted({seed for _, seed in by_trial})
    first_trial, first = next(iter(by_trial.items()))
    present = first.notna().to_numpy()
    values = np.full((len(ratios), len(seeds), *first.shape), np.nan)
    for (ratio, seed), table in by_trial.items():
        same = table.index.equals(first.index) and table.columns.equals(first.columns)
        if not same or not np.array_equal(table.notna().to_numpy(), present):
            raise InputError(
                f"the trials at mixing ratio {first_trial[0]:g}, seed {first_trial[1]} and at "
                f"{ratio:g}, seed {seed} were scored on different questions and cannot be "
                "compared: confirm them again under one study name"
            )
        values[ratios.index(ratio), seeds.index(seed)] = table.to_numpy(dtype=np.float64)
    return Scores(
        measure=key[0],
        setting=key[1],
        ratios=tuple(ratios),
        seeds=tuple(seeds),
        cells=tuple((str(query), str(pool)) for query, pool in first.index),
        questions=tuple(map(str, first.columns)),
        values=values,
    )
