"""Intervals that stay within a measure's range, and are never certain at its ends.

A mean of values in [0, 1] cannot be -.13 or 1.14. Its interval here is the score interval: all
values that the estimate does not contradict, if the variance of an estimate is proportional to the
distance of its mean from both limits, m (1 - m). In the middle of the range it is the ordinary
interval; near an end it becomes asymmetric and stays inside. It is Wilson's interval of a
proportion with the sample size that the estimated variance stands for. Without an upper limit the
variance is proportional to the mean, as that of a count.

Where every value equals a limit, no variance can be estimated, and the ordinary interval has no
width. Then each cluster counts as one observation: of 48 clusters that are all perfect, others may
well have .92. Levels, and differences of two such levels, keep that width.

Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal of
the American Statistical Association 22, 1927; Korn and Graubard, Confidence Intervals for
Proportions with Small Expected Number of Positive Counts Estimated From Survey Data, Survey
Methodology 24, 1998 (the effective sample size). For means that are no proportions it is this
project's own.
"""

from math import inf, isfinite, sqrt

from scipy import special

Limits = tuple[float, float]
UNLIMITED: Limits = (-inf, inf)
_TAIL = 0.025
ROUNDING = 1e-9  # sums of thousands of values differ by less from their exact value


def inside(estimate: float, half: float, limits: Limits, n_clusters: int) -> tuple[float, float]:
    """Move the ends of a level's interval inside the limits.

    Args:
        estimate: the mean, within the limits.
        half: half width of its ordinary interval.
        limits: lowest and highest possible value; infinite for none.
        n_clusters: number of clusters, for a mean that is at a limit.

    Returns:
        Lower and upper end.

    >>> [round(end, 3) for end in inside(0.98, 0.04, (0, 1), 48)]
    [0.891, 0.997]
    """
    lowest, highest = limits
    if not isfinite(lowest):  # measures have a lower limit, or none
        return estimate - half, estimate + half
    if half < ROUNDING and (reach := at_a_limit(estimate, limits, n_clusters)):
        top = estimate - lowest > highest - estimate
        return (estimate - reach, estimate) if top else (estimate, estimate + reach)
    if not isfinite(highest):
        mean = max(estimate - lowest, 0.0)
        if mean == 0:
            return lowest, lowest + half
        k = half**2 / mean
        root = sqrt(k * mean + k**2 / 4)
        return max(estimate + k / 2 - root, lowest), estimate + k / 2 + root
    width = highest - lowest
    mean = min(max((estimate - lowest) / width, 0.0), 1.0)
    if mean in (0.0, 1.0):
        return max(estimate - half, lowest), min(estimate + half, highest)
    k = (half / width) ** 2 / (mean * (1 - mean))
    root = sqrt(k * mean * (1 - mean) + k**2 / 4)
    low, high = ((mean + k / 2 + sign * root) / (1 + k) for sign in (-1, 1))
    return lowest + width * max(low, 0.0), lowest + width * min(high, 1.0)


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
