"""Confirmation trials as arrays: every question's score, aligned over ratios and seeds.

A ratios, S seeds, C cells, Q question ids. A cell is a question language with a pool language; the
macro mean over cells is the figure that is reported (`hybridir.summary`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.layout import KEYS, Key, LaidOut, lay_out
from hybridir import names
from hybridir.errors import InputError

__all__ = ["KEYS", "Bools", "Floats", "Key", "Scores", "collect_scores"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_LARGE = 400e6  # bytes of all values from which single precision has to do


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

    @property
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
        means = np.full(self.values.shape[:3], np.nan)
        for ratio, seed in np.argwhere(self.trained):
            values_CQ = self.values[ratio, seed]
            there_CQ = ~np.isnan(values_CQ)
            total_C = np.sum(values_CQ, axis=1, where=there_CQ, dtype=np.float64)
            count_C = there_CQ.sum(axis=1)
            np.divide(total_C, count_C, out=means[ratio, seed], where=count_C > 0)
        return means

    def groups(self) -> list[NDArray[np.int64]]:
        """Cells that have the same questions, as the indices of each group.

        A resample of the questions weighs the cells of a group alike, so it is enough to resample
        `group_means`: where all texts are translated, that is one row in the place of C.
        """
        trained = np.argwhere(self.trained)
        if not len(trained):
            return []
        there_CQ = ~np.isnan(self.values[tuple(trained[0])])
        _, group_C = np.unique(np.packbits(there_CQ, axis=1), axis=0, return_inverse=True)
        return [np.flatnonzero(group_C == group) for group in range(group_C.max() + 1)]

    def group_means(self, ratio: int, seed: int, groups: Sequence[NDArray[np.int64]]) -> Floats:
        """[G, Q] means over the cells of each of G groups, of the trial at these indices."""
        values_CQ = self.values[ratio, seed]
        return np.stack([values_CQ[cells].mean(axis=0, dtype=np.float64) for cells in groups])

    def macro_means(self) -> Floats:
        """[A, S] means over cells of the means over questions."""
        return np.asarray(self.cell_means().mean(axis=2))


def collect_scores(
    tables: Iterable[tuple[float, int, pd.DataFrame | Mapping[Key, LaidOut]]],
) -> dict[Key, Scores]:
    """Align the per-query tables of the trials of one benchmark.

    Args:
        tables: (mixing ratio, seed, per-query table, or what `lay_out` made of it); a generator
            keeps only one table in memory.

    Returns:
        The scores of every key of `KEYS` for which there are values. Two are left out where they
        say nothing: the rank distance over seen languages where it is the one over all languages,
        and PEER where it is the same for every question, as with one passage a language.

    Raises:
        InputError: if two trials were scored on different questions, which cannot be compared.
    """
    found: dict[Key, dict[tuple[float, int], LaidOut]] = {}
    size = 0
    for ratio, seed, table in tables:
        laid_out = lay_out(table) if isinstance(table, pd.DataFrame) else table
        for key, values in laid_out.items():
            found.setdefault(key, {})[ratio, seed] = values
            size += values.values.size
        if 8 * size > _LARGE:
            for by_trial in found.values():
                by_trial |= {trial: _single(values) for trial, values in by_trial.items()}
    # Each key's tables are let go of as soon as they are aligned.
    scores = {key: _align(key, found.pop(key)) for key in KEYS if key in found}
    everything = scores.get((names.RANK_DISTANCE, names.MULTILINGUAL))
    seen = scores.get((names.RANK_DISTANCE_SEEN, names.MULTILINGUAL))
    if everything and seen and np.array_equal(everything.values, seen.values, equal_nan=True):
        del scores[seen.measure, seen.setting]
    peer = scores.get((names.PEER, names.MULTILINGUAL))
    if peer and np.ptp(peer.values[~np.isnan(peer.values)]) == 0:
        del scores[peer.measure, peer.setting]
    return scores


def _single(laid_out: LaidOut) -> LaidOut:
    return laid_out._replace(values=laid_out.values.astype(np.float32, copy=False))


def _align(key: Key, by_trial: dict[tuple[float, int], LaidOut]) -> Scores:
    ratios = sorted({ratio for ratio, _ in by_trial})
    seeds = sorted({seed for _, seed in by_trial})
    first_trial, first = next(iter(by_trial.items()))
    present = ~np.isnan(first.values)
    shape = (len(ratios), len(seeds), *first.values.shape)
    values = np.full(shape, np.nan, dtype=first.values.dtype)
    for ratio, seed in list(by_trial):
        trial = by_trial.pop((ratio, seed))
        same = trial.cells == first.cells and trial.questions == first.questions
        if not same or not np.array_equal(~np.isnan(trial.values), present):
            raise InputError(
                f"the trials at mixing ratio {first_trial[0]:g}, seed {first_trial[1]} and at "
                f"{ratio:g}, seed {seed} were scored on different questions and cannot be "
                "compared: confirm them again under one study name"
            )
        values[ratios.index(ratio), seeds.index(seed)] = trial.values
    return Scores(
        measure=key[0],
        setting=key[1],
        ratios=tuple(ratios),
        seeds=tuple(seeds),
        cells=first.cells,
        questions=first.questions,
        values=values,
    )
