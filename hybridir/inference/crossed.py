"""Intervals and p-values of linear contrasts of the curve, for seeds crossed with clusters.

A contrast is a weighting of the ratios: a level, a difference, a coefficient of a fit by least
squares.

The model: a contrast's value for one seed and one cluster of questions is its mean, plus an effect
of the seed, an effect of the cluster, and a rest, all independent. Over S seeds and G clusters two
parts of the mean's variance can be told apart: the spread of the S seeds' own means (which holds
the rest), and the additional spread over clusters (the clusters' mean square less the rest's).
Both come from the two-way analysis of variance (`hybridir.inference.mean_squares`).

    half width = mean quantile × root of the sum of both variances

The spread of few seeds may fall below the rest by chance, which it holds, even to nothing where
each seed errs once. So the half width is at least half of that for other clusters alone, the rest
included. In simulations this changes 5.0, 3.6 and 1.7 % of the intervals of two, three and five
seeds at the most, and none of the designs covers more than the one that covered most before.
Up to 22, 26 and 31 % of all intervals are narrower than those for other clusters alone, and hold
less often; `Crossed.half_width_of_clusters` tells which. The whole of that width as a floor would
mend these and make others too wide: of two or three seeds that hardly vary, 99 % would hold.

The mean quantile is that of t with S - 1 and of t with G - 1 degrees of freedom, each weighted by
its share of the variance. Cochran proposed the arithmetic mean, which is taken at the level .05.
At the levels of corrected tests it is too short where few seeds are nearly all of the variance:
two seeds err in .033 at .025 and four times too often at .001. The quadratic mean errs in no more
than the level there, but is too wide at .05. So the power of the mean grows from 1 at .05 to 2 at
.025, and stays there (this project's own). In simulations with normal effects, 48 clusters, any
share of the seeds and of the rest, an interval at .95 covers 94.2 to 97.9 % with two seeds and 95
to 97.3 % with three or more, and a test at .025 or below errs in no more than its level;
Satterthwaite's common degrees of freedom cover 88 % with two seeds. A p-value is the level at
which the interval's end meets 0, so that p < .05 and an interval without 0 agree.

Assumed: seeds and clusters are random samples, seed effects are about normal, languages are
fixed. One seed tells nothing about other seeds: the interval is then over clusters alone.

Source: Cochran, Approximate Significance Levels of the Behrens-Fisher Test, Biometrics 20, 1964,
https://doi.org/10.2307/2527888 (there for two means).

Shapes: see CONTRIBUTING; A ratios, S seeds, G clusters, K contrasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import elementwise

from hybridir.inference.limits import UNLIMITED, Limits, at_a_limit, inside
from hybridir.inference.mean_squares import (
    BY_CLUSTER,
    BY_SEED,
    CLUSTER,
    RESIDUAL,
    SEED,
    mean_squares,
)
from hybridir.inference.scores import Floats

Counts = NDArray[np.int64] | NDArray[np.float64] | float
LEVEL = 0.95
DUST = 1e-12  # share of the largest value; sums of thousands of values are more exact than that
_FLOOR = 0.5  # of the half width for other clusters alone
_ARITHMETIC = 0.05  # level from which on the mean of quantiles is arithmetic; quadratic at half
_TINY_P = 1e-100  # below it a p-value is 0


class Interval(NamedTuple):
    """An estimate with its interval at `LEVEL`, and its numbers of seeds and clusters."""

    estimate: float
    low: float
    high: float
    n_seeds: int
    n_clusters: int


@dataclass(frozen=True)
class Crossed:
    """Means over seeds and clusters, with the two parts of their covariance.

    Attributes:
        means: [A] over seeds and clusters.
        seeds: [A, A] covariance of the means over other seeds, the rest included.
        clusters: [A, A] covariance that other clusters add; by chance it may say of a contrast
            that they add less than nothing, which counts as nothing.
        rest: [A, A] part of `seeds` that is neither an effect of seeds nor of clusters.
        thirds: [A] third central moments of the means over other clusters.
        n_seeds: S.
        n_clusters: G.
        dust: size below which an estimate or a standard error is the rounding of sums.
    """

    means: Floats
    seeds: Floats
    clusters: Floats
    rest: Floats
    thirds: Floats
    n_seeds: int
    n_clusters: int
    dust: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> "Crossed":
        """Estimate from the values [A, S, G] of seeds that have all the ratios."""
        _, n_seeds, n_clusters = values.shape
        squares = mean_squares(values, (SEED, CLUSTER))
        means_AG = values.mean(axis=1)
        means = means_AG.mean(axis=1)
        cubes = ((means_AG - means[:, None]) ** 3).sum(axis=1)
        return cls(
            means=means,
            seeds=squares[BY_SEED].of_mean,
            clusters=squares[BY_CLUSTER].of_mean - squares[RESIDUAL].of_mean,
            rest=squares[RESIDUAL].of_mean,
            # With these degrees a share of clusters has exactly the third moment of its law.
            thirds=cubes / (n_clusters * max(n_clusters - 1, 1) ** 2),
            n_seeds=n_seeds,
            n_clusters=n_clusters,
            dust=DUST * float(np.abs(values).max(initial=0.0)),
        )

    def estimates(self, contrasts: Floats) -> Floats:
        """Return the contrasts' estimates [K], from their weights [K, A]."""
        estimates: Floats = contrasts @ self.means
        return np.where(np.abs(estimates) < self.dust, 0.0, estimates)

    def half_widths(self, contrasts: Floats, level: float = LEVEL) -> Floats:
        """Return half of the widths [K] of two-sided intervals, from the weights [K, A]."""
        return half_widths(1 - level, self.variances(contrasts), self.n_seeds, self.n_clusters)

    def p_values(self, contrasts: Floats) -> Floats:
        """Return two-sided p-values [K] of contrasts being 0, from the weights [K, A]."""
        estimates, variances = self.estimates(contrasts), self.variances(contrasts)
        return p_values(estimates, variances, self.n_seeds, self.n_clusters)

    def reach(self, contrast: Floats, limits: Limits) -> float:
        """Return the half width of a contrast without variance, of levels at a limit.

        See `hybridir.inference.limits.at_a_limit`; 0 for all other contrasts.
        """
        if float(self.half_widths(contrast[None])[0]):
            return 0.0
        used = np.flatnonzero(contrast)
        widths = [at_a_limit(float(self.means[row]), limits, self.n_clusters) for row in used]
        return float(np.hypot.reduce(contrast[used] * np.array(widths)))

    def interval(self, contrast: Floats, limits: Limits = UNLIMITED) -> Interval:
        """Return one contrast's estimate with its interval.

        Args:
            contrast: weights [A]. The interval of a level, whose only weight is 1, follows the
                measure's limits (`hybridir.inference.limits.inside`); that of another contrast
                ends at the contrast's own limits at the latest.
            limits: lowest and highest possible value of a score.
        """
        estimate = float(self.estimates(contrast[None])[0])
        half = float(self.half_widths(contrast[None])[0])
        used = np.flatnonzero(contrast)
        if len(used) == 1 and contrast[used[0]] == 1:
            seeds, clusters, rest = (float(part[0]) for part in self.variances(contrast[None]))
            variance = clusters + max(seeds, rest)  # seeds that agree by chance tell no law
            growth = float(self.thirds[used[0]]) / variance**2 if half else 0.0
            low, high = inside(estimate, half, limits, self.n_clusters, growth)
        else:
            half = half or self.reach(contrast, limits)
            # With weights w the contrast lies between the sums of the smaller and the larger of
            # w × lowest and w × highest value.
            ends = contrast[used, None] * np.array(limits)
            low = max(estimate - half, float(ends.min(axis=1).sum()))
            high = min(estimate + half, float(ends.max(axis=1).sum()))
        return Interval(estimate, low, high, self.n_seeds, self.n_clusters)

    def half_width_of_clusters(self, contrast: Floats) -> float:
        """Return half of the width of a contrast's interval for other clusters alone.

        It is that of t over the clusters' means; NaN with one cluster.
        """
        if self.n_clusters == 1:
            return float("nan")
        variance = max(float(contrast @ (self.clusters + self.rest) @ contrast), 0.0)
        return float(-special.stdtrit(self.n_clusters - 1, (1 - LEVEL) / 2) * np.sqrt(variance))

    def variances(self, contrasts: Floats) -> "Variances":
        """Return the contrasts' variances, [K] each."""
        parts = (
            ((contrasts @ matrix) * contrasts).sum(axis=1)
            for matrix in (self.seeds, self.clusters, self.rest)
        )
        # A negative one would take from the seeds' part, at worst all of it: p = 0 by chance.
        return Variances(*(np.where(part < self.dust**2, 0.0, part) for part in parts))


class Variances(NamedTuple):
    """The parts of the variances of K means over seeds and clusters.

    Attributes:
        seeds: [K] over other seeds, the rest included.
        clusters: [K] that other clusters add.
        rest: [K] that is neither an effect of seeds nor of clusters.
    """

    seeds: Floats
    clusters: Floats
    rest: Floats


def p_values_of_each(means: Sequence[Crossed], contrast: Floats) -> Floats:
    """Return two-sided p-values [K] of one contrast [A] of each of K means.

    They are found at one go, since the steps of a search take longer than their arithmetic.
    """
    variances = [entry.variances(contrast[None]) for entry in means]
    return p_values(
        np.array([entry.estimates(contrast[None])[0] for entry in means]),
        Variances(*(np.concatenate(parts) for parts in zip(*variances, strict=True))),
        np.array([entry.n_seeds for entry in means]),
        np.array([entry.n_clusters for entry in means]),
    )


def p_values(
    estimates: Floats, variances: Variances, n_seeds: Counts, n_clusters: Counts
) -> Floats:
    """Find the level at which each interval ends at 0.

    Args:
        estimates: [K] estimates of the contrasts.
        variances: their variances.
        n_seeds: number of seeds, of all or of each ([K]).
        n_clusters: number of clusters, of all or of each ([K]).

    Returns:
        [K] two-sided p-values; 0 below 1e-100.
    """
    sizes = np.abs(estimates)
    counts = np.broadcast_arrays(n_seeds, n_clusters, estimates)[:2]

    def beyond(log_p: Floats, size: Floats, *parts: Floats) -> Floats:
        seeds, clusters, rest, *counts = parts
        return half_widths(np.exp(log_p), Variances(seeds, clusters, rest), *counts) - size

    arguments = (sizes, *variances, *(count.astype(np.float64) for count in counts))
    ends = np.full(sizes.shape, np.log(_TINY_P)), np.zeros(sizes.shape)
    roots = elementwise.find_root(beyond, ends, args=arguments)
    certain = np.sum(variances, axis=0) <= (1e-12 * sizes) ** 2
    certain |= beyond(ends[0], *arguments) < 0
    values: Floats = np.where(certain, 0.0, np.exp(roots.x))
    return np.where(sizes == 0, 1.0, values)


def half_widths(
    alpha: Floats | float, variances: Variances, n_seeds: Counts, n_clusters: Counts
) -> Floats:
    """Return half of the widths [K] of intervals whose variance has two sources.

    Args:
        alpha: share of studies in which the interval may miss, for all or each.
        variances: the variances.
        n_seeds: number of seeds, of all or of each ([K]); degrees of freedom plus one.
        n_clusters: number of clusters, of all or of each ([K]).
    """
    # Without freedom the variance is 0, so that the quantile of one degree does no harm.
    of_seeds, of_clusters = (
        np.maximum(-special.stdtrit(np.maximum(np.asarray(count) - 1.0, 1.0), alpha / 2), 0.0)
        for count in (n_seeds, n_clusters)
    )
    seeds, clusters, rest = variances
    total = seeds + clusters
    share = np.divide(seeds, total, out=np.zeros(np.shape(total)), where=total > 0)
    power = 1 + np.clip(np.log2(_ARITHMETIC / alpha), 0, 1)
    mean = (share * of_seeds**power + (1 - share) * of_clusters**power) ** (1 / power)
    alone = of_clusters * np.sqrt(clusters + rest)
    widths: Floats = np.maximum(mean * np.sqrt(total), _FLOOR * alone)
    return widths
