"""The curve under other seeds and other questions: a hierarchical bootstrap.

A ratios, S seeds, Q questions, R draws.

Seeds and questions are drawn independently of each other, the same for all ratios, so that curves
of different ratios are paired and a question keeps its translations together. Drawn as they are,
means of five seeds would vary too little, by (S - 1) / S, and with the tails of a normal
distribution instead of a t; and the rest that no seed or question explains would be counted three
times (Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1, 386-411). Hence

- seeds get random weights instead of counts (as in Owen and Eckles 2012, arXiv 1106.2125), normal
  ones over the root of a chi square with S - 1 degrees of freedom: a contrast's seed part is then
  t-distributed around its estimate with the unbiased variance;
- questions are resampled with replacement, after their means over seeds were rescaled to the
  questions' own covariance, without the rest that the seed part holds already.

Both are this project's own. They make the percentiles agree with `hybridir.inference.crossed`, and
hold the curve's joint distribution, which that has not.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from hybridir.inference.by_question import score_by_question
from hybridir.inference.crossed import Crossed
from hybridir.inference.scores import Bools, Floats, Scores

DRAWS = 4000  # an end of a 95 % interval of 5 seeds then moves by 2 % of the width between runs
_FLAT = 1e-9  # share of the largest variance below which a direction has none


@dataclass(frozen=True)
class Replicates:
    """A setting's curve under resampling.

    Attributes:
        values: [A, R] means over seeds and questions of the drawn curves.
        by_question: [A, S, Q] what was resampled; NaN where a ratio and seed were not trained.
    """

    values: Floats
    by_question: Floats

    def shared(self, ratios: list[int]) -> Crossed | None:
        """Compare ratios over the seeds that all of them have.

        Args:
            ratios: their indices.

        Returns:
            Their means and covariances; None if there is no such seed.
        """
        chosen = self.by_question[ratios]
        seeds = ~np.isnan(chosen[:, :, 0]).any(axis=0)
        return Crossed.of(chosen[:, seeds]) if seeds.any() else None


def replicate(scores: Scores, generator: np.random.Generator, draws: int = DRAWS) -> Replicates:
    """Resample seeds and questions, the same for all ratios.

    Args:
        scores: the trials' scores.
        generator: source of the draws.
        draws: R.
    """
    by_question = score_by_question(scores)
    trained = ~np.isnan(by_question[:, :, 0])
    n_questions = by_question.shape[2]
    questions_AQ = np.nanmean(by_question, axis=1)
    means_A1 = questions_AQ.mean(axis=1, keepdims=True)
    values = means_A1 + _seed_parts(by_question.mean(axis=2), trained, draws, generator)
    counts_RQ = generator.multinomial(n_questions, np.full(n_questions, 1 / n_questions), draws)
    apart_AQ = _rescaled(questions_AQ - means_A1, by_question[:, trained.all(axis=0)])
    values += apart_AQ @ counts_RQ.T.astype(np.float64) / n_questions  # BLAS takes no integers
    return Replicates(values, by_question)


def _seed_parts(
    seeds_AS: Floats, trained: Bools, draws: int, generator: np.random.Generator
) -> Floats:
    """[A, R] t-distributed deviations; 0 for a ratio with one seed."""
    n_ratios, n_seeds = seeds_AS.shape
    weights_SR = generator.standard_normal((n_seeds, draws))
    ranks_R = generator.random(draws)
    parts = np.zeros((n_ratios, draws))
    for ratio, there in enumerate(trained):
        count = int(there.sum())
        if count > 1:
            of_seeds = seeds_AS[ratio, there]
            normal_R = (of_seeds - of_seeds.mean()) @ weights_SR[there]
            spread_R = special.chdtri(count - 1, ranks_R) / (count - 1)
            parts[ratio] = normal_R / np.sqrt(count * (count - 1) * spread_R)
    return parts


def _rescaled(apart_AQ: Floats, complete_ASQ: Floats) -> Floats:
    """Give the questions' means the covariance that is theirs, without that of the rest.

    It takes two seeds that have all the ratios; with fewer they stay as they are, which is wider.
    """
    n_questions = apart_AQ.shape[1]
    if complete_ASQ.shape[1] < 2 or n_questions < 2:
        return apart_AQ
    found = apart_AQ @ apart_AQ.T / ((n_questions - 1) * n_questions)
    wanted = Crossed.of(complete_ASQ).questions
    root, backwards = _root(wanted), np.linalg.pinv(_root(found), rcond=_FLAT, hermitian=True)
    rescaled: Floats = root @ backwards @ apart_AQ
    return rescaled


def _root(covariance: Floats) -> Floats:
    """Take the symmetric square root, of the nearest covariance where it is none."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
