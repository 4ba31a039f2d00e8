"""Where the variance of scores comes from: data, seed, cluster of questions, interactions.

A score is the mean at its ratio, plus effects of seed, cluster, ratio with seed, ratio with
cluster and seed with cluster, plus a rest. Where seeds lie within parts of the training data,
the part has an effect too, alone and together with ratio and question. Ratios are fixed; all other
effects are random and independent. The variances follow from the mean squares without bias, so
that an estimate of a small variance may be below 0. Their intervals draw what the mean squares may
have expected, which assumes normal effects.

Shapes: see CONTRIBUTING; A ratios, S seeds (of each part), U parts of the data, G clusters.

Source: Searle, Casella and McCulloch, Variance Components, 1992, chapter 4 (mean squares, in the
form without restrictions on interactions); Weerahandi, Generalized Confidence Intervals, Journal
of the American Statistical Association 88, 1993 (intervals).
"""

from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from hybridir.inference.crossed import LEVEL
from hybridir.inference.mean_squares import CLUSTER, DATA, RATIO, SEED, Source, mean_squares
from hybridir.inference.scores import Bools, Floats

_LAYOUTS: Final = {3: (RATIO, SEED, CLUSTER), 4: (RATIO, DATA, SEED, CLUSTER)}
_DRAWS: Final = 4000

REST: Final[Source] = frozenset({RATIO, SEED, CLUSTER})


def sources(n_axes: int) -> list[Source]:
    """List the random effects of a layout, the rest last; a seed stands for its part as well.

    >>> [" ".join(sorted(source)) for source in sources(3)]
    ['seed', 'cluster', 'ratio seed', 'cluster ratio', 'cluster seed', 'cluster ratio seed']
    """
    axes = _LAYOUTS[n_axes]
    subsets = [frozenset(some) for size in (1, 2, 3) for some in combinations(axes, size)]
    return [subset for subset in subsets if subset != {RATIO} and not {DATA, SEED} <= subset]


class VarianceComponent(NamedTuple):
    """A variance with its interval at `LEVEL`.

    Attributes:
        source: which of ratio, seed and cluster it varies with.
        variance: of one cluster's score; unbiased, so that it may be negative.
        low: lower end, 0 or more.
        high: upper end.
        in_mean: its standard deviation in a trial's mean over the clusters, with `in_mean_low`
            and `in_mean_high`; 0 for a negative variance.
    """

    source: Source
    variance: float
    low: float
    high: float
    in_mean: float
    in_mean_low: float
    in_mean_high: float


def complete_block(trained: Bools) -> tuple[list[int], list[int]]:
    """Choose the ratios and seeds of the largest block without gaps.

    Args:
        trained: [A, S].

    Returns:
        Indices of ratios and of seeds, both ascending. Of equally large blocks that with more
        seeds is taken.
    """
    by_seeds = np.argsort(-trained.sum(axis=1), kind="stable")
    blocks = []
    for count in range(1, len(by_seeds) + 1):
        ratios = sorted(by_seeds[:count].tolist())
        seeds = np.flatnonzero(trained[ratios].all(axis=0)).tolist()
        blocks.append((ratios, seeds))
    return max(blocks, key=lambda block: (len(block[0]) * len(block[1]), len(block[1])))


def estimate_components(values: Floats, generator: np.random.Generator) -> list[VarianceComponent]:
    """Estimate the variance of every random effect.

    Args:
        values: [A, S, G] or [A, U, S, G] scores without gaps, two levels or more of each.
        generator: source of the intervals' draws.

    Returns:
        A component per entry of `sources`.
    """
    axes = _LAYOUTS[values.ndim]
    sizes = dict(zip(axes, values.shape, strict=True))
    analysis = mean_squares(values[None], axes, {SEED: DATA} if DATA in axes else None)
    squares = {source: entry.square[0] for source, entry in analysis.items()}
    # What the mean squares would have expected, had they come out as they did (Weerahandi).
    drawn = {
        source: square
        * analysis[source].degrees
        / generator.chisquare(analysis[source].degrees, _DRAWS)
        for source, square in squares.items()
    }
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    components = []
    for source in sources(values.ndim):
        variance = float(_component(source, squares, sizes)[0])
        low, high = np.maximum(np.quantile(_component(source, drawn, sizes), tails), 0.0)
        n = sizes[CLUSTER] if CLUSTER in source else 1
        in_mean = [float(np.sqrt(max(value, 0.0) / n)) for value in (variance, low, high)]
        components.append(VarianceComponent(source, variance, float(low), float(high), *in_mean))
    return components


def _component(source: Source, squares: dict[Source, Floats], sizes: dict[str, int]) -> Floats:
    """Solve the expected mean squares for one variance: signs alternate with the axes added."""
    outside = [name for name in sizes if name not in source]
    if SEED in source and DATA in sizes:  # a seed stands for its part as well
        outside.remove(DATA)
    # A seed cannot be added without its part.
    addable = [name for name in outside if name != SEED or DATA in source or DATA not in sizes]
    total = squares[source].copy()
    for size in range(1, len(addable) + 1):
        for added in combinations(addable, size):
            wider = source | set(added)
            total += (-1) ** size * squares[wider - {DATA} if SEED in wider else wider]
    return np.asarray(total / np.prod([sizes[name] for name in outside]))
