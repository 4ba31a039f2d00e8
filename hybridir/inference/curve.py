"""The curve at the confirmed ratios: its means, its differences and the hybrid ratio."""

import numpy as np

from hybridir.inference.bootstrap import Replicates
from hybridir.inference.crossed import LEVEL, Interval
from hybridir.inference.scores import Scores


def mean_curve(scores: Scores, replicates: Replicates) -> list[Interval]:
    """Mean over seeds at every ratio, with its percentile interval over the draws.

    A ratio that lacks some seeds is averaged over the others.

    Returns:
        An entry per ratio, in the order of `scores.ratios`.
    """
    tail = (1 - LEVEL) / 2
    lows, highs = np.quantile(replicates.values, [tail, 1 - tail], axis=1)
    means = np.nanmean(scores.macro_means(), axis=1)
    seeds = scores.trained.sum(axis=1)
    return [
        Interval(float(mean), float(low), float(high), int(count), len(scores.questions))
        for mean, low, high, count in zip(means, lows, highs, seeds, strict=True)
    ]


def difference(
    scores: Scores, replicates: Replicates, ratio: float, baseline: float
) -> Interval | None:
    """Mean at one ratio minus the mean at another, paired by seed and question.

    Args:
        scores: the trials' scores.
        replicates: their replicates.
        ratio: one of `scores.ratios`.
        baseline: another of `scores.ratios`.

    Returns:
        The difference over the seeds that both ratios have; None if they share none.
    """
    pair = [scores.ratios.index(ratio), scores.ratios.index(baseline)]
    shared = replicates.shared(pair)
    return None if shared is None else shared.interval(np.array([1.0, -1.0]))


def hybrid_ratio(ratios: tuple[float, ...]) -> float | None:
    """Choose the ratio that stands for hybrid batches: the mixed ratio nearest to .5.

    The choice ignores scores, so that it does not flatter the gain; the method's authors recommend
    .5 (arXiv 2408.10536). None without a mixed ratio.
    """
    mixed = [ratio for ratio in ratios if 0 < ratio < 1]
    return min(mixed, key=lambda ratio: abs(ratio - 0.5), default=None)
