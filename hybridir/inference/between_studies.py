"""Whether hybrid batches gain more in one study than in another.

S seeds, C cells, Q questions. A study's gain is the macro mean at the hybrid ratio minus that at
a pure one, over the seeds that have both. Its variance has two parts: that of the seeds' gains
over S, and that of the questions' gains over Q, each estimated without bias; what neither
explains is in both, so that intervals are rather too wide. Seeds of two studies are independent.
Questions are the same where both were scored on the same ones, and are then paired. The interval
is a t interval with Welch and Satterthwaite's degrees of freedom (Satterthwaite 1946, Biometrics
Bulletin 2, 110-114). Putting it together so is this project's own.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from hybridir.inference.scores import Floats, Scores

LEVEL = 0.95


class Difference(NamedTuple):
    """Gain of the first study minus gain of the second.

    Attributes:
        first: gain of the first study.
        second: gain of the second.
        difference: the one minus the other.
        low: lower end of the interval of `difference` at `LEVEL`.
        high: upper end.
        p: two-sided, that the gains are equal.
        n_seeds: seeds of the first and of the second study.
        n_questions: questions of the first and of the second study.
        paired: whether both have the same questions.
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
) -> Difference | None:
    """Compare the gains of two studies.

    Args:
        first: a measure and setting in one study.
        second: the same in another.
        hybrid: mixing ratio that both have.
        pure: another one.

    Returns:
        The comparison; None if a study has no seed with both ratios, or if neither has two seeds.
    """
    gains_SQ = [_gains(scores, hybrid, pure) for scores in (first, second)]
    n_seeds = (len(gains_SQ[0]), len(gains_SQ[1]))
    if min(n_seeds) == 0 or max(n_seeds) == 1:
        return None
    gained, other = (float(gain.mean()) for gain in gains_SQ)
    parts = [
        (gain.mean(axis=1).var(ddof=1) / len(gain), len(gain) - 1)
        for gain in gains_SQ
        if len(gain) > 1
    ]
    by_question = [gain.mean(axis=0) for gain in gains_SQ]
    paired = first.questions == second.questions
    compared = [by_question[0] - by_question[1]] if paired else by_question
    parts += [(one.var(ddof=1) / len(one), len(one) - 1) for one in compared]
    variance = sum(part for part, _ in parts)
    difference = gained - other
    counted = (n_seeds, (len(first.questions), len(second.questions)), paired)
    if variance == 0:
        p = float(difference == 0)
        return Difference(gained, other, difference, difference, difference, p, *counted)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = float(np.sqrt(variance))
    reach = error * float(stats.t.ppf((1 + LEVEL) / 2, freedom))
    p = 2 * float(stats.t.sf(abs(difference) / error, freedom))
    return Difference(
        gained, other, difference, difference - reach, difference + reach, p, *counted
    )


def _gains(scores: Scores, hybrid: float, pure: float) -> Floats:
    """[S, Q] parts of the gain, whose mean over questions is a seed's gain in the macro mean."""
    one, other = scores.ratios.index(hybrid), scores.ratios.index(pure)
    shared = np.flatnonzero(scores.trained[one] & scores.trained[other])
    n_cells, n_questions = scores.values.shape[2:]
    gains = np.empty((len(shared), n_questions))
    for row, seed in enumerate(shared):
        gain_CQ = scores.values[one, seed] - scores.values[other, seed]
        there_CQ = ~np.isnan(gain_CQ)
        # A cell of few questions weighs as much as one of many.
        weight_C1 = n_questions / (n_cells * there_CQ.sum(axis=1, keepdims=True))
        gains[row] = (weight_C1 * np.where(there_CQ, gain_CQ, 0.0)).sum(axis=0)
    return gains
