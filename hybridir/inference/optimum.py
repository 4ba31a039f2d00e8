"""Where the smooth curve is highest, and between which ratios that lies.

A ratios, G ratios at which the curve is looked at.

The interval inverts a test, as Fieller's does for the vertex of a parabola: a ratio may be the
optimum unless the fit's slope there is significantly different from 0, at an end of the range
unless the slope points inside significantly. Ratios where the curve is significantly convex are
minima and left out. What remains can fall into pieces; those beside the fit's own optimum count
only where a one-sided bound at 90 % does not put them below it. The interval is the hull of all
that counts. Where a curve is flat that is the whole range: the data do not say where the optimum
is.

A hull holds more than the test asks for, and at 90 % the rule for other pieces takes back about
that much (`benchmarks/interval_coverage.py`). The combination is this project's own.

Source: Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical
Society B 16 (the inversion).
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hybridir.inference.polynomial import Fit
from hybridir.inference.scores import Bools, Floats, Scores

_STEPS = 200  # of the range, at which the curve is looked at
_HUMP_LEVEL = 0.8  # two-sided, so 90 % on one side


class Optimum(NamedTuple):
    """The optimum of a fit with its 95 % interval.

    Attributes:
        ratio: where the fit is best.
        low: lower end of the interval, `_STEPS` to the range.
        high: upper end.
        bounded: whether the interval leaves out an end of the range.
    """

    ratio: float
    low: float
    high: float
    bounded: bool


def find_optimum(scores: Scores, fit: Fit) -> Optimum:
    """Find where the fit is best."""
    sign = -1.0 if scores.lower_is_better else 1.0
    first, last = fit.ratios[0], fit.ratios[-1]
    at_G = np.linspace(first, last, _STEPS + 1)
    levels_GA = sign * fit.weights(at_G)
    best = int(fit.means.estimates(levels_GA).argmax())
    flat = _flat(fit, sign, at_G)
    flat[best] = True
    inside = at_G[_piece(flat, best) | flat & _not_below(fit, levels_GA, best)]
    low, high = float(inside.min()), float(inside.max())
    return Optimum(float(at_G[best]), low, high, bool(low > first or high < last))


def agrees(optimum: Optimum, best: float, ratios: tuple[float, ...]) -> bool:
    """Whether an optimum may lie beside the best confirmed ratio.

    Args:
        optimum: of the fit.
        best: the confirmed ratio with the best mean.
        ratios: all that were confirmed, ascending.
    """
    index = ratios.index(best)
    before, after = ratios[max(index - 1, 0)], ratios[min(index + 1, len(ratios) - 1)]
    return optimum.low <= after and before <= optimum.high


def _flat(fit: Fit, sign: float, at_G: Floats) -> Bools:
    """Whether the slope allows an optimum at each ratio, and the curvature does."""
    slopes_GA = sign * fit.weights(at_G, derivative=1)
    slope, half = fit.means.estimates(slopes_GA), fit.means.half_widths(slopes_GA)
    flat = np.abs(slope) <= half
    flat[0], flat[-1] = slope[0] <= half[0], slope[-1] >= -half[-1]
    bends_GA = sign * fit.weights(at_G, derivative=2)
    convex = fit.means.estimates(bends_GA) > fit.means.half_widths(bends_GA)
    convex[[0, -1]] = False
    return np.asarray(flat & ~convex)


def _piece(kept: Bools, index: int) -> Bools:
    """The unbroken run of what is kept around an index."""
    runs, _ = ndimage.label(kept)
    return np.asarray(runs == runs[index])


def _not_below(fit: Fit, levels_GA: Floats, best: int) -> Bools:
    """Whether the fit at each ratio may be as high as at its best."""
    below_GA = levels_GA[best] - levels_GA
    halves_G = fit.means.half_widths(below_GA, level=_HUMP_LEVEL)
    return np.asarray(fit.means.estimates(below_GA) <= halves_G)
