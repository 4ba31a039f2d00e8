"""The optimum of the smooth curve, with an interval of ratios.

The interval inverts a test, as Fieller's does for the vertex of a parabola: a ratio may be the
optimum unless the fit's slope there is significantly different from 0, at an end of the range
unless the slope points inside significantly. Ratios where the curve is significantly convex are
minima and left out. The remaining ratios can fall into several pieces; those beside the fit's own
optimum count only where a one-sided bound at 90 % does not put them below it. The interval is the
hull of the pieces that count. For a flat curve it is the whole range: the data do not say where
the optimum is.

A hull is wider than the test requires, and at 90 % the rule for other pieces makes up for about as
much (`benchmarks/interval_coverage.py`). The combination is this project's own.

Source: Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical
Society B 16 (the inversion).

Shapes: see CONTRIBUTING; A ratios, X ratios at which the curve is read.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hybridir.inference.polynomial import Fit
from hybridir.inference.scores import Bools, Floats, Scores

_STEPS = 200  # steps over the range, at which the curve is read
_HUMP_LEVEL = 0.8  # two-sided; 90 % on one side


class Optimum(NamedTuple):
    """The optimum of a fit with its 95 % interval.

    Attributes:
        ratio: ratio at which the fit is best.
        low: lower end of the interval, to a 200th of the range.
        high: upper end.
        bounded: whether the interval leaves out an end of the range.
    """

    ratio: float
    low: float
    high: float
    bounded: bool


def find_optimum(scores: Scores, fit: Fit) -> Optimum:
    """Find the ratio at which the fit is best."""
    sign = -1.0 if scores.lower_is_better else 1.0
    first, last = fit.ratios[0], fit.ratios[-1]
    at_X = np.linspace(first, last, _STEPS + 1)
    levels_XA = sign * fit.weights(at_X)
    best = int(fit.means.estimates(levels_XA).argmax())
    flat = _flat(fit, sign, at_X)
    flat[best] = True
    inside = at_X[_piece(flat, best) | flat & _not_below(fit, levels_XA, best)]
    low, high = float(inside.min()), float(inside.max())
    return Optimum(float(at_X[best]), low, high, bool(low > first or high < last))


def agrees(optimum: Optimum, best: float, ratios: tuple[float, ...]) -> bool:
    """Whether the interval comes as far as a neighbour of the best confirmed ratio.

    Args:
        optimum: optimum of the fit.
        best: the confirmed ratio with the best mean.
        ratios: all confirmed ratios, ascending.
    """
    index = ratios.index(best)
    before, after = ratios[max(index - 1, 0)], ratios[min(index + 1, len(ratios) - 1)]
    return optimum.low <= after and before <= optimum.high


def _flat(fit: Fit, sign: float, at_X: Floats) -> Bools:
    """Whether slope and curvature allow an optimum at each ratio."""
    slopes_XA = sign * fit.weights(at_X, derivative=1)
    slope, half = fit.means.estimates(slopes_XA), fit.means.half_widths(slopes_XA)
    flat = np.abs(slope) <= half
    flat[0], flat[-1] = slope[0] <= half[0], slope[-1] >= -half[-1]
    bends_XA = sign * fit.weights(at_X, derivative=2)
    convex = fit.means.estimates(bends_XA) > fit.means.half_widths(bends_XA)
    convex[[0, -1]] = False
    return np.asarray(flat & ~convex)


def _piece(flat: Bools, index: int) -> Bools:
    """The unbroken run of True around an index."""
    runs, _ = ndimage.label(flat)
    return np.asarray(runs == runs[index])


def _not_below(fit: Fit, levels_XA: Floats, best: int) -> Bools:
    """Whether the fit at each ratio may be as high as at its best."""
    below_XA = levels_XA[best] - levels_XA
    halves_X = fit.means.half_widths(below_XA, level=_HUMP_LEVEL)
    return np.asarray(fit.means.estimates(below_XA) <= halves_X)
