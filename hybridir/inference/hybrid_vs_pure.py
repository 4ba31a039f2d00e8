"""Hybrid against pure batches: are they different, and by how much?

S seeds, Q questions, K comparisons, F swaps.

Three p-values of a paired difference, for three questions:

- `p_crossed`: would other seeds and other questions show it? From `hybridir.inference.crossed`.
- `p_questions`: would other questions show it, of these very encoders? A permutation test: the
  labels hybrid and pure are swapped question by question, in all seeds and languages at once. It
  assumes no distribution, and says nothing about other seeds.
- `p_seeds`: the same by seed, over all 2^S swaps up to 13 seeds, then over random ones. It assumes
  no distribution either, but cannot fall below 2 / 2^S, which is .0625 with five seeds: it is
  shown, and decides nothing.

What counts is the larger of the first two, so that a difference must stand for these encoders
without an assumption and for others under that of normal seed effects; its level is at most that
of either. Swaps of seeds and of questions in one permutation would not hold the level: where
questions are swapped, what a seed adds to all of them averages out.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import stats

from hybridir.inference.bootstrap import Replicates
from hybridir.inference.crossed import Crossed, p_values
from hybridir.inference.curve import hybrid_ratio
from hybridir.inference.scores import Floats, Scores

PURE = (0.0, 1.0)
"""The pure strategies: cross-lingual and monolingual batches alone."""
SWAPS = 9999  # the smallest p-value is 1 / 10,000
_BLOCK = 1000  # swaps at a time


class HybridTest(NamedTuple):
    """Hybrid minus pure over the seeds that both have.

    Attributes:
        hybrid: its ratio, `hybrid_ratio`.
        pure: 0 or 1.
        difference: of the means.
        low: lower end of the interval at `LEVEL`.
        high: upper end.
        relative: the difference as a share of the pure mean.
        d_questions: the difference in standard deviations over questions (their means over seeds).
        d_seeds: in standard deviations over seeds (their macro means); NaN with one seed.
        p_crossed: see above.
        p_questions: see above.
        p_seeds: see above; NaN with one seed.
        p: the larger of `p_crossed` and `p_questions`.
        n_seeds: S.
        n_questions: Q.
    """

    hybrid: float
    pure: float
    difference: float
    low: float
    high: float
    relative: float
    d_questions: float
    d_seeds: float
    p_crossed: float
    p_questions: float
    p_seeds: float
    p: float
    n_seeds: int
    n_questions: int


def compare_hybrid(
    scores: Scores, replicates: Replicates, generator: np.random.Generator
) -> list[HybridTest]:
    """Test hybrid batches against each pure strategy that was confirmed.

    Args:
        scores: the trials' scores.
        replicates: their replicates.
        generator: source of the swaps.

    Returns:
        Up to two tests; none without a mixed ratio.
    """
    return _compare(scores, list(_pairs(scores, replicates.by_question)), generator)


def _pairs(scores: Scores, values: Floats) -> Iterator[tuple[float, Floats]]:
    """Yield (pure ratio, [2, S, ...] hybrid and pure of the seeds that both have)."""
    hybrid = hybrid_ratio(scores.ratios)
    for pure in PURE:
        if hybrid is None or pure not in scores.ratios:
            continue
        pair = [scores.ratios.index(hybrid), scores.ratios.index(pure)]
        shared = scores.trained[pair].all(axis=0)
        if shared.any():
            yield pure, values[pair][:, shared]


def _compare(
    scores: Scores, pairs: list[tuple[float, Floats]], generator: np.random.Generator
) -> list[HybridTest]:
    """Test each (pure ratio, values [2, S, Q]); NaN is for questions that a cell has not."""
    hybrid = hybrid_ratio(scores.ratios)
    if hybrid is None or not pairs:
        return []
    p_questions = _p_of_swaps(
        np.stack([(values[0] - values[1]).mean(axis=0) for _, values in pairs]), generator
    )
    kept = [values[:, :, ~np.isnan(values[0, 0])] for _, values in pairs]
    crossed = [Crossed.of(values) for values in kept]
    contrast = np.array([[1.0, -1.0]])
    parts = [found.variances(contrast) for found in crossed]
    p_crossed = p_values(
        np.array([found.means[0] - found.means[1] for found in crossed]),
        np.array([seeds[0] for seeds, _ in parts]),
        np.array([questions[0] for _, questions in parts]),
        np.array([found.n_seeds for found in crossed]),
        np.array([found.n_questions for found in crossed]),
    )
    p_seeds = [
        _p_of_seed_swaps((values[0] - values[1]).mean(axis=1), generator) for values in kept
    ]
    return [
        _result((hybrid, pure), found, values[0] - values[1], *map(float, p))
        for (pure, _), found, values, *p in zip(
            pairs, crossed, kept, p_crossed, p_questions, p_seeds, strict=True
        )
    ]


def _result(
    ratios: tuple[float, float],
    crossed: Crossed,
    apart_SQ: Floats,
    p_crossed: float,
    p_questions: float,
    p_seeds: float,
) -> HybridTest:
    difference, low, high, n_seeds, n_questions = crossed.interval(np.array([1.0, -1.0]))
    pure = float(crossed.means[1])
    return HybridTest(
        *ratios,
        difference=difference,
        low=low,
        high=high,
        relative=difference / pure if pure else float("nan"),
        d_questions=_in_deviations(apart_SQ.mean(axis=0)),
        d_seeds=_in_deviations(apart_SQ.mean(axis=1)),
        p_crossed=p_crossed,
        p_questions=p_questions,
        p_seeds=p_seeds,
        p=max(p_crossed, p_questions),
        n_seeds=n_seeds,
        n_questions=n_questions,
    )


def _p_of_swaps(apart_KQ: Floats, generator: np.random.Generator) -> Floats:
    """Two-sided p-values [K] of random swaps of questions or seeds, the same for all comparisons.

    It is `scipy.stats.permutation_test` with ``permutation_type="samples"`` for all in one
    product, which takes a hundredth of the time.
    """
    apart_QK = np.nan_to_num(apart_KQ).T
    observed_K = np.abs(apart_QK.sum(axis=0))
    as_large_K = np.zeros(len(apart_KQ))
    for start in range(0, SWAPS, _BLOCK):
        block = min(_BLOCK, SWAPS - start)
        signs_FQ = 2.0 * generator.integers(0, 2, (block, len(apart_QK)), dtype=np.int8) - 1
        # Sums in another order may differ in the last digits.
        as_large_K += (np.abs(signs_FQ @ apart_QK) >= observed_K * (1 - 1e-9)).sum(axis=0)
    found: Floats = (as_large_K + 1) / (SWAPS + 1)
    return found


def _p_of_seed_swaps(seeds_S: Floats, generator: np.random.Generator) -> float:
    if len(seeds_S) < 2:
        return float("nan")
    if 2 ** len(seeds_S) > SWAPS:
        return float(_p_of_swaps(seeds_S[None], generator)[0])
    found = stats.permutation_test(
        (seeds_S,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    return float(found.pvalue)


def _in_deviations(values: Floats) -> float:
    """Cohen's d of paired differences: their mean over their standard deviation."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float("nan")
    return float(values.mean() / values.std(ddof=1))
