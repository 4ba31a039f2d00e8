"""The curve under other seeds and other clusters of questions: a hierarchical bootstrap.

Seeds and clusters are drawn independently of each other, the same for all ratios, so that curves
of different ratios are paired and a question keeps its translations together. A plain bootstrap
would vary means of five seeds too little, by (S - 1) / S, and with the tails of a normal
distribution instead of a t; and it would count the rest, which neither seeds nor clusters
explain, three times (Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1,
386-411). Hence

- seeds get random weights instead of counts (as in Owen and Eckles 2012, arXiv 1106.2125): normal
  weights over the root of a chi square with S - 1 degrees of freedom, so that a contrast's seed
  part is t-distributed around its estimate with the unbiased variance;
- clusters are resampled with replacement, after their means over seeds were rescaled to the
  clusters' own covariance, net of the rest, which the seed part already holds.

Both are this project's own. They give the joint distribution of the curve, which
`hybridir.inference.crossed` lacks; intervals and p-values are that module's.

Shapes: see CONTRIBUTING; A ratios, S seeds, G clusters, F draws.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from scipy import special

from hybridir.inference.by_cluster import score_by_cluster
from hybridir.inference.crossed import Crossed
from hybridir.inference.scores import Bools, Floats, Scores

_SEED = 20240819  # an arbitrary number, fixed so that an answer can be computed again
DRAWS = 4000  # between runs, an end of a 95 % interval of 5 seeds moves by 2 % of the width
_FLAT = 1e-9  # share of the largest variance below which a direction counts as constant


@dataclass(frozen=True)
class Replicates:
    """A setting's curve under resampling.

    Attributes:
        values: [A, F] means over seeds and clusters of the drawn curves.
        by_cluster: [A, S, G] scores that were resampled; NaN where a ratio and seed were not
            trained.
    """

    values: Floats
    by_cluster: Floats

    def shared(self, ratios: list[int]) -> Crossed | None:
        """Estimate means over the seeds that all of some ratios have.

        Args:
            ratios: indices of the ratios.

        Returns:
            Means and covariances of the ratios; None if they share no seed.
        """
        chosen = self.by_cluster[ratios]
        seeds = ~np.isnan(chosen[:, :, 0]).any(axis=0)
        return Crossed.of(chosen[:, seeds]) if seeds.any() else None


def generator_of(scores: Scores) -> np.random.Generator:
    """Make the generator of a measure in a setting: the report and `hybridir infer` draw alike."""
    return np.random.default_rng(
        [_SEED, zlib.crc32(f"{scores.measure} {scores.setting}".encode())]
    )


def replicate(scores: Scores, generator: np.random.Generator, draws: int = DRAWS) -> Replicates:
    """Resample seeds and clusters, the same for all ratios.

    Args:
        scores: the trials' scores.
        generator: source of the draws.
        draws: number of draws.
    """
    by_cluster = score_by_cluster(scores)
    trained = ~np.isnan(by_cluster[:, :, 0])
    n_clusters = by_cluster.shape[2]
    clusters_AG = np.nanmean(by_cluster, axis=1)
    means_A1 = clusters_AG.mean(axis=1, keepdims=True)
    values = means_A1 + _seed_deviations(by_cluster.mean(axis=2), trained, draws, generator)
    counts_FG = generator.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), draws)
    apart_AG = _rescaled(clusters_AG - means_A1, by_cluster[:, trained.all(axis=0)])
    values += apart_AG @ counts_FG.T.astype(np.float64) / n_clusters  # BLAS takes no integers
    return Replicates(values, by_cluster)


def _seed_deviations(
    seeds_AS: Floats, trained: Bools, draws: int, generator: np.random.Generator
) -> Floats:
    """[A, F] t-distributed deviations; 0 for a ratio with one seed."""
    n_ratios, n_seeds = seeds_AS.shape
    weights_SF = generator.standard_normal((n_seeds, draws))
    ranks_F = generator.random(draws)
    deviations_AF = np.zeros((n_ratios, draws))
    counts_A = trained.sum(axis=1)
    for count in set(counts_A[counts_A > 1].tolist()):
        spread_F = special.chdtri(count - 1, ranks_F) / (count - 1)
        scale_F = np.sqrt(count * (count - 1) * spread_F)
        for ratio in np.flatnonzero(counts_A == count):
            means = seeds_AS[ratio, trained[ratio]]
            normal_F = (means - means.mean()) @ weights_SF[trained[ratio]]
            deviations_AF[ratio] = normal_F / scale_F
    return deviations_AF


def _rescaled(apart_AG: Floats, complete_ASG: Floats) -> Floats:
    """Rescale the clusters' means to the clusters' own covariance, net of the rest.

    This takes two seeds that have all ratios; with fewer the means stay as they are, which gives
    wider intervals.
    """
    n_clusters = apart_AG.shape[1]
    if complete_ASG.shape[1] < 2 or n_clusters < 2:
        return apart_AG
    covariance = apart_AG @ apart_AG.T / ((n_clusters - 1) * n_clusters)
    target = Crossed.of(complete_ASG).clusters
    whitening = np.linalg.pinv(_root(covariance), rcond=_FLAT, hermitian=True)
    rescaled: Floats = _root(target) @ whitening @ apart_AG
    return rescaled


def _root(covariance: Floats) -> Floats:
    """Take the symmetric square root; negative eigenvalues count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
