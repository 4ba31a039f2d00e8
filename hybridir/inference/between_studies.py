"""Whether hybrid batches gain more in one study than in another.

A study's gain is the macro mean at the hybrid ratio minus that at a pure one, over the seeds that
have both. Studies that trained with the same seeds are compared seed by seed, which takes out all
that a seed fixes: the order of the batches, the weights of new layers. The other source is as in
`hybridir.inference.crossed`: the clusters of questions, net of the rest. Studies that were scored
on the same questions are paired by them.

Where seeds or questions differ, both studies' mean squares of a source are added with Welch and
Satterthwaite's degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2, 110-114), and both
sources make an interval as in `hybridir.inference.crossed`. Composing them so is this project's
own.

Shapes: see CONTRIBUTING; S seeds, G clusters.
"""

from typing import NamedTuple

import numpy as np

from hybridir.inference.by_cluster import paired_gain, score_by_cluster
from hybridir.inference.crossed import LEVEL, Crossed, Variances, half_widths, p_values
from hybridir.inference.mean_squares import (
    BY_CLUSTER,
    BY_SEED,
    CLUSTER,
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
        n_clusters: clusters of the first and of the second study.
        paired: whether both studies have the same questions.
        seed_by_seed: whether both have the same seeds, and are compared seed by seed.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    n_seeds: tuple[int, int]
    n_clusters: tuple[int, int]
    paired: bool
    seed_by_seed: bool


def difference_of_gains(
    first: Scores, second: Scores, hybrid: float, pure: float
) -> GainDifference | None:
    """Compare the gains of two studies.

    If they have two seeds or more in common, and the same questions, these seeds alone count.

    Args:
        first: scores of one study.
        second: scores of another study, of the same measure and setting.
        hybrid: mixing ratio that both have.
        pure: pure ratio that both have.

    Returns:
        The comparison; None if a study has no seed with both ratios, or if neither has two seeds.
    """
    gains_SG, seeds = [], []
    for scores in (first, second):
        gains_SG.append(paired_gain(score_by_cluster(scores), scores, hybrid, pure))
        pair = [scores.ratios.index(hybrid), scores.ratios.index(pure)]
        trained = scores.trained[pair[0]] & scores.trained[pair[1]]
        seeds.append([seed for seed, both in zip(scores.seeds, trained, strict=True) if both])
    if min(map(len, gains_SG)) == 0 or max(map(len, gains_SG)) == 1:
        return None
    paired = (
        first.questions == second.questions
        and first.clusters == second.clusters
        and gains_SG[0].shape[1] == gains_SG[1].shape[1]
    )
    common = [seed for seed in seeds[0] if seed in seeds[1]]
    seed_by_seed = paired and len(common) > 1
    if seed_by_seed:
        gains_SG = [
            gain_SG[[of_study.index(seed) for seed in common]]
            for gain_SG, of_study in zip(gains_SG, seeds, strict=True)
        ]
    gains = (float(gains_SG[0].mean()), float(gains_SG[1].mean()))
    difference = gains[0] - gains[1]
    if seed_by_seed:
        crossed, contrast = Crossed.of(np.stack(gains_SG)), np.array([[1.0, -1.0]])
        half, p = float(crossed.half_widths(contrast)[0]), float(crossed.p_values(contrast)[0])
    else:
        half, p = _half_width_and_p(difference, *_terms(gains_SG, paired))
    return GainDifference(
        *gains,
        difference,
        difference - half,
        difference + half,
        p,
        (len(gains_SG[0]), len(gains_SG[1])),
        (gains_SG[0].shape[1], gains_SG[1].shape[1]),
        paired,
        seed_by_seed,
    )


def _half_width_and_p(
    difference: float, seeds: list[_Term], clusters: list[_Term], rests: list[_Term]
) -> tuple[float, float]:
    sums = [satterthwaite(terms) if terms else (0.0, 1.0) for terms in (seeds, clusters)]
    parts = *(variance for variance, _ in sums), sum(rest for rest, _ in rests)
    variances = Variances(*(np.array([part]) for part in parts))
    counts = [degrees + 1.0 for _, degrees in sums]
    half = half_widths(1 - LEVEL, variances, *counts)[0]
    return float(half), float(p_values(np.array([difference]), variances, *counts)[0])


def _terms(gains_SG: list[Floats], paired: bool) -> tuple[list[_Term], list[_Term], list[_Term]]:
    """List the mean squares of the difference's variances: by seed, by cluster, and the rest."""
    studies = [mean_squares(gain_SG[None], (SEED, CLUSTER)) for gain_SG in gains_SG]
    seeds = [_term(squares[BY_SEED]) for squares in studies]
    rests = [_term(squares[RESIDUAL]) for squares in studies]
    if paired:
        apart_G = gains_SG[0].mean(axis=0) - gains_SG[1].mean(axis=0)
        alone = mean_squares(apart_G[None], (CLUSTER,))[BY_CLUSTER]
        clusters = _net(_term(alone), rests)
    else:
        clusters = [
            term
            for squares, rest in zip(studies, rests, strict=True)
            for term in _net(_term(squares[BY_CLUSTER]), [rest])
        ]
    return [term for term in seeds if term[1]], [term for term in clusters if term[1]], rests


def _term(square: MeanSquare) -> _Term:
    return float(square.of_mean[0, 0]), square.degrees


def _net(clusters: _Term, rests: list[_Term]) -> list[_Term]:
    """Take the rest, which the seeds' part holds, out of the clusters' part; 0 at least."""
    if clusters[0] <= sum(rest for rest, _ in rests):
        return []
    return [clusters, *((-rest, degrees) for rest, degrees in rests)]
