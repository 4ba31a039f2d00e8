"""The curve under other seeds and other questions: a hierarchical bootstrap.

Seeds and questions are drawn independently of each other, the same for all ratios, so that curves
of different ratios are paired and a question keeps its translations together. A plain bootstrap
would vary means of five seeds too little, by (S - 1) / S, and with the tails of a normal
distribution instead of a t; and it would count the rest, which neither seeds nor questions
explain, three times (Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1,
386-411). Hence

- seeds get random weights instead of counts (as in Owen and Eckles 2012, arXiv 1106.2125): normal
  weights over the root of a chi square with S - 1 degrees of freedom, so that a contrast's seed
  part is t-distributed around its estimate with the unbiased variance;
- questions are resampled with replacement, after their means over seeds were rescaled to the
  questions' own covariance, net of the rest, which the seed part already holds.

Both are this project's own. They make the percentiles agree with `hybridir.inference.crossed`, and
add the joint distribution of the curve.

Shapes: see CONTRIBUTING; A ratios, S seeds, Q questions, F draws.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from hybridir.inference.by_question import score_by_question
from hybridir.inference.crossed import Crossed
from hybridir.inference.scores import Bools, Floats, Scores

DRAWS = 4000  # between runs, an end of a 95 % interval of 5 seeds moves by 2 % of the width
_FLAT = 1e-9  # share of the largest variance below which a direction counts as constant


@dataclass(frozen=True)
class Replicates:
    """A setting's curve under resampling.

    Attributes:
        values: [A, F] means over seeds and questions of the drawn curves.
        by_question: [A, S, Q] scores that were resampled; NaN where a ratio and seed were not
            trained.
    """

    values: Floats
    by_question: Floats

    def shared(self, ratios: list[int]) -> Crossed | None:
        """Estimate means over the seeds that all of some ratios have.

        Args:
            ratios: indices of the ratios.

        Returns:
            Means and covariances of the ratios; None if they share no seed.
        """
        chosen = self.by_question[ratios]
        seeds = ~np.isnan(chosen[:, :, 0]).any(axis=0)
        return Crossed.of(chosen[:, seeds]) if seeds.any() else None


def replicate(scores: Scores, generator: np.random.Generator, draws: int = DRAWS) -> Replicates:
    """Resample seeds and questions, the same for all ratios.

    Args:
        scores: the trials' scores.
        generator: source of the draws.
        draws: number of draws.
    """
    by_question = score_by_question(scores)
    trained = ~np.isnan(by_question[:, :, 0])
    n_questions = by_question.shape[2]
    questions_AQ = np.nanmean(by_question, axis=1)
    means_A1 = questions_AQ.mean(axis=1, keepdims=True)
    values = means_A1 + _seed_deviations(by_question.mean(axis=2), trained, draws, generator)
    counts_FQ = generator.multinomial(n_questions, np.full(n_questions, 1 / n_questions), draws)
    apart_AQ = _rescaled(questions_AQ - means_A1, by_question[:, trained.all(axis=0)])
    values += apart_AQ @ counts_FQ.T.astype(np.float64) / n_questions  # BLAS takes no integers
    return Replicates(values, by_question)


def _seed_deviations(
    seeds_AS: Floats, trained: Bools, draws: int, generator: np.random.Generator
) -> Floats:
    """[A, F] t-distributed deviations; 0 for a ratio with one seed."""
    n_ratios, n_seeds = seeds_AS.shape
    weights_SF = generator.standard_normal((n_seeds, draws))
    ranks_F = generator.random(draws)
    deviations_AF = np.zeros((n_ratios, draws))
    for ratio, present in enumerate(trained):
        count = int(present.sum())
        if count > 1:
            means = seeds_AS[ratio, present]
            normal_F = (means - means.mean()) @ weights_SF[present]
            spread_F = special.chdtri(count - 1, ranks_F) / (count - 1)
            deviations_AF[ratio] = normal_F / np.sqrt(count * (count - 1) * spread_F)
    return deviations_AF


def _rescaled(apart_AQ: Floats, complete_ASQ: Floats) -> Floats:
    """Rescale the questions' means to the questions' own covariance, net of the rest.

    This takes two seeds that have all ratios; with fewer the means stay as they are, which gives
    wider intervals.
    """
    n_questions = apart_AQ.shape[1]
    if complete_ASQ.shape[1] < 2 or n_questions < 2:
        return apart_AQ
    covariance = apart_AQ @ apart_AQ.T / ((n_questions - 1) * n_questions)
    target = Crossed.of(complete_ASQ).questions
    whitening = np.linalg.pinv(_root(covariance), rcond=_FLAT, hermitian=True)
    rescaled: Floats = _root(target) @ whitening @ apart_AQ
    return rescaled


def _root(covariance: Floats) -> Floats:
    """Take the symmetric square root; negative eigenvalues count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
