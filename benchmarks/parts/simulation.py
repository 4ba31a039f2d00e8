"""Simulated studies with a known curve, to check intervals and tests.

A score is the curve at its ratio, plus effects of

- the question: large, skewed (most questions are easy or hard), shared by its translations;
- the question and the ratio: each question has a change of its own at every ratio;
- the question and the cell;
- the seed, partly the same at all ratios;
- the seed and the question;
- a rest of its own.

All effects of questions are partly those of their cluster: questions of one article share
vocabulary and topic, and so their difficulty and what the ratio does for them. The share is the
intraclass correlation. With heavy tails every effect is drawn from a t distribution with three
degrees of freedom.

Such scores have no limits. A second kind (`NearALimit`) lies between 0 and 1, close to
either; effects are factors of the distance from that limit, and a few clusters hold most of it.

Standard deviations are those of a study of a small encoder on XQuAD-R (`LOG.md`): .004 between
seeds for a mean over questions, .22 between questions and .06 between seeds for a question.

Shapes: see CONTRIBUTING; A ratios, S seeds, C cells, Q questions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from hybridir import names
from hybridir.inference.scores import Floats, Scores

Curve = Callable[[Floats], Floats]
RATIOS = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the effects, in units of the score.

    Attributes:
        question: effect of a question.
        by_ratio: a question's own change at a ratio.
        by_cell: a question's own effect in a cell.
        seed: effect of a seed on a mean over all questions.
        shared: share of the seeds' variance that is the same at all ratios.
        by_seed: a question's own effect of a seed.
        rest: residual.
        correlation: intraclass correlation of the questions of a cluster, in all their effects.
        heavy: whether effects have heavy tails.
    """

    question: float = 0.22
    by_ratio: float = 0.04
    by_cell: float = 0.1
    seed: float = 0.004
    shared: float = 0.3
    by_seed: float = 0.03
    rest: float = 0.06
    correlation: float = 0.05
    heavy: bool = False


@dataclass(frozen=True)
class Design:
    """What a study measures.

    Attributes:
        n_seeds: number of seeds.
        ratios: mixing ratios, ascending.
        n_clusters: number of clusters of questions.
        cluster_size: mean number of questions of a cluster.
        even: whether all clusters have that size; else sizes vary like those of articles.
        n_cells: number of cells.
    """

    n_seeds: int
    ratios: tuple[float, ...] = RATIOS
    n_clusters: int = 48
    cluster_size: int = 25
    even: bool = False
    n_cells: int = 2

    def clusters(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw the cluster of each question; sizes are 1 to twice the mean where uneven."""
        sizes = np.full(self.n_clusters, self.cluster_size)
        if not self.even:
            sizes = generator.integers(1, 2 * self.cluster_size, self.n_clusters)
        return np.repeat(np.arange(self.n_clusters), sizes)


def saturating(best: float, height: float, level: float = 0.18) -> Curve:
    """Make a curve of diminishing returns to each kind of batch, which is no polynomial.

    ``a log(1 + k x) + b log(1 + k (1 - x))`` has its maximum where
    ``a (1 + k (1 - x)) = b (1 + k x)``.

    Args:
        best: ratio of its maximum.
        height: maximum minus the higher of the two ends.
        level: value at the maximum.
    """
    steepness = 4.0
    first = 1 + steepness * best
    second = 1 + steepness * (1 - best)

    def shape(x: Floats) -> Floats:
        value: Floats = first * np.log1p(steepness * x) + second * np.log1p(steepness * (1 - x))
        return value

    top = float(shape(np.array(best)))
    scale = height / (top - max(shape(np.array([0.0, 1.0]))))
    return lambda x: level + scale * (shape(x) - top)


def kinked(best: float, height: float, drop: float, level: float = 0.18) -> Curve:
    """Make a curve that also falls by `drop` between .9 and 1, which no smooth fit follows."""
    smooth = saturating(best, height, level)
    return lambda x: smooth(x) - drop * np.clip((x - 0.9) / 0.1, 0, None)


def asymmetric(best: float, height: float, level: float = 0.18) -> Curve:
    """Make a curve that rises steeply up to `best` and falls slowly behind it."""

    def value(x: Floats) -> Floats:
        rise = np.clip((best - x) / best, 0, None)
        fall = np.clip((x - best) / (1 - best), 0, None)
        return np.asarray(level - height * rise**0.5 - height * fall / 4)

    return value


def rising(height: float, level: float = 0.18) -> Curve:
    """Make a curve with its optimum at the end: 1 is the best ratio."""
    return lambda x: level - height * (1 - np.asarray(x))


def flat(level: float = 0.18) -> Curve:
    """Make a curve without any effect of the ratio."""
    return lambda x: np.full(np.shape(x), level)


def simulate(
    curve: Curve, design: Design, spread: Spread, generator: np.random.Generator
) -> Scores:
    """Draw the scores of a study.

    Args:
        curve: the expected score over the ratio.
        design: ratios, seeds, clusters and cells.
        spread: standard deviations of the effects.
        generator: source of all draws.
    """
    at_A = np.array(design.ratios)
    cluster_Q = design.clusters(generator)
    n_ratios, n_seeds, n_cells = len(at_A), design.n_seeds, design.n_cells
    n_questions = len(cluster_Q)

    def noise(*shape: int) -> Floats:
        if spread.heavy:
            return np.asarray(generator.standard_t(3, shape) / np.sqrt(3))
        return generator.standard_normal(shape)

    def of_questions(*shape: int) -> Floats:
        shared = np.sqrt(spread.correlation) * noise(*shape, design.n_clusters)[..., cluster_Q]
        return np.asarray(shared + np.sqrt(1 - spread.correlation) * noise(*shape, n_questions))

    skewed = generator.beta(0.5, 1.5, n_questions) / 0.25 - 1  # mean 0, standard deviation 1
    common_Q = noise(design.n_clusters)[cluster_Q]
    question_Q = np.sqrt(spread.correlation) * common_Q + np.sqrt(1 - spread.correlation) * skewed
    common_S = np.sqrt(spread.shared) * noise(n_seeds)
    own_AS = np.sqrt(1 - spread.shared) * noise(n_ratios, n_seeds)
    values = spread.rest * np.sqrt(n_cells) * noise(n_ratios, n_seeds, n_cells, n_questions)
    values += curve(at_A)[:, None, None, None] + spread.question * question_Q
    values += spread.by_cell * of_questions(n_cells)
    values += spread.by_ratio * of_questions(n_ratios)[:, None, None, :]
    values += spread.by_seed * of_questions(n_ratios, n_seeds)[:, :, None, :]
    values += spread.seed * (common_S + own_AS)[:, :, None, None]
    return _as_scores(design, values, cluster_Q, inf)


@dataclass(frozen=True)
class NearALimit:
    """Scores between 0 and 1 whose distance from a limit is a product of effects.

    Attributes:
        distance: mean distance from the limit, before scores are cut at the other one.
        cluster: standard deviation of the logarithm of a cluster's effect; with 1 the sixth part
            of the clusters holds half of the distance.
        hits: whether a score is 0 or 1, with the product for its probability (hit@1).
        top: whether the limit is 1.
        seed: standard deviation of the logarithm of a seed's effect.
    """

    distance: float
    cluster: float
    hits: bool = False
    top: bool = False
    seed: float = 0.01

    def draw(self, design: Design, generator: np.random.Generator) -> Scores:
        """Draw the scores of a study whose ratios are all the same."""
        cluster_Q = design.clusters(generator)
        n_ratios, n_seeds, n_questions = len(design.ratios), design.n_seeds, len(cluster_Q)

        def factor(spread: float, *shape: int) -> Floats:
            return np.asarray(np.exp(generator.normal(-(spread**2) / 2, spread, shape)))

        question_Q = generator.gamma(0.35, 1 / 0.35, n_questions) if not self.hits else 1.0
        common_Q = self.distance * question_Q * factor(self.cluster, design.n_clusters)[cluster_Q]
        by_ratio = factor(0.1, n_ratios, 1, design.n_clusters)[..., cluster_Q]
        values = common_Q * by_ratio * factor(self.seed, n_ratios, n_seeds, 1)
        values = np.minimum(values * factor(0.3, n_ratios, n_seeds, n_questions), 1)
        if self.hits:
            luck = generator.uniform(size=n_questions)  # a question is lucky at all seeds
            values = (luck < values).astype(np.float64)
        return _as_scores(design, (1 - values if self.top else values)[:, :, None], cluster_Q, 1.0)

    def level(self, n_clusters: int = 100_000) -> float:
        """Return the mean of so many clusters that what is left of chance does not matter."""
        wide = Design(n_seeds=1, ratios=(0.0,), n_clusters=n_clusters, n_cells=1)
        even = replace(self, seed=0.0)
        return float(even.draw(wide, np.random.default_rng(0)).values.mean())


def _as_scores(
    design: Design, values: Floats, cluster_Q: NDArray[np.int64], limit: float
) -> Scores:
    """Name the axes of values [A, S, C, Q] between 0 and a limit; infinite for none."""
    return Scores(
        measure=names.AP,
        setting=names.MULTILINGUAL,
        ratios=design.ratios,
        seeds=tuple(range(design.n_seeds)),
        cells=tuple((f"language {cell}", names.ALL_LANGUAGES) for cell in range(values.shape[2])),
        questions=tuple(f"question {question}" for question in range(values.shape[3])),
        values=values,
        clusters=tuple(f"article {cluster}" for cluster in cluster_Q),
        limits=(-inf, inf) if limit == inf else (0.0, limit),
    )
