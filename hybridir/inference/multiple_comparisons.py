"""Which of the confirmed ratios may be the best, without a fitted curve.

Multiple comparisons with the best: a ratio may be the best unless another confirmed ratio is
significantly better. Each ratio in turn is compared with all others, with a joint critical value;
so the set misses the truly best ratio in at most 5 % of studies, and in the other studies no ratio
loses more than its bound. Both statements hold together, since they follow from the same event.

Source: Edwards and Hsu 1983, Multiple comparisons with the best treatment, Journal of the American
Statistical Association 78. There groups are independent and the critical value is Dunnett's; here
ratios share seeds and clusters, so it is taken from the draws (this project's own).

Shapes: see CONTRIBUTING; A ratios, F draws, K comparisons.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from hybridir.inference.bootstrap import Replicates
from hybridir.inference.crossed import LEVEL
from hybridir.inference.scores import Bools, Floats, Scores


class BestRatio(NamedTuple):
    """The ratio with the best mean, the ratios that may be the best, and where the optimum lies.

    Attributes:
        ratio: best in the data.
        may_be_best: ratios of the grid that no other one beats, at `LEVEL`, ascending.
        low: grid neighbour below the lowest of them; 0 if that is the first of the grid.
        high: grid neighbour above the highest of them; 1 if that is the last of the grid.
        share: share of draws in which `ratio` is the best.
    """

    ratio: float
    may_be_best: tuple[float, ...]
    low: float
    high: float
    share: float


class RatioLoss(NamedTuple):
    """How far a ratio falls short of the best.

    Attributes:
        ratio: a ratio of the grid.
        loss: best mean in the data minus the ratio's mean; 0 for the best.
        loss_at_most: upper bound of the loss against the true best, for all ratios together at
            `LEVEL`.
        may_be_best: whether no other ratio is significantly better.
    """

    ratio: float
    loss: float
    loss_at_most: float
    may_be_best: bool


def compare_with_best(scores: Scores, replicates: Replicates) -> list[RatioLoss]:
    """Compare every ratio with the best.

    Two ratios that share no seed are not compared with each other.

    Returns:
        An entry per ratio, in the order of `scores.ratios`.
    """
    sign = -1.0 if scores.lower_is_better else 1.0
    better_AA, half_AA = _pairs(scores.ratios, replicates)
    better_AA = sign * better_AA
    centred_AF = sign * (replicates.values - replicates.values.mean(axis=1, keepdims=True))
    factors = [_widening(centred_AF, half_AA, index) for index in range(len(scores.ratios))]
    reach_AA = half_AA * np.array(factors)[None, :]
    beaten = np.nan_to_num(better_AA - reach_AA, nan=-np.inf) > 0  # column by row
    unbeaten = ~beaten.any(axis=0)
    means = sign * np.nanmean(scores.macro_means(), axis=1)
    # Upper bound of column i's loss if row b is the best, hence with b's factor.
    below_AA = np.nan_to_num(better_AA + reach_AA.T, nan=-np.inf)
    return [
        RatioLoss(
            ratio,
            float(means.max() - means[index]),
            max(0.0, float(below_AA[_without(unbeaten, index), index].max(initial=0.0))),
            bool(unbeaten[index]),
        )
        for index, ratio in enumerate(scores.ratios)
    ]


def best_ratio(scores: Scores, replicates: Replicates) -> BestRatio:
    """Find the best ratio of the grid, those that may be the best, and the optimum's interval.

    The optimum over all ratios may lie between two ratios of the grid. If the curve rises up to it
    and falls behind it, it lies between the grid neighbours of the best ratio of the grid. So the
    interval from the neighbour below the set to the neighbour above it misses the optimum no more
    often than the set misses the best ratio, and needs no fitted curve.
    """
    sign = -1.0 if scores.lower_is_better else 1.0
    best = int(np.argmax(sign * np.nanmean(scores.macro_means(), axis=1)))
    winners = (sign * replicates.values).argmax(axis=0)
    losses = compare_with_best(scores, replicates)
    candidates = [index for index, loss in enumerate(losses) if loss.may_be_best or index == best]
    ratios = scores.ratios
    return BestRatio(
        ratios[best],
        tuple(ratios[index] for index in candidates),
        ratios[candidates[0] - 1] if candidates[0] else 0.0,
        ratios[candidates[-1] + 1] if candidates[-1] + 1 < len(ratios) else 1.0,
        float((winners == best).mean()),
    )


def _pairs(ratios: tuple[float, ...], replicates: Replicates) -> tuple[Floats, Floats]:
    """[A, A] row minus column, and the half width of its one-sided interval at `LEVEL`."""
    differences = np.full((len(ratios), len(ratios)), np.nan)
    halves = differences.copy()
    trained_AS = ~np.isnan(replicates.by_cluster[:, :, 0])
    # Pairs that share the same seeds share one analysis of variance: mostly all of them.
    groups: dict[bytes, list[tuple[int, int]]] = {}
    for row, column in combinations(range(len(ratios)), 2):
        groups.setdefault((trained_AS[row] & trained_AS[column]).tobytes(), []).append(
            (row, column)
        )
    for pairs in groups.values():
        members = sorted({index for pair in pairs for index in pair})
        shared = replicates.shared(members)
        if shared is None:
            continue
        contrasts = np.zeros((len(pairs), len(members)))
        for contrast, (row, column) in zip(contrasts, pairs, strict=True):
            contrast[members.index(row)], contrast[members.index(column)] = 1.0, -1.0
        rows, columns = np.array(pairs).T
        differences[rows, columns] = shared.estimates(contrasts)
        differences[columns, rows] = -differences[rows, columns]
        halves[rows, columns] = shared.half_widths(contrasts, level=2 * LEVEL - 1)
        halves[columns, rows] = halves[rows, columns]
    return differences, halves


def _widening(centred_AF: Floats, half_AA: Floats, control: int) -> float:
    """Factor that widens one ratio's one-sided intervals so that all hold together."""
    halves = half_AA[:, control]
    compared = np.flatnonzero(halves > 0)
    if not len(compared):
        return 1.0
    apart_KF = centred_AF[compared] - centred_AF[control]
    largest_F = (apart_KF / halves[compared, None]).max(axis=0)
    return max(1.0, float(np.quantile(largest_F, LEVEL)))


def _without(chosen: Bools, index: int) -> Bools:
    rest = chosen.copy()
    rest[index] = False
    return rest


def holm(p_values: Floats) -> Floats:
    """Adjust the p-values of several tests by Holm's method, which controls family-wise error.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
    Statistics 6, 1979.
    """
    order = np.argsort(p_values)
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted
