"""Intervals and p-values of linear contrasts of the curve, for seeds crossed with questions.

A contrast is a weighting of the ratios: a level, a difference, a coefficient or a slope of a fit
by least squares.

The model: a contrast's value for one seed and one question is its mean, plus an effect of the
seed, an effect of the question, and a rest, all independent. Over S seeds and Q questions two
parts of the mean's variance can be told apart: the spread of the S seeds' own means (which holds
the rest), and the additional spread over questions (the questions' mean square less the rest's).
Both come from the two-way analysis of variance (`hybridir.inference.mean_squares`).

    half width² = (t of S - 1 × standard error of the seeds)²
                + (t of Q - 1 × standard error of the questions)²

This is the ordinary t interval over the seeds' means, widened by the questions. Each source has
the quantile of its own degrees of freedom, which keeps intervals of two to five seeds wide
enough; with common degrees of freedom (Satterthwaite) those of two seeds covered 88 % instead of
95 %. The combination is this project's own. A p-value is the level at which the interval's end
meets 0, so that p < .05 and an interval without 0 agree.

Assumed: seeds and questions are random samples, seed effects are about normal, languages are
fixed. One seed tells nothing about other seeds: the interval is then over questions alone.

Shapes: see CONTRIBUTING; A ratios, S seeds, Q questions, K contrasts.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import elementwise

from hybridir.inference.mean_squares import (
    BY_QUESTION,
    BY_SEED,
    QUESTION,
    RESIDUAL,
    SEED,
    mean_squares,
)
from hybridir.inference.scores import Floats

Counts = NDArray[np.int64] | NDArray[np.float64] | int
LEVEL = 0.95
_TINY_P = 1e-100  # below it a p-value is 0


class Interval(NamedTuple):
    """An estimate with its interval at `LEVEL`, and its numbers of seeds and questions."""

    estimate: float
    low: float
    high: float
    n_seeds: int
    n_questions: int


@dataclass(frozen=True)
class Crossed:
    """Means over seeds and questions, with the two parts of their covariance.

    Attributes:
        means: [A] over seeds and questions.
        seeds: [A, A] covariance of the means over other seeds, the rest included.
        questions: [A, A] covariance that other questions add; the variance of a contrast may be
            negative by chance.
        n_seeds: S.
        n_questions: Q.
    """

    means: Floats
    seeds: Floats
    questions: Floats
    n_seeds: int
    n_questions: int

    @classmethod
    def of(cls, values: Floats) -> "Crossed":
        """Estimate from the values [A, S, Q] of seeds that have all the ratios."""
        _, n_seeds, n_questions = values.shape
        squares = mean_squares(values, (SEED, QUESTION))
        return cls(
            means=values.mean(axis=2).mean(axis=1),
            seeds=squares[BY_SEED].of_mean,
            questions=squares[BY_QUESTION].of_mean - squares[RESIDUAL].of_mean,
            n_seeds=n_seeds,
            n_questions=n_questions,
        )

    def estimates(self, contrasts: Floats) -> Floats:
        """Return the contrasts' estimates [K], from their weights [K, A]."""
        estimates: Floats = contrasts @ self.means
        return estimates

    def half_widths(self, contrasts: Floats, level: float = LEVEL) -> Floats:
        """Return half of the widths [K] of two-sided intervals, from the weights [K, A]."""
        seeds, questions = self.variances(contrasts)
        tail = (1 - level) / 2
        return _half_widths(tail, seeds, questions, self.n_seeds, self.n_questions)

    def p_values(self, contrasts: Floats) -> Floats:
        """Return two-sided p-values [K] of contrasts being 0, from the weights [K, A]."""
        seeds, questions = self.variances(contrasts)
        return p_values(
            self.estimates(contrasts), seeds, questions, self.n_seeds, self.n_questions
        )

    def interval(self, contrast: Floats) -> Interval:
        """Return one contrast's estimate with its interval, from its weights [A]."""
        estimate = float(self.estimates(contrast[None])[0])
        half = float(self.half_widths(contrast[None])[0])
        return Interval(estimate, estimate - half, estimate + half, self.n_seeds, self.n_questions)

    def variances(self, contrasts: Floats) -> tuple[Floats, Floats]:
        """Return the contrasts' variances by seeds and by questions, [K] each."""
        seeds, questions = (
            ((contrasts @ matrix) * contrasts).sum(axis=1)
            for matrix in (self.seeds, self.questions)
        )
        return np.maximum(seeds, 0.0), np.maximum(questions, 0.0)


def p_values(
    estimates: Floats,
    seeds: Floats,
    questions: Floats,
    n_seeds: Counts,
    n_questions: Counts,
) -> Floats:
    """Find the level at which each interval ends at 0.

    Args:
        estimates: [K] estimates of the contrasts.
        seeds: [K] variances by seeds.
        questions: [K] variances by questions.
        n_seeds: number of seeds, of all or of each ([K]).
        n_questions: number of questions, of all or of each ([K]).

    Returns:
        [K] two-sided p-values; 0 below 1e-100.
    """
    sizes = np.abs(estimates)
    counts = np.broadcast_arrays(n_seeds, n_questions, estimates)[:2]

    def beyond(log_p: Floats, size: Floats, *rest: Floats) -> Floats:
        return _half_widths(np.exp(log_p) / 2, *rest) - size

    arguments = (sizes, seeds, questions, *(count.astype(np.float64) for count in counts))
    ends = np.full(sizes.shape, np.log(_TINY_P)), np.zeros(sizes.shape)
    roots = elementwise.find_root(beyond, ends, args=arguments)
    certain = seeds + questions <= (1e-12 * sizes) ** 2
    certain |= beyond(ends[0], *arguments) < 0
    values: Floats = np.where(certain, 0.0, np.exp(roots.x))
    return np.where(sizes == 0, 1.0, values)


def _half_widths(
    tail: Floats | float, seeds: Floats, questions: Floats, n_seeds: Counts, n_questions: Counts
) -> Floats:
    # Without freedom the variance is 0, so that the quantile of one degree does no harm.
    of_seeds, of_questions = (
        -special.stdtrit(np.maximum(np.asarray(count) - 1.0, 1.0), tail)
        for count in (n_seeds, n_questions)
    )
    widths: Floats = np.sqrt(of_seeds**2 * seeds + of_questions**2 * questions)
    return widths
