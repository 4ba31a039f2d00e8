"""Where the variance of scores comes from: data, training seed, question, and their ties.

A ratios, S seeds, Q questions, or A ratios, P parts of the data, T seeds of each, Q questions;
see `hybridir.inference.mean_squares` and `analysis.study.data_parts`.

A score is what its ratio gives, plus effects of seed, of question, of ratio with seed, ratio with
question and seed with question, plus a rest; with parts of the data, seeds lie within them, and
there are effects of part, of ratio with part, part with question, and all three. Ratios are fixed;
all other effects are random and independent. The variances follow from the mean squares without
bias, so that one which is small may come out below 0. Their intervals draw what the mean squares
may have expected, which assumes normal effects.

Source: Searle, Casella and McCulloch, Variance Components, 1992, chapter 4 (mean squares, in the
form without restrictions on interactions); Weerahandi, Generalized Confidence Intervals, Journal
of the American Statistical Association 88, 1993 (intervals).
"""

from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from hybridir.inference.crossed import LEVEL
from hybridir.inference.scores import Bools, Floats

RATIO, DATA, SEED, QUESTION = "ratio", "data", "seed", "question"
_LAYOUTS: Final = {3: (RATIO, SEED, QUESTION), 4: (RATIO, DATA, SEED, QUESTION)}
_DRAWS: Final = 4000
Source = frozenset[str]

REST: Final = frozenset({RATIO, SEED, QUESTION})


def sources(n_axes: int) -> list[Source]:
    """List the random effects of a layout, the rest last; a seed stands for one of its part.

    >>> [" ".join(sorted(source)) for source in sources(3)]
    ['seed', 'question', 'ratio seed', 'question ratio', 'question seed', 'question ratio seed']
    """
    axes = _LAYOUTS[n_axes]
    several = [set(one) for size in (1, 2, 3) for one in combinations(axes, size)]
    told = [frozenset(one) for one in several if not {DATA, SEED} <= one]
    return [source for source in told if source != {RATIO}]


class Component(NamedTuple):
    """A variance with its interval at `LEVEL`.

    Attributes:
        source: which of ratio, seed and question it varies with.
        variance: of one question's score; unbiased, so that it may be negative.
        low: lower end, 0 or more.
        high: upper end.
        in_mean: its standard deviation in a trial's mean over the questions, with `in_mean_low`
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


def split_variance(values: Floats, generator: np.random.Generator) -> list[Component]:
    """Estimate the variance of every random effect.

    Args:
        values: [A, S, Q] or [A, P, T, Q] scores without gaps, two levels or more of each.
        generator: source of the intervals' draws.

    Returns:
        A component per entry of `sources`.
    """
    sizes = dict(zip(_LAYOUTS[values.ndim], values.shape, strict=True))
    squares, degrees = _mean_squares(values, sizes)
    # What the mean squares would have expected, had they come out as they did (Weerahandi).
    drawn = {
        inside: square * degrees[inside] / generator.chisquare(degrees[inside], _DRAWS)
        for inside, square in squares.items()
    }
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    components = []
    for source in sources(values.ndim):
        variance = float(_component(source, squares, sizes)[0])
        low, high = np.maximum(np.quantile(_component(source, drawn, sizes), tails), 0.0)
        n = sizes[QUESTION] if QUESTION in source else 1
        in_mean = [float(np.sqrt(max(value, 0.0) / n)) for value in (variance, low, high)]
        components.append(Component(source, variance, float(low), float(high), *in_mean))
    return components


def _inside(source: Source, sizes: dict[str, int]) -> Source:
    """All that tells one level of an effect from another: a seed only with its part."""
    return source | {DATA} if SEED in source and DATA in sizes else source


def _mean_squares(
    values: Floats, sizes: dict[str, int]
) -> tuple[dict[Source, Floats], dict[Source, int]]:
    """Mean square (an array of one) and degrees of freedom of every effect of the layout."""
    effects: dict[Source, Floats] = {frozenset(): np.asarray(values.mean(keepdims=True))}
    squares, degrees = {}, {}
    # Data before seeds and single effects before those with several: the former lie inside.
    for source in [frozenset({RATIO}), *sources(values.ndim)]:
        inside = _inside(source, sizes)
        others = tuple(axis for axis, name in enumerate(sizes) if name not in inside)
        mean = values.mean(axis=others, keepdims=True)
        effect = np.asarray(mean - sum(effects[inner] for inner in effects if inner < inside))
        effects[inside] = effect
        free = [sizes[name] - (name in source) for name in inside]
        degrees[inside] = int(np.prod(free))
        repeats = values.size / effect.size
        squares[inside] = np.array([repeats * (effect**2).sum() / degrees[inside]])
    return squares, degrees


def _component(source: Source, squares: dict[Source, Floats], sizes: dict[str, int]) -> Floats:
    """Solve the expected mean squares for one variance: signs alternate with what is added."""
    inside = _inside(source, sizes)
    outside = [name for name in sizes if name not in inside]
    # A seed cannot be added without its part.
    addable = [name for name in outside if name != SEED or {DATA} & inside or DATA not in sizes]
    total = squares[inside].copy()
    for size in range(1, len(addable) + 1):
        for added in combinations(addable, size):
            total += (-1) ** size * squares[inside | set(added)]
    return np.asarray(total / np.prod([sizes[name] for name in outside]))
