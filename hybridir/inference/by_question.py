"""Scores of a benchmark, reduced to one number per ratio, seed and question.

Shapes: see CONTRIBUTING; A ratios, S seeds, C cells, Q questions.
"""

import numpy as np

from hybridir.inference.scores import Floats, Scores


def score_by_question(scores: Scores, weights_C: Floats | None = None) -> Floats:
    """Write a weighted sum of cell means as a plain mean over questions.

    Where all cells have the same questions, a question's number is its weighted score. Elsewhere a
    question adds to each of its cells by its distance from the cell's mean, in proportion to how
    few questions the cell has: the linearised form of a ratio estimator, so that the spread of the
    numbers is that of the sum (the delta method). A question's translations stay together.

    Args:
        scores: the trials' scores.
        weights_C: weight of each cell; the macro mean's weights if left out. 0 leaves a cell out.

    Returns:
        [A, S, q] numbers of the questions that occur in a cell with a weight; NaN throughout for
        a (ratio, seed) that was not trained. Their mean is the weighted sum of cell means.

    Source: Cochran, Sampling Techniques, 3rd edition 1977, section 6.3.
    """
    n_cells = len(scores.cells)
    weights = np.full(n_cells, 1 / n_cells) if weights_C is None else weights_C
    used = np.flatnonzero(weights)
    trained = np.argwhere(scores.trained)
    present_Q = ~np.isnan(scores.values[*trained[0], used]).all(axis=0)
    means_ASC = scores.cell_means()
    numbers = np.full((*scores.trained.shape, int(present_Q.sum())), np.nan)
    # One trial at a time, so that a study of many is not in memory twice.
    for ratio, seed in trained:
        values_CQ = scores.values[ratio, seed, used][:, present_Q]
        present_CQ = ~np.isnan(values_CQ)
        means_C = means_ASC[ratio, seed, used]
        apart_CQ = np.where(present_CQ, values_CQ - means_C[:, None], 0.0)
        scale_C = weights[used] * present_CQ.shape[1] / present_CQ.sum(axis=1)
        numbers[ratio, seed] = scale_C @ apart_CQ + weights[used] @ means_C
    return numbers


def paired_gain(values_ASQ: Floats, scores: Scores, ratio: float, baseline: float) -> Floats:
    """Subtract one ratio's scores by question from another's, over the seeds that both have.

    Args:
        values_ASQ: what `score_by_question` returned.
        scores: the scores that they were made from.
        ratio: one of its ratios.
        baseline: another one.

    Returns:
        [s, Q] gains of the shared seeds; s may be 0.
    """
    first, second = scores.ratios.index(ratio), scores.ratios.index(baseline)
    shared = scores.trained[first] & scores.trained[second]
    return np.asarray(values_ASQ[first, shared] - values_ASQ[second, shared])
