"""How many seeds or questions a study needs to tell two ratios apart.

The power is that of the t test of `inference.mean_squares` at the variances that a study measured.

Source: noncentral t distribution, Johnson, Kotz and Balakrishnan, Continuous Univariate
Distributions 2, 2nd edition 1995, chapter 31.
"""

from bisect import bisect_left
from typing import Final, NamedTuple

import numpy as np
from scipy import stats

from hybridir.inference.crossed import LEVEL
from hybridir.inference.mean_squares import MeanSquares, variance_of_mean

MOST: Final = 10_000
_CERTAIN = 30.0  # standard errors from which power is 1, and scipy's noncentral t inexact


class Spread(NamedTuple):
    """Variances of a paired difference.

    Attributes:
        seed: of what a seed adds to the difference, over all questions.
        question: of what a question adds, over all seeds.
        residual: of the rest.
    """

    seed: float
    question: float
    residual: float


def spread_of(squares: MeanSquares) -> Spread:
    """Estimate the variances from the mean squares of a difference; none is below 0."""
    rest = squares.residual
    return Spread(
        max(squares.seed - rest, 0.0) / squares.n_questions,
        max(squares.question - rest, 0.0) / squares.n_seeds,
        rest,
    )


def seed_interval(squares: MeanSquares) -> tuple[MeanSquares, MeanSquares]:
    """Put the ends of its interval in the place of the seeds' mean square.

    With few seeds the interval is wide: with 4, from a third to fourteen times the estimate.
    """
    degrees = squares.n_seeds - 1
    low, high = degrees / stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], degrees)
    seed = squares.seed
    return squares._replace(seed=float(low * seed)), squares._replace(seed=float(high * seed))


def power_fixed(difference: float, squares: MeanSquares, n_seeds: int) -> float:
    """Power of the paired t test over seeds, on these very questions.

    Args:
        difference: true difference of the means.
        squares: mean squares of the differences by seed and question.
        n_seeds: seeds of the study that is planned, 2 or more.

    Returns:
        The chance that the test finds it, in either direction, at level .05.
    """
    per_seed = squares.seed / squares.n_questions
    return _power(difference, per_seed / n_seeds, n_seeds - 1)


def power_random(difference: float, squares: MeanSquares, n_seeds: int, n_questions: int) -> float:
    """Power of a test that speaks of all questions of the kind.

    It is that of t with Satterthwaite's degrees of freedom. The report's own intervals
    (`inference.Crossed`) add seeds and questions with a quantile each, which costs a little more
    where there are two or three seeds.

    Args:
        difference: true difference of the means.
        squares: mean squares of the differences by seed and question.
        n_seeds: seeds of the study that is planned, 2 or more.
        n_questions: its questions, 2 or more.

    Returns:
        The chance that the test finds it, at level .05.
    """
    spread = spread_of(squares)
    expected = MeanSquares(
        n_questions * spread.seed + spread.residual,
        n_seeds * spread.question + spread.residual,
        spread.residual,
        n_seeds,
        n_questions,
    )
    return _power(difference, *variance_of_mean(expected))


def seeds_needed(
    difference: float, squares: MeanSquares, power: float, random_questions: bool
) -> int | None:
    """Count the seeds that give a power, with as many questions as were measured.

    Returns:
        2 or more; None where `MOST` are not enough.
    """

    def reached(n_seeds: int) -> float:
        if random_questions:
            return power_random(difference, squares, n_seeds, squares.n_questions)
        return power_fixed(difference, squares, n_seeds)

    found = 2 + bisect_left(range(2, MOST + 1), power, key=reached)
    return found if found <= MOST else None


def questions_needed(
    difference: float, squares: MeanSquares, power: float, most: int = 100 * MOST
) -> int | None:
    """Count the questions that give a power, with as many seeds as were measured.

    Returns:
        2 or more; None where `most` are not enough.
    """

    def reached(n_questions: int) -> float:
        return power_random(difference, squares, squares.n_seeds, n_questions)

    found = 2 + bisect_left(range(2, most + 1), power, key=reached)
    return found if found <= most else None


def _power(difference: float, variance: float, degrees: float) -> float:
    if variance <= 0:
        return float(difference != 0)
    shift = abs(difference) / float(np.sqrt(variance))
    if shift > _CERTAIN and degrees >= 2:
        return 1.0
    bound = float(stats.t.ppf((1 + LEVEL) / 2, degrees))
    # scipy gives NaN for the tail on the wrong side where that is below 1e-15.
    wrong_side = np.nan_to_num(stats.nct.cdf(-bound, degrees, shift))
    return float(stats.nct.sf(bound, degrees, shift) + wrong_side)
