"""Whether hybrid batches gain more in one study than in another.

A study's gain is the macro mean at the hybrid ratio minus that at a pure one, over the seeds that
have both. The variance of a difference of two gains comes from two sources, as in
`hybridir.inference.crossed`: the seeds of each study, which are independent of the other's, and
the questions, net of the rest. Studies that were scored on the same questions are paired by them.

The mean squares of all these are added with Welch and Satterthwaite's degrees of freedom, which
gives a t interval (Satterthwaite 1946, Biometrics Bulletin 2, 110-114). Composing them so is this
project's own.

Shapes: see CONTRIBUTING; S seeds, Q questions.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from hybridir.inference.by_question import paired_gain, score_by_question
from hybridir.inference.crossed import LEVEL
from hybridir.inference.mean_squares import (
    BY_QUESTION,
    BY_SEED,
    QUESTION,
    RESIDUAL,
    SEED,
    MeanSquare,
    mean_squares,
    satterthwaite,
)
from hybridir.inference.scores import Floats, Scores

_Term = tuple[float, int]
"""(mean square over the number of values, its degrees of freedom)."""


class GainDifference(NamedTuple):
    """Gain of the first study minus gain of the second.

    Attributes:
        first: gain of the first study.
        second: gain of the second study.
        difference: first minus second.
        low: lower end of the interval of `difference` at `LEVEL`.
        high: upper end.
        p: two-sided p-value of equal gains.
        n_seeds: seeds of the first and of the second study.
        n_questions: questions of the first and of the second study.
        paired: whether both studies have the same questions.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    n_seeds: tuple[int, int]
    n_questions: tuple[int, int]
    paired: bool


def difference_of_gains(
    first: Scores, second: Scores, hybrid: float, pure: float
) -> GainDifference | None:
    """Compare the gains of two studies.

    Args:
        first: scores of one study.
        second: scores of another study, of the same measure and setting.
        hybrid: mixing ratio that both have.
        pure: pure ratio that both have.

    Returns:
        The comparison; None if a study has no seed with both ratios, or if neither has two seeds.
    """
    gains_SQ = [
        paired_gain(score_by_question(scores), scores, hybrid, pure) for scores in (first, second)
    ]
    n_seeds = (len(gains_SQ[0]), len(gains_SQ[1]))
    if min(n_seeds) == 0 or max(n_seeds) == 1:
        return None
    n_questions = (gains_SQ[0].shape[1], gains_SQ[1].shape[1])
    paired = first.questions == second.questions and n_questions[0] == n_questions[1]
    gains = (float(gains_SQ[0].mean()), float(gains_SQ[1].mean()))
    difference = gains[0] - gains[1]
    variance, degrees = satterthwaite(_terms(gains_SQ, paired))
    if variance == 0:
        half, p = 0.0, float(difference == 0)
    else:
        error = float(np.sqrt(variance))
        half = error * float(stats.t.ppf((1 + LEVEL) / 2, degrees))
        p = 2 * float(stats.t.sf(abs(difference) / error, degrees))
    interval = (difference - half, difference + half)
    return GainDifference(*gains, difference, *interval, p, n_seeds, n_questions, paired)


def _terms(gains_SQ: list[Floats], paired: bool) -> list[_Term]:
    """List the mean squares whose sum estimates the variance of the difference."""
    studies = [mean_squares(gain_SQ[None], (SEED, QUESTION)) for gain_SQ in gains_SQ]
    seeds = [_term(squares[BY_SEED]) for squares in studies]
    rests = [_term(squares[RESIDUAL]) for squares in studies]
    if paired:
        apart_Q = gains_SQ[0].mean(axis=0) - gains_SQ[1].mean(axis=0)
        alone = mean_squares(apart_Q[None], (QUESTION,))[BY_QUESTION]
        questions = _net(_term(alone), rests)
    else:
        questions = [
            term
            for squares, rest in zip(studies, rests, strict=True)
            for term in _net(_term(squares[BY_QUESTION]), [rest])
        ]
    return [term for term in (*seeds, *questions) if term[1]]


def _term(square: MeanSquare) -> _Term:
    return float(square.of_mean[0, 0]), square.degrees


def _net(questions: _Term, rests: list[_Term]) -> list[_Term]:
    """Take the rest, which the seeds' part holds, out of the questions' part; 0 at least."""
    if questions[0] <= sum(rest for rest, _ in rests):
        return []
    return [questions, *((-rest, degrees) for rest, degrees in rests)]
