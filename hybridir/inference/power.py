"""How many seeds or clusters of questions a study needs to tell two ratios apart.

The power is that of a paired t test at the variances that a study measured.

Source: noncentral t distribution, Johnson, Kotz and Balakrishnan, Continuous Univariate
Distributions 2, 2nd edition 1995, chapter 31.
"""

from bisect import bisect_left
from typing import Final, NamedTuple

import numpy as np
from scipy import special

from hybridir.inference.crossed import LEVEL
from hybridir.inference.mean_squares import SeedsByClusters

MOST: Final = 10_000
_CERTAIN = 30.0  # standard errors from which power is 1, and scipy's noncentral t inexact


class Variances(NamedTuple):
    """Variances of a paired difference.

    Attributes:
        seed: variance of the seeds' effects on the difference.
        cluster: variance of the clusters' effects.
        residual: variance of the rest.
    """

    seed: float
    cluster: float
    residual: float


def variances_of(squares: SeedsByClusters) -> Variances:
    """Estimate the variances from the mean squares of a difference; none is below 0."""
    rest = squares.residual
    return Variances(
        max(squares.seed - rest, 0.0) / squares.n_clusters,
        max(squares.cluster - rest, 0.0) / squares.n_seeds,
        rest,
    )


def seed_interval(squares: SeedsByClusters) -> tuple[SeedsByClusters, SeedsByClusters]:
    """Replace the seeds' mean square by the lower and by the upper end of its interval.

    With few seeds the interval is wide: with 4, from a third to fourteen times the estimate.
    """
    degrees = squares.n_seeds - 1
    tails = np.array([(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    low, high = degrees / (2 * special.gammaincinv(degrees / 2, tails))  # quantiles of chi-square
    seed = squares.seed
    return squares._replace(seed=float(low * seed)), squares._replace(seed=float(high * seed))


def power_fixed(difference: float, squares: SeedsByClusters, n_seeds: int) -> float:
    """Power of the paired t test over seeds, on these very questions.

    Args:
        difference: true difference of the means.
        squares: mean squares of the differences by seed and cluster.
        n_seeds: seeds of the planned study, 2 or more.

    Returns:
        The chance that the test finds the difference, in either direction, at level .05.
    """
    per_seed = squares.seed / squares.n_clusters
    return _power(difference, per_seed / n_seeds, n_seeds - 1)


def power_random(
    difference: float, squares: SeedsByClusters, n_seeds: int, n_clusters: int
) -> float:
    """Power of a test that generalises to other clusters of the kind.

    The test is t with Satterthwaite's degrees of freedom. The intervals of `Crossed` weigh the
    quantiles of seeds and clusters, which costs a little power with two or three seeds.

    Args:
        difference: true difference of the means.
        squares: mean squares of the differences by seed and cluster.
        n_seeds: seeds of the planned study, 2 or more.
        n_clusters: clusters of the planned study, 2 or more.

    Returns:
        The chance that the test finds the difference, at level .05.
    """
    variances = variances_of(squares)
    expected = SeedsByClusters(
        n_clusters * variances.seed + variances.residual,
        n_seeds * variances.cluster + variances.residual,
        variances.residual,
        n_seeds,
        n_clusters,
    )
    return _power(difference, *expected.variance_of_mean())


def seeds_needed(
    difference: float, squares: SeedsByClusters, power: float, random_clusters: bool
) -> int | None:
    """Count the seeds that reach a power, with as many clusters as were measured.

    Returns:
        2 or more; None if `MOST` are not enough.
    """

    def power_with(n_seeds: int) -> float:
        if random_clusters:
            return power_random(difference, squares, n_seeds, squares.n_clusters)
        return power_fixed(difference, squares, n_seeds)

    needed = 2 + bisect_left(range(2, MOST + 1), power, key=power_with)
    return needed if needed <= MOST else None


def clusters_needed(
    difference: float, squares: SeedsByClusters, power: float, most: int = 100 * MOST
) -> int | None:
    """Count the clusters that reach a power, with as many seeds as were measured.

    Returns:
        2 or more; None if `most` are not enough.
    """

    def power_with(n_clusters: int) -> float:
        return power_random(difference, squares, squares.n_seeds, n_clusters)

    needed = 2 + bisect_left(range(2, most + 1), power, key=power_with)
    return needed if needed <= most else None


def _power(difference: float, variance: float, degrees: float) -> float:
    if variance <= 0:
        return float(difference != 0)
    shift = abs(difference) / float(np.sqrt(variance))
    if shift > _CERTAIN and degrees >= 2:
        return 1.0
    bound = float(special.stdtrit(degrees, (1 + LEVEL) / 2))
    # scipy gives NaN for the tail on the wrong side where that is below 1e-15.
    wrong_side = np.nan_to_num(special.nctdtr(degrees, shift, -bound))
    return float(1 - special.nctdtr(degrees, shift, bound) + wrong_side)
