"""What the inference reads: every question's score, aligned over ratios and seeds.

A ratios, S seeds, C cells, Q question ids. A cell is a question language with a pool language; the
macro mean over cells is the figure that is reported (`hybridir.evaluation.summary`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hybridir import names

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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
            (ratio, seed) that was not trained. In single precision where there are very many;
            means are computed in double precision all the same.
    """

    measure: str
    setting: str
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    cells: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]
    values: Floats

    @cached_property
    def trained(self) -> Bools:
        """[A, S]: whether there is a trial of this ratio and seed."""
        return np.array(
            [[not bool(np.isnan(trial).all()) for trial in seeds] for seeds in self.values]
        )

    @property
    def lower_is_better(self) -> bool:
        """Whether the best ratio has the lowest value, as with rank distances."""
        return self.measure in (names.RANK_DISTANCE, names.RANK_DISTANCE_SEEN)

    def cell_means(self) -> Floats:
        """[A, S, C] means over questions; NaN where a ratio and seed were not trained."""
        return self._cell_means.copy()

    @cached_property
    def _cell_means(self) -> Floats:
        means = np.full(self.values.shape[:3], np.nan)
        for ratio, seed in np.argwhere(self.trained):
            values_CQ = self.values[ratio, seed]
            there_CQ = ~np.isnan(values_CQ)
            total_C = np.sum(values_CQ, axis=1, where=there_CQ, dtype=np.float64)
            count_C = there_CQ.sum(axis=1)
            np.divide(total_C, count_C, out=means[ratio, seed], where=count_C > 0)
        return means

    def macro_means(self) -> Floats:
        """[A, S] means over cells of the means over questions."""
        return np.asarray(self._cell_means.mean(axis=2))
