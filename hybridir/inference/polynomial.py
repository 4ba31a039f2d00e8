"""A smooth curve through the means: a polynomial in the mixing ratio, by least squares.

Its degree follows from the number of ratios alone, never from the scores: two less than the number
of ratios, so that the fit can be tested, and four at most. Three ratios have no fit, since a
parabola goes through any three means. A value of the fit is a fixed
weighting of the means, so its interval is that of any contrast
(`hybridir.inference.crossed`), pointwise.

Lack of fit is tested by the orthogonal polynomials of the degrees that the fit leaves out: each is
a contrast with a p-value, the smallest of which is corrected for their number (Bonferroni). Below
.2 the curve has a feature that the fit lacks, such as a kink at an end, and the fit is not used.

A fit describes the curve and draws it. The best ratio does not rest on it: with five ratios the
interval of a fit's maximum holds the truth in 57 to 83 % of studies with an asymmetric curve, and
never with a steep one (`hybridir.inference.multiple_comparisons` holds in all of them).

Shapes: see CONTRIBUTING; A ratios, V coefficients, X ratios at which the curve is read.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from hybridir.inference.bootstrap import Replicates
from hybridir.inference.crossed import Crossed
from hybridir.inference.scores import Floats, Scores

HIGHEST_DEGREE = 4
_LOWEST_DEGREE = 2  # the lowest with an optimum inside the range
_HOLDS_FROM = 0.2
_STEPS = 200


@dataclass(frozen=True)
class Fit:
    """A polynomial through the means of the seeds that have all ratios.

    Attributes:
        ratios: the A ratios, ascending.
        degree: degree of the polynomial.
        means: the means that it was fitted to, with their covariances.
        lack_of_fit: p-value of the hypothesis that the means lie on such a polynomial.
    """

    ratios: tuple[float, ...]
    degree: int
    means: Crossed
    lack_of_fit: float

    @property
    def holds(self) -> bool:
        """Whether the means do not contradict the fit."""
        return self.lack_of_fit >= _HOLDS_FROM

    def peak(self, lower_is_better: bool = False) -> float:
        """Return the ratio at which the fit is best, to a 200th of the range."""
        at_X = np.linspace(self.ratios[0], self.ratios[-1], _STEPS + 1)
        values_X = self.means.estimates(self.weights(at_X))
        return float(at_X[values_X.argmin() if lower_is_better else values_X.argmax()])

    def weights(self, at: Floats) -> Floats:
        """Return the weights of the means in the fit's value at some ratios.

        Args:
            at: [X] ratios.

        Returns:
            [X, A] weights.
        """
        low, high = self.ratios[0], self.ratios[-1]
        design_AV = legendre.legvander(_scaled(np.array(self.ratios), low, high), self.degree)
        values_XV = legendre.legvander(_scaled(at, low, high), self.degree)
        weights: Floats = values_XV @ np.linalg.pinv(design_AV)
        return weights


def fit_curve(scores: Scores, replicates: Replicates) -> Fit | None:
    """Fit a polynomial to the means.

    Returns:
        The fit; None with fewer than four ratios, or where no seed has all of them.
    """
    n_ratios = len(scores.ratios)
    means = replicates.shared(list(range(n_ratios)))
    degree = min(n_ratios - 2, HIGHEST_DEGREE)
    if degree < _LOWEST_DEGREE or means is None:
        return None
    left_out = _orthogonal(scores.ratios)[degree + 1 :]
    p_values = means.p_values(left_out)
    lack = min(1.0, float(p_values.min()) * len(p_values))
    return Fit(scores.ratios, degree, means, lack)


def _orthogonal(ratios: tuple[float, ...]) -> Floats:
    """[A, A] polynomials of degrees 0 to A - 1 at the ratios, orthonormal over them."""
    at = _scaled(np.array(ratios), ratios[0], ratios[-1])
    rows: Floats = np.linalg.qr(legendre.legvander(at, len(ratios) - 1))[0].T
    return rows


def _scaled(at: Floats, low: float, high: float) -> Floats:
    """Move [low, high] to [-1, 1], where Legendre's polynomials live."""
    scaled: Floats = (2 * at - low - high) / (high - low)
    return scaled
