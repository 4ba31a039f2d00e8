"""Scores of a benchmark, reduced to one number per ratio, seed and cluster of questions.

Shapes: see CONTRIBUTING; A ratios, S seeds, C cells, Q questions, G clusters.
"""

from typing import Final

import numpy as np

from hybridir.inference.scores import Floats, Scores

_KEPT: Final = "_by_cluster"


def score_by_cluster(scores: Scores, weights_C: Floats | None = None) -> Floats:
    """Write a weighted sum of cell means as a plain mean over clusters of questions.

    A question adds to each of its cells by its distance from the cell's mean, in proportion to how
    few questions the cell has; the sum over a cluster's questions, times the number of clusters,
    plus the weighted sum itself, is the cluster's number. This is the linearised form of a ratio
    estimator (the delta method): the spread of the numbers is that of the sum, also where clusters
    differ in size and cells in their questions. Where all clusters are equally large and all cells
    have the same questions, a cluster's number is the weighted mean of its scores. A question's
    translations stay together, since they belong to one cluster.

    Args:
        scores: the trials' scores.
        weights_C: weight of each cell; the macro mean's weights if left out. 0 leaves a cell out.

    Returns:
        [A, S, G] numbers of the clusters with a question in a cell with a weight; NaN throughout
        for a (ratio, seed) that was not trained. Their mean is the weighted sum of cell means;
        their sample variance over G is its cluster-robust variance, with the factor G / (G - 1).

    Source: Cochran, Sampling Techniques, 3rd edition 1977, sections 6.3 and 9A.5.
    """
    if weights_C is not None:
        return _reduced(scores, weights_C)
    # The macro mean's numbers are asked for at each step of the inference; they are kept beside
    # the scores, as `functools.cached_property` keeps its own.
    kept: dict[str, Floats] = vars(scores)
    if _KEPT not in kept:
        kept[_KEPT] = _reduced(scores, np.full(len(scores.cells), 1 / len(scores.cells)))
    return kept[_KEPT].copy()


def _reduced(scores: Scores, weights: Floats) -> Floats:
    used = np.flatnonzero(weights)
    trained = np.argwhere(scores.trained)
    present_Q = ~np.isnan(scores.values[*trained[0], used]).all(axis=0)
    cluster_Q = np.unique(scores.cluster_of_question[present_Q], return_inverse=True)[1]
    is_whole = bool(weights.all() and present_Q.all())
    n_clusters = int(cluster_Q.max()) + 1
    means_ASC = scores.cell_means()
    numbers = np.full((*scores.trained.shape, n_clusters), np.nan)
    # One trial at a time, so that a study of many is not in memory twice.
    for ratio, seed in trained:
        values_CQ = scores.values[ratio, seed]
        if not is_whole:
            values_CQ = values_CQ[used][:, present_Q]
        means_C = means_ASC[ratio, seed, used]
        apart_CQ = values_CQ - means_C[:, None]
        absent_CQ = np.isnan(apart_CQ)
        apart_CQ[absent_CQ] = 0.0
        scale_C = weights[used] * n_clusters / (~absent_CQ).sum(axis=1)
        sums_G = np.bincount(cluster_Q, scale_C @ apart_CQ, n_clusters)
        numbers[ratio, seed] = sums_G + weights[used] @ means_C
    return numbers


def paired_gain(values_ASG: Floats, scores: Scores, ratio: float, baseline: float) -> Floats:
    """Subtract one ratio's scores by cluster from another's, over the seeds that both have.

    Args:
        values_ASG: what `score_by_cluster` returned.
        scores: the scores that they were made from.
        ratio: one of its ratios.
        baseline: another one.

    Returns:
        [s, G] gains of the shared seeds; s may be 0.
    """
    first, second = scores.ratios.index(ratio), scores.ratios.index(baseline)
    shared = scores.trained[first] & scores.trained[second]
    return np.asarray(values_ASG[first, shared] - values_ASG[second, shared])
