"""How much clusters of questions widen an interval.

The design effect is the variance of a mean over clusters of questions, divided by the variance
that the same questions would give if they were independent (Kish). At 3 an interval is 1.7 times
as wide, and 1,200 questions say as much as 400 independent ones. Both variances are those of the
means over seeds, question by question.

Source: Kish, Survey Sampling, 1965, section 8.2.

Shapes: see CONTRIBUTING; S seeds, G clusters.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hybridir.inference.by_cluster import paired_gain, score_by_cluster
from hybridir.inference.crossed import DUST
from hybridir.inference.curve import hybrid_ratio
from hybridir.inference.hybrid_vs_pure import PURE
from hybridir.inference.scores import Floats, Scores

LEVEL_OF_RATIO, DIFFERENCE = "level", "difference"


class DesignEffect(NamedTuple):
    """The design effect of one quantity.

    Attributes:
        quantity: ``level`` of a mixing ratio, or ``difference`` of hybrid minus a pure ratio.
        mixing_ratio: the ratio; of a difference, the pure one.
        value: variance by cluster over variance by question; NaN where no question varies.
        standard_error: of the quantity over clusters, for these seeds.
    """

    quantity: str
    mixing_ratio: float
    value: float
    standard_error: float


def design_effects(scores: Scores, hybrid: float | None = None) -> list[DesignEffect]:
    """Compute the design effect of every level, and of hybrid minus each pure ratio.

    Args:
        scores: the trials' scores.
        hybrid: ratio of hybrid batches; None takes `hybrid_ratio`.

    Returns:
        The levels in the order of `scores.ratios`, then the differences.
    """
    by_cluster = score_by_cluster(scores)
    by_question = score_by_cluster(replace(scores, clusters=()))
    rows = [
        _effect(LEVEL_OF_RATIO, ratio, by_cluster[index, trained], by_question[index, trained])
        for index, (ratio, trained) in enumerate(zip(scores.ratios, scores.trained, strict=True))
    ]
    hybrid = hybrid_ratio(scores.ratios, hybrid)
    for pure in PURE:
        if hybrid is not None and pure in scores.ratios:
            gains = [
                paired_gain(values, scores, hybrid, pure) for values in (by_cluster, by_question)
            ]
            if len(gains[0]):
                rows.append(_effect(DIFFERENCE, pure, *gains))
    return rows


def _effect(quantity: str, ratio: float, values_SG: Floats, values_SQ: Floats) -> DesignEffect:
    by_cluster, by_question = (
        values.mean(axis=0).var(ddof=1) / values.shape[1] if values.shape[1] > 1 else np.nan
        for values in (values_SG, values_SQ)
    )
    dust = DUST * np.abs(values_SQ).max()
    value = by_cluster / by_question if by_question > dust**2 else np.nan
    return DesignEffect(quantity, ratio, float(value), float(np.sqrt(by_cluster)))
