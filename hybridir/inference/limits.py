"""Intervals that stay within a measure's range, and are never certain at its ends.

A mean of values in [0, 1] cannot be -.13 or 1.14. Its interval here is the score interval: all
values that the estimate does not contradict, if the variance of an estimate is proportional to the
product of its distances from both limits, m (1 - m). In the middle of the range it is the ordinary
interval; near an end it becomes asymmetric and stays inside. It is Wilson's interval of a
proportion with the sample size that the estimated variance stands for. Without an upper limit the
variance is proportional to the mean, as that of a count.

Where a few clusters hold most of the score, the variance grows faster with the mean: their effects
multiply, and the variance is proportional to m² (1 - m)². A study that happens to lack such
clusters has a low mean and a small variance, so its interval must reach further towards the
middle. The clusters' skewness tells the law: where the variance is proportional to the power p of
m (1 - m), the third moment of the mean is p (1 - 2 m) / (m (1 - m)) times the squared variance. Up
to p = 1 the interval is Wilson's. At p = 1.5 it reaches as far as under either law, from p = 1.75
on half as far again, since a sample shows too little of a strong skewness; its ends lie between in
between.

Where every value equals a limit, no variance can be estimated, and the ordinary interval has no
width. Then each cluster counts as one observation: of 48 clusters that are all perfect, others may
well have .92. Levels, and differences of two such levels, keep that width.

Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of
the American Statistical Association 22, 1927; Korn and Graubard, Confidence Intervals for
Proportions with Small Expected Number of Positive Counts Estimated From Survey Data, Survey
Methodology 24, 1998 (the effective sample size); Morris, Natural Exponential Families with
Quadratic Variance Functions, Annals of Statistics 10, 1982 (the third moment that a law of the
variance implies). For means that are no proportions, and in its choice of the law, it is this
project's own.
"""

from math import inf, isfinite, sqrt

from scipy import special

Limits = tuple[float, float]
UNLIMITED: Limits = (-inf, inf)
_TAIL = 0.025
_HALF = 0.5
_FURTHEST = 1.5
ROUNDING = 1e-9  # sums of thousands of values differ by less from their exact value


def inside(
    estimate: float, half: float, limits: Limits, n_clusters: int, growth: float = 0.0
) -> tuple[float, float]:
    """Move the ends of a level's interval inside the limits.

    Args:
        estimate: the mean, within the limits.
        half: half width of its ordinary interval.
        limits: lowest and highest possible value; infinite for none.
        n_clusters: number of clusters, for a mean that is at a limit.
        growth: third moment of the mean over its squared variance, in one over the measure's unit:
            by which share the variance grows where the mean grows by one unit.

    Returns:
        Lower and upper end.

    >>> [round(end, 3) for end in inside(0.98, 0.04, (0, 1), 48)]
    [0.891, 0.997]
    >>> [round(end, 3) for end in inside(0.02, 0.01, (0, 1), 48, growth=100)]
    [0.012, 0.042]
    """
    lowest, highest = limits
    if not isfinite(lowest):  # measures have a lower limit, or none
        return estimate - half, estimate + half
    if half < ROUNDING and (reach := at_a_limit(estimate, limits, n_clusters)):
        top = estimate - lowest > highest - estimate
        return (estimate - reach, estimate) if top else (estimate, estimate + reach)
    width = highest - lowest if isfinite(highest) else 1.0
    mean = max((estimate - lowest) / width, 0.0)
    if isfinite(highest):
        if min(mean, 1 - mean) < ROUNDING:
            return max(estimate - half, lowest), min(estimate + half, highest)
        low, high = _below_one(mean, half / width, growth * width)
    elif mean < ROUNDING:
        return lowest, lowest + half
    else:
        low, high = _above_zero(mean, half, growth)
    return max(lowest + width * low, lowest), min(lowest + width * high, highest)


def _below_one(mean: float, half: float, growth: float) -> tuple[float, float]:
    """Bound a mean between 0 and 1."""
    spread = mean * (1 - mean)
    k = half**2 / spread
    root = sqrt(k * spread + k**2 / 4)
    low, high = ((mean + k / 2 + sign * root) / (1 + k) for sign in (-1, 1))
    # The laws agree at .5.
    power = growth * spread / (1 - 2 * mean) if mean != _HALF else 1.0

    def end(mean: float) -> float:
        """Solve end - mean = half × end (1 - end) / (mean (1 - mean)), half / spread up to .5."""
        share = half / spread
        within = min(share, _HALF)
        middle = (1 - within) / 2
        solved = mean / (middle + sqrt(middle**2 + within * mean))
        # Near 1 any mean would do, so that from .5 on the end goes along its tangent.
        tangent = solved * (1 - solved) / (_HALF + solved)
        return min(solved + (share - within) * tangent, 1.0)

    return _towards(power, (low, high), (1 - end(1 - mean), end(mean)))


def _above_zero(mean: float, half: float, growth: float) -> tuple[float, float]:
    """Bound a positive mean without an upper limit."""
    k = half**2 / mean
    root = sqrt(k * mean + k**2 / 4)
    share = half / mean
    # 1 / (1 - share) has a pole at 1, so from .5 on it goes along its tangent.
    high = mean / (1 - share) if share < _HALF else 4 * half
    ends = mean + k / 2 - root, mean + k / 2 + root
    return _towards(growth * mean, ends, (mean / (1 + share), high))


def _towards(
    power: float, proportional: tuple[float, float], multiplied: tuple[float, float]
) -> tuple[float, float]:
    """Move the ends outwards, to those of the second law and beyond, by the power of the law."""
    weight = min(max(2 * (power - 1), 0.0), _FURTHEST)
    low, high = proportional
    further = min(low, multiplied[0]), max(high, multiplied[1])
    return low + weight * (further[0] - low), high + weight * (further[1] - high)


def at_a_limit(estimate: float, limits: Limits, n_clusters: int) -> float:
    """Width of the score interval of a mean that equals a limit, each cluster one observation.

    Returns:
        0 for a mean between the limits, and without a second limit.

    >>> round(at_a_limit(1.0, (0, 1), 48), 3)
    0.078
    """
    lowest, highest = limits
    off = min(estimate - lowest, highest - estimate)
    if not isfinite(highest - lowest) or off > ROUNDING * (highest - lowest):
        return 0.0
    k = float(special.stdtrit(max(n_clusters - 1, 1), _TAIL)) ** 2 / n_clusters
    return (highest - lowest) * k / (1 + k)
