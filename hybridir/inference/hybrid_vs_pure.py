"""Hybrid against pure batches: are they different, and by how much?

Three p-values of a paired difference answer three questions:

- `p_crossed`: would other seeds and other clusters of questions show it? From
  `hybridir.inference.crossed`.
- `p_clusters`: would other clusters show it, with these very encoders? A permutation test: the
  labels hybrid and pure are swapped cluster by cluster, in all seeds and languages at once. It
  assumes no distribution, and says nothing about other seeds.
- `p_seeds`: the same by seed, over all 2^S swaps up to 13 seeds, over random swaps of more. It
  assumes no distribution either, but cannot fall below 2 / 2^S, which is .0625 with five seeds: it
  is shown, and decides nothing.

The larger of the first two decides. A difference must hold for these encoders without an
assumption, and for others if seed effects are normal; the level is at most that of either test.
Swaps of seeds and of clusters in one permutation would not keep the level: swapping clusters
averages out an effect of a seed on all of them.

Shapes: see CONTRIBUTING; S seeds, G clusters, K comparisons, F swaps.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hybridir.inference.bootstrap import Replicates
from hybridir.inference.crossed import Crossed, p_values_of_each
from hybridir.inference.curve import hybrid_ratio
from hybridir.inference.scores import Bools, Floats, Scores

PURE = (0.0, 1.0)
"""The pure strategies: cross-lingual and monolingual batches alone."""
SWAPS = 9999  # the smallest p-value is 1 / 10,000
_BLOCK = 1000  # swaps at a time


class HybridTest(NamedTuple):
    """Hybrid minus pure over the seeds that both have.

    Attributes:
        hybrid: mixing ratio of hybrid batches, see `hybrid_ratio`.
        pure: 0 or 1.
        difference: difference of the means.
        low: lower end of the interval at `LEVEL`.
        high: upper end.
        clusters_alone: half of the width of the interval for other clusters alone. Where it is
            the larger one, the seeds agree more closely, by chance, than the rest of the scores
            allows; NaN with one cluster.
        relative: the difference as a share of the pure mean.
        d_clusters: the difference in standard deviations over clusters (means over seeds).
        d_seeds: the difference in standard deviations over seeds (macro means); NaN with one seed.
        p_crossed: p-value for other seeds and clusters.
        p_clusters: p-value of swaps of clusters.
        p_seeds: p-value of swaps of seeds; NaN with one seed.
        p: the larger of `p_crossed` and `p_clusters`.
        n_seeds: number of seeds.
        n_clusters: number of clusters of questions.
        n_questions: number of questions.
    """

    hybrid: float
    pure: float
    difference: float
    low: float
    high: float
    clusters_alone: float
    relative: float
    d_clusters: float
    d_seeds: float
    p_crossed: float
    p_clusters: float
    p_seeds: float
    p: float
    n_seeds: int
    n_clusters: int
    n_questions: int


def is_narrow(difference: float, low: float, high: float, clusters_alone: float) -> bool:
    """Whether the interval of a `HybridTest` is narrower than one for other clusters alone.

    An end may lie at the measure's limit, so that the farther one counts.
    """
    return max(high - difference, difference - low) < clusters_alone * (1 - 1e-9)


def compare_hybrid(
    scores: Scores,
    replicates: Replicates,
    generator: np.random.Generator,
    hybrid: float | None = None,
) -> list[HybridTest]:
    """Test hybrid batches against each pure strategy that was confirmed.

    Args:
        scores: the trials' scores.
        replicates: their replicates.
        generator: source of the swaps.
        hybrid: ratio of hybrid batches; None takes `hybrid_ratio`.

    Returns:
        A test per pure strategy, two at most; none without a mixed ratio.
    """
    hybrid = hybrid_ratio(scores.ratios, hybrid)
    pairs = [] if hybrid is None else list(_pairs(scores, replicates.by_cluster, hybrid))
    return _compare(scores, pairs, hybrid, generator) if hybrid is not None and pairs else []


def _pairs(scores: Scores, values: Floats, hybrid: float) -> Iterator[tuple[float, Floats]]:
    """Yield (pure ratio, [2, S, ...] hybrid and pure of the seeds that both have)."""
    for pure in PURE:
        if pure not in scores.ratios:
            continue
        pair = [scores.ratios.index(hybrid), scores.ratios.index(pure)]
        shared = scores.trained[pair].all(axis=0)
        if shared.any():
            yield pure, values[pair][:, shared]


def _compare(
    scores: Scores,
    pairs: list[tuple[float, Floats]],
    hybrid: float,
    generator: np.random.Generator,
) -> list[HybridTest]:
    """Test each (pure ratio, values [2, S, G])."""
    p_clusters = p_of_swaps(
        np.stack([(values[0] - values[1]).mean(axis=0) for _, values in pairs]), generator
    )
    crossed = [Crossed.of(values) for _, values in pairs]
    p_crossed = p_values_of_each(crossed, np.array([1.0, -1.0]))
    p_seeds = [
        _p_of_seed_swaps((values[0] - values[1]).mean(axis=1), generator) for _, values in pairs
    ]
    return [
        _result(scores, (hybrid, pure), entry, values[0] - values[1], *map(float, p))
        for (pure, values), entry, *p in zip(
            pairs, crossed, p_crossed, p_clusters, p_seeds, strict=True
        )
    ]


def _result(
    scores: Scores,
    ratios: tuple[float, float],
    crossed: Crossed,
    apart_SG: Floats,
    p_crossed: float,
    p_clusters: float,
    p_seeds: float,
) -> HybridTest:
    contrast = np.array([1.0, -1.0])
    difference, low, high, n_seeds, n_clusters = crossed.interval(contrast, scores.bounds)
    if 0 < abs(difference) <= crossed.reach(contrast, scores.bounds):
        p_crossed = 1.0  # the interval is that of levels at a limit, and holds 0
    pure = float(crossed.means[1])
    return HybridTest(
        *ratios,
        difference=difference,
        low=low,
        high=high,
        clusters_alone=crossed.half_width_of_clusters(contrast),
        relative=difference / pure if pure else float("nan"),
        d_clusters=_in_deviations(apart_SG.mean(axis=0)),
        d_seeds=_in_deviations(apart_SG.mean(axis=1)),
        p_crossed=p_crossed,
        p_clusters=p_clusters,
        p_seeds=p_seeds,
        p=max(p_crossed, p_clusters),
        n_seeds=n_seeds,
        n_clusters=n_clusters,
        n_questions=len(scores.questions),
    )


def p_of_swaps(apart_KG: Floats, generator: np.random.Generator) -> Floats:
    """Two-sided p-values [K] of random swaps of clusters or seeds, the same for all comparisons.

    This is `scipy.stats.permutation_test` with ``permutation_type="samples"``, but with all
    comparisons in one matrix product, which takes a hundredth of the time.
    """
    apart_GK = apart_KG.T
    as_large_K = np.zeros(len(apart_KG))
    for start in range(0, SWAPS, _BLOCK):
        block = min(_BLOCK, SWAPS - start)
        drawn_FG = generator.integers(0, 2, (block, len(apart_GK)), dtype=np.int8)
        as_large_K += _as_large(2.0 * drawn_FG.astype(np.float64) - 1.0, apart_GK).sum(axis=0)
    p_values_K: Floats = (as_large_K + 1) / (SWAPS + 1)
    return p_values_K


def _p_of_seed_swaps(seeds_S: Floats, generator: np.random.Generator) -> float:
    if len(seeds_S) < 2:
        return float("nan")
    if 2 ** len(seeds_S) > SWAPS:
        return float(p_of_swaps(seeds_S[None], generator)[0])
    all_signs_FS = np.array(list(itertools.product((-1.0, 1.0), repeat=len(seeds_S))))
    return float(_as_large(all_signs_FS, seeds_S[:, None]).mean())


def _as_large(signs_FG: Floats, apart_GK: Floats) -> Bools:
    """[F, K]: whether the sum with swapped signs is as large as the one that was observed."""
    observed_K = np.abs(apart_GK.sum(axis=0))
    # Sums in another order may differ in the last digits.
    return np.asarray(np.abs(signs_FG @ apart_GK) >= observed_K * (1 - 1e-9))


def _in_deviations(values: Floats) -> float:
    """Cohen's d of paired differences: their mean over their standard deviation."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float("nan")
    return float(values.mean() / values.std(ddof=1))
