"""The curve at the confirmed ratios: its means, its differences and the hybrid ratio."""

import numpy as np

from hybridir.inference.bootstrap import Replicates
from hybridir.inference.by_cluster import score_by_cluster
from hybridir.inference.crossed import Crossed, Interval
from hybridir.inference.scores import Floats, Scores


def mean_curve(scores: Scores, values_ASG: Floats | None = None) -> list[Interval]:
    """Mean over seeds at every ratio, with its interval.

    A ratio that lacks some seeds is averaged over the others.

    Args:
        scores: the trials' scores.
        values_ASG: `score_by_cluster` of them, if it has been computed.

    Returns:
        An entry per ratio, in the order of `scores.ratios`. No interval leaves the measure's
        range.
    """
    level = np.ones(1)
    values_ASG = score_by_cluster(scores) if values_ASG is None else values_ASG
    return [
        Crossed.of(values_SG[trained][None]).interval(level, scores.bounds)
        for values_SG, trained in zip(values_ASG, scores.trained, strict=True)
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
    return None if shared is None else shared.interval(np.array([1.0, -1.0]), scores.bounds)


def hybrid_ratio(ratios: tuple[float, ...], hybrid: float | None = None) -> float | None:
    """Choose the ratio that stands for hybrid batches: the mixed ratio nearest to .5.

    The choice ignores scores, so that it does not flatter the gain; the method's authors recommend
    .5 (arXiv 2408.10536). None without a mixed ratio.

    Args:
        ratios: mixing ratios with scores.
        hybrid: one of them, to choose another one.
    """
    if hybrid is not None:
        return hybrid if hybrid in ratios else None
    mixed = [ratio for ratio in ratios if 0 < ratio < 1]
    return min(mixed, key=lambda ratio: abs(ratio - 0.5), default=None)
