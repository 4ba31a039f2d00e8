"""Scores of a benchmark, reduced to one number per ratio, seed and question.

A ratios, S seeds, C cells, Q question ids; see `analysis.scores`.
"""

import numpy as np

from analysis.scores import Floats, Scores


def score_by_question(scores: Scores) -> Floats:
    """Split each trial's macro mean over the questions.

    A question's number is its part of the macro mean: the mean over all questions is the macro
    mean itself, to rounding. Where all cells have the same questions it is the question's mean
    over cells. Elsewhere a question stands for those of its cells, by how few these have, so that
    the mean's variation over other questions is the linear part of what the macro mean's would be
    (the delta method). Its translations stay together.

    Returns:
        [A, S, Q]; NaN throughout for a (ratio, seed) that was not trained.
    """
    n_ratios, n_seeds, n_cells, n_questions = scores.values.shape
    means_ASC = scores.cell_means()
    numbers = np.full((n_ratios, n_seeds, n_questions), np.nan)
    for ratio, seed in np.argwhere(scores.trained):
        values_CQ = scores.values[ratio, seed]
        there_CQ = ~np.isnan(values_CQ)
        weights_C1 = n_questions / (n_cells * there_CQ.sum(axis=1, keepdims=True))
        means_C = means_ASC[ratio, seed]
        apart_CQ = np.where(there_CQ, values_CQ - means_C[:, None], 0.0)
        numbers[ratio, seed] = (weights_C1 * apart_CQ).sum(axis=0) + means_C.mean()
    return numbers
