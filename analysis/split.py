"""Where the variance of scores comes from: training seed, question, and their ties to the ratio.

A ratios, S seeds, Q questions, R draws; see `analysis.contributions`.

A score is what its ratio gives, plus effects of seed, of question, of ratio with seed, ratio with
question and seed with question, plus a rest. Ratios are fixed; all other effects are random and
independent. The variances follow from the mean squares without bias, so that one which is small
may come out below 0. Their intervals draw what the mean squares may have expected, which assumes
normal effects.

Source: Searle, Casella and McCulloch, Variance Components, 1992, chapter 4 (mean squares, in the
form without restrictions on interactions); Weerahandi, Generalized Confidence Intervals, Journal
of the American Statistical Association 88, 1993 (intervals).
"""

from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from analysis.inference import LEVEL
from analysis.scores import Bools, Floats

RATIO, SEED, QUESTION = "ratio", "seed", "question"
_AXES: Final = {RATIO: 0, SEED: 1, QUESTION: 2}
_DRAWS: Final = 4000
Source = frozenset[str]

SOURCES: Final[tuple[Source, ...]] = (
    *(frozenset({one}) for one in (SEED, QUESTION)),
    *(frozenset(two) for two in ((RATIO, SEED), (RATIO, QUESTION), (SEED, QUESTION))),
    frozenset(_AXES),
)
"""The random effects; the last is the rest."""


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


def split_variance(values_ASQ: Floats, generator: np.random.Generator) -> list[Component]:
    """Estimate the variance of every random effect.

    Args:
        values_ASQ: scores without gaps, two levels or more of each.
        generator: source of the intervals' draws.

    Returns:
        A component per entry of `SOURCES`.
    """
    shape = values_ASQ.shape
    squares, degrees = _mean_squares(values_ASQ)
    # What the mean squares would have expected, had they come out as they did (Weerahandi).
    drawn = {
        source: square * degrees[source] / generator.chisquare(degrees[source], _DRAWS)
        for source, square in squares.items()
    }
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    components = []
    for source in SOURCES:
        variance = float(_component(source, squares, shape)[0])
        low, high = np.maximum(np.quantile(_component(source, drawn, shape), tails), 0.0)
        n = shape[2] if QUESTION in source else 1
        in_mean = [float(np.sqrt(max(value, 0.0) / n)) for value in (variance, low, high)]
        components.append(Component(source, variance, float(low), float(high), *in_mean))
    return components


def _mean_squares(values_ASQ: Floats) -> tuple[dict[Source, Floats], dict[Source, int]]:
    """Mean square (an array of one) and degrees of freedom of every effect of the layout."""
    effects: dict[Source, Floats] = {frozenset(): np.asarray(values_ASQ.mean(keepdims=True))}
    squares, degrees = {}, {}
    for size in (1, 2, 3):
        for members in combinations(_AXES, size):
            source = frozenset(members)
            others = tuple(axis for name, axis in _AXES.items() if name not in source)
            mean = values_ASQ.mean(axis=others, keepdims=True)
            effect = mean - sum(effects[inner] for inner in effects if inner < source)
            effects[source] = np.asarray(effect)
            degrees[source] = int(np.prod([values_ASQ.shape[_AXES[one]] - 1 for one in source]))
            repeats = values_ASQ.size / effect.size
            squares[source] = np.array([repeats * (effect**2).sum() / degrees[source]])
    return squares, degrees


def _component(source: Source, squares: dict[Source, Floats], shape: tuple[int, ...]) -> Floats:
    """Solve the expected mean squares for one variance: signs alternate with what is added."""
    outside = [name for name in _AXES if name not in source]
    total = squares[source].copy()
    for size in range(1, len(outside) + 1):
        for added in combinations(outside, size):
            total += (-1) ** size * squares[source | set(added)]
    return np.asarray(total / np.prod([shape[_AXES[name]] for name in outside]))
