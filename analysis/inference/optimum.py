"""Where the smooth curve is highest, and between which ratios that lies.

A ratios, G ratios at which the curve is looked at, R draws.

The interval inverts a test, as Fieller's does for the vertex of a parabola: a ratio may be the
optimum unless the fit's slope there is significantly different from 0, at an end of the range
unless the slope points inside significantly. Ratios where the curve is significantly convex are
minima and left out, and so are those at which it is significantly below another part of itself
(with a critical value for all parts together, as in `analysis.inference.best`), which leaves out
lower humps. The interval is the hull of what remains. Where a curve is flat that is the whole
range: the data do not say where the optimum is. The combination is this project's own.

Source: Fieller 1954, Some problems in interval estimation, Journal of the Royal Statistical
Society B 16 (the inversion).
"""

from typing import NamedTuple

import numpy as np

from analysis.inference.crossed import LEVEL
from analysis.inference.resampling import Replicates
from analysis.inference.smooth import Fit
from analysis.scores import Bools, Floats, Scores

_STEPS = 200  # of the range, at which the curve is looked at


class Optimum(NamedTuple):
    """The optimum of a fit with its interval at `LEVEL`.

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


def find_optimum(scores: Scores, replicates: Replicates, fit: Fit) -> Optimum:
    """Find where the fit is best."""
    sign = -1.0 if scores.lower_is_better else 1.0
    first, last = fit.ratios[0], fit.ratios[-1]
    at_G = np.linspace(first, last, _STEPS + 1)
    levels_GA = sign * fit.weights(at_G)
    best = int(fit.means.estimates(levels_GA).argmax())
    kept = _flat(fit, sign, at_G) & _not_below(fit, replicates, levels_GA, best, sign)
    kept[best] = True
    inside = at_G[kept]
    low, high = float(inside.min()), float(inside.max())
    return Optimum(float(at_G[best]), low, high, bool(low > first or high < last))


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


def _not_below(
    fit: Fit, replicates: Replicates, levels_GA: Floats, best: int, sign: float
) -> Bools:
    """Whether the fit at each ratio is not significantly below its best.

    The critical value is for comparisons with the fit at all confirmed ratios and its best.
    """
    centred_AR = replicates.values - replicates.values.mean(axis=1, keepdims=True)
    below_GA = levels_GA[best] - levels_GA
    below_G = fit.means.estimates(below_GA)
    half_G = fit.means.half_widths(below_GA, level=2 * LEVEL - 1)
    confirmed_AA = fit.weights(np.array(fit.ratios))
    others_KA = np.vstack([sign * confirmed_AA, levels_GA[best]])
    kept = np.ones(len(levels_GA), dtype=bool)
    # Only where one comparison alone would reject can all of them together do so.
    for index in np.flatnonzero(below_G > half_G):
        apart_KA = others_KA - levels_GA[index]
        halves_K = fit.means.half_widths(apart_KA, level=2 * LEVEL - 1)
        apart_KA, halves_K = apart_KA[halves_K > 0], halves_K[halves_K > 0]
        largest_R = (apart_KA @ centred_AR / halves_K[:, None]).max(axis=0, initial=0.0)
        factor = max(1.0, float(np.quantile(largest_R, LEVEL)))
        kept[index] = below_G[index] <= factor * half_G[index]
    return kept
