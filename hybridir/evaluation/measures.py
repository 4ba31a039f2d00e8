"""The measures of one query in one pool, from the ranks of its relevant passages alone.

G groups, a group being one query with one pool; R relevant occurrences, all groups together.

Each measure is trec_eval's, with a ranking of the full pool. Passages without a grade have 1.
All are computed for many groups at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybridir import names

Floats = NDArray[np.float64]
NEVER: Final = 2**62
"""Rank of a relevant passage that is not in the pool, below every cut-off."""
TREC_EVAL = "trec_eval 9.0, https://github.com/usnistgov/trec_eval"


@dataclass(frozen=True)
class RankedGroups:
    """Ranks of the relevant passages, group after group.

    Attributes:
        ranks_R: ranks from 1, ascending within a group.
        offsets: [G + 1]; the ranks of group g are ``ranks_R[offsets[g]:offsets[g + 1]]``. No group
            is empty: a group without a relevant passage that is to count as 0 has one of rank
            `NEVER` and grade 0.
        gains_R: grades; None if each is 1.
    """

    ranks_R: NDArray[np.int64]
    offsets: NDArray[np.int64]
    gains_R: Floats | None = None

    @cached_property
    def sizes_G(self) -> NDArray[np.int64]:
        """Number of relevant passages."""
        return np.diff(self.offsets)

    @cached_property
    def hits_R(self) -> NDArray[np.int64]:
        """Number of relevant passages down to this one, itself included."""
        return 1 + np.arange(len(self.ranks_R)) - np.repeat(self.offsets[:-1], self.sizes_G)

    def total(self, values_R: Floats) -> Floats:
        """Sum within each group.

        Args:
            values_R: one value per relevant occurrence.

        Returns:
            [G] sums.
        """
        if not len(values_R):
            return np.zeros(0)
        return np.add.reduceat(values_R, self.offsets[:-1])


@dataclass(frozen=True)
class Measure:
    """A measure of one query in one pool.

    Attributes:
        name: its column in the per-query table; from `hybridir.names`.
        sentence: its meaning.
        compute: groups -> [G] values in [0, 1].
        reference: its name in the literature or another tool, and the source.
    """

    name: str
    sentence: str
    compute: Callable[[RankedGroups], Floats]
    reference: str


def average_precision(groups: RankedGroups, cutoff: int = NEVER - 1) -> Floats:
    """Mean over the relevant passages of the precision at their ranks.

    Args:
        groups: the ranks.
        cutoff: relevant passages below this rank count as precision 0; no cut-off by default.

    Returns:
        [G] values; the divisor is the number of all relevant passages, even if the cut-off is
        smaller.

    >>> average_precision(RankedGroups(np.array([1, 4]), np.array([0, 2]))).tolist()
    [0.75]
    """
    precision_R = np.where(groups.ranks_R <= cutoff, groups.hits_R / groups.ranks_R, 0.0)
    return groups.total(precision_R) / groups.sizes_G


def reciprocal_rank(groups: RankedGroups) -> Floats:
    """One over the best rank, as [G] values; 0 where no relevant passage has a rank."""
    best_G = groups.ranks_R[groups.offsets[:-1]]
    reciprocal_G: Floats = np.where(best_G < NEVER, 1.0 / best_G, 0.0)
    return reciprocal_G


def recall(groups: RankedGroups, cutoff: int) -> Floats:
    """Share of the relevant passages within the first `cutoff`, as [G] values."""
    return groups.total((groups.ranks_R <= cutoff).astype(np.float64)) / groups.sizes_G


def ndcg(groups: RankedGroups, cutoff: int) -> Floats:
    """Discounted gain within the first `cutoff`, relative to an ideal ranking, as [G] values.

    A relevant passage gains its grade, 1 without one, divided by log2(rank + 1).
    """
    gain_R = np.where(groups.ranks_R <= cutoff, 1.0 / np.log2(groups.ranks_R + 1.0), 0.0)
    if groups.gains_R is not None:
        graded_G = groups.total(groups.gains_R * gain_R)
        ideal_G = _ideal_gain(groups.gains_R, groups.hits_R, groups.sizes_G, cutoff)
        return graded_G / np.where(ideal_G > 0, ideal_G, 1.0)
    ideal = np.cumsum(1.0 / np.log2(np.arange(1, cutoff + 1) + 1.0))
    best_G: Floats = ideal[np.minimum(groups.sizes_G, cutoff) - 1]
    return groups.total(gain_R) / best_G


def _ideal_gain(
    gains_R: Floats, position_R: NDArray[np.int64], sizes_G: NDArray[np.int64], cutoff: int
) -> Floats:
    """[G] the gain of the ranking that puts the highest grades first."""
    group_R = np.repeat(np.arange(len(sizes_G)), sizes_G)
    highest_R = gains_R[np.lexsort((-gains_R, group_R))]
    ideal_R = np.where(position_R <= cutoff, highest_R / np.log2(position_R + 1.0), 0.0)
    ideal_G: Floats = np.bincount(group_R, ideal_R, len(sizes_G)).astype(np.float64)
    return ideal_G


def hit(groups: RankedGroups, cutoff: int) -> Floats:
    """1 where a relevant passage is within the first `cutoff`, else 0, as [G] values."""
    return (groups.ranks_R[groups.offsets[:-1]] <= cutoff).astype(np.float64)


def r_precision(groups: RankedGroups) -> Floats:
    """Share of relevant passages among the first R, R being their number, as [G] values.

    This is F1 at R as well: with R passages retrieved, of R relevant ones, precision, recall and
    their harmonic mean F1 have the same numerator and the same denominator.
    The column `names.SET_F1` has these values.

    Source: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section
    8.4, https://nlp.stanford.edu/IR-book/.

    >>> r_precision(RankedGroups(np.array([1, 4, 7]), np.array([0, 3]))).tolist()
    [0.3333333333333333]
    """
    limit_R = np.repeat(groups.sizes_G, groups.sizes_G)
    return groups.total((groups.ranks_R <= limit_R).astype(np.float64)) / groups.sizes_G


MEASURES = (
    Measure(
        names.AP,
        "Mean precision at the ranks of the relevant passages.",
        average_precision,
        f"map, {TREC_EVAL}",
    ),
    Measure(
        names.AP_AT_20,
        "The same; a relevant passage below rank 20 counts as not retrieved.",
        lambda groups: average_precision(groups, 20),
        f"map_cut_20, {TREC_EVAL}",
    ),
    Measure(
        names.RR,
        "One over the best rank of a relevant passage.",
        reciprocal_rank,
        f"recip_rank, {TREC_EVAL}",
    ),
    Measure(
        names.RECALL_AT_1,
        "Share of the relevant passages that is ranked first.",
        lambda groups: recall(groups, 1),
        f"recall_1, {TREC_EVAL}",
    ),
    Measure(
        names.RECALL_AT_10,
        "Share of the relevant passages among the first 10.",
        lambda groups: recall(groups, 10),
        f"recall_10, {TREC_EVAL}",
    ),
    Measure(
        names.RECALL_AT_100,
        "Share of the relevant passages among the first 100.",
        lambda groups: recall(groups, 100),
        f"recall_100, {TREC_EVAL}",
    ),
    Measure(
        names.NDCG_AT_10,
        "Discounted gain of the first 10, relative to an ideal ranking.",
        lambda groups: ndcg(groups, 10),
        f"ndcg_cut_10, {TREC_EVAL}; Jarvelin and Kekalainen 2002, doi 10.1145/582415.582418",
    ),
    Measure(
        names.HIT_AT_1,
        "Whether a relevant passage is ranked first.",
        lambda groups: hit(groups, 1),
        f"success_1, {TREC_EVAL}",
    ),
    Measure(
        names.HIT_AT_10,
        "Whether a relevant passage is among the first 10.",
        lambda groups: hit(groups, 10),
        f"success_10, {TREC_EVAL}",
    ),
    Measure(
        names.SET_F1,
        "F1 of the first R passages, R being the number of relevant passages: R-precision.",
        r_precision,
        f"Rprec, {TREC_EVAL}",
    ),
)


def all_measures(groups: RankedGroups) -> dict[str, Floats]:
    """Compute every measure, `names.RANK_MEASURES`.

    Args:
        groups: the ranks, G groups.

    Returns:
        Measure name -> [G] values.
    """
    return {measure.name: measure.compute(groups) for measure in MEASURES}
