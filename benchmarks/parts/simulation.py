"""Simulated studies with a known curve, to check intervals and tests.

A score is the curve at its ratio, plus effects of

- the question: large, skewed (most questions are easy or hard), shared by its translations;
- the question and the ratio: each question has a slope and a curvature of its own;
- the question and the cell;
- the seed, partly the same at all ratios;
- a rest of its own.

Standard deviations are those of a study of a small encoder on XQuAD-R (`LOG.md`): .004 between
seeds for a mean over questions, .22 between questions and .06 between seeds for a question.

Shapes: see CONTRIBUTING; A ratios, S seeds, C cells, Q questions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hybridir import names
from hybridir.inference.scores import Floats, Scores

Curve = Callable[[Floats], Floats]
RATIOS = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the effects, in units of the score.

    Attributes:
        question: effect of a question.
        by_ratio: a question's own change from one end of the ratios to the other.
        by_cell: a question's own effect in a cell.
        seed: effect of a seed on a mean over all questions.
        shared: share of the seeds' variance that is the same at all ratios.
        rest: residual.
    """

    question: float = 0.22
    by_ratio: float = 0.06
    by_cell: float = 0.1
    seed: float = 0.004
    shared: float = 0.3
    rest: float = 0.06


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


def flat(level: float = 0.18) -> Curve:
    """Make a curve without any effect of the ratio."""
    return lambda x: np.full(np.shape(x), level)


def simulate(
    curve: Curve,
    n_seeds: int,
    generator: np.random.Generator,
    ratios: tuple[float, ...] = RATIOS,
    n_questions: int = 200,
    n_cells: int = 2,
    spread: Spread | None = None,
) -> Scores:
    """Draw the scores of a study.

    Args:
        curve: the expected score over the ratio.
        n_seeds: number of seeds.
        generator: source of all draws.
        ratios: mixing ratios, ascending.
        n_questions: number of questions.
        n_cells: number of cells.
        spread: standard deviations of the effects.
    """
    spread = spread or Spread()
    at_A = np.array(ratios)
    shape = (len(ratios), n_seeds, n_cells, n_questions)
    skewed = generator.beta(0.5, 1.5, n_questions)  # mean 1/4, variance 1/16
    question_Q = spread.question * (skewed - 0.25) / 0.25
    turns_2Q = spread.by_ratio * generator.standard_normal((2, n_questions))
    by_ratio_AQ = np.outer(at_A - 0.5, turns_2Q[0]) + np.outer(4 * (at_A - 0.5) ** 2, turns_2Q[1])
    by_cell_CQ = spread.by_cell * generator.standard_normal((n_cells, n_questions))
    common_S = np.sqrt(spread.shared) * generator.standard_normal(n_seeds)
    own_AS = np.sqrt(1 - spread.shared) * generator.standard_normal((len(ratios), n_seeds))
    values = spread.rest * np.sqrt(n_cells) * generator.standard_normal(shape)
    values += curve(at_A)[:, None, None, None] + question_Q + by_cell_CQ
    values += by_ratio_AQ[:, None, None, :]
    values += spread.seed * (common_S + own_AS)[:, :, None, None]
    return Scores(
        measure=names.AP,
        setting=names.MULTILINGUAL,
        ratios=ratios,
        seeds=tuple(range(n_seeds)),
        cells=tuple((f"language {cell}", names.ALL_LANGUAGES) for cell in range(n_cells)),
        questions=tuple(f"question {question}" for question in range(n_questions)),
        values=values,
    )
