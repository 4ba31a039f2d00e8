"""Settings side by side, and how a mean over cells varies with seeds and questions.

A ratios, S seeds, C cells, Q question ids; see `analysis.study.scores`.

Every seed answers every question, so the two are crossed: a score is a mean, plus what the seed
adds, plus what the question adds, plus a rest. The variance of the mean follows from the mean
squares of that layout without bias, however few seeds there are, which a bootstrap does not
achieve. Assumed: seeds and question ids are independent random samples, and the seeds' effects
are roughly normal; the languages are fixed.

Source: Searle, Casella and McCulloch, Variance Components, 1992, chapter 4 (mean squares of
crossed layouts); Satterthwaite, An Approximate Distribution of Estimates of Variance Components,
Biometrics Bulletin 2, 1946 (degrees of freedom).
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from hybridir import names
from hybridir.inference.scores import Floats, Scores


class MeanSquares(NamedTuple):
    """Mean squares of a layout of seeds by questions; NaN where there is but one level.

    Attributes:
        seed: expects n_questions × seed variance + residual variance.
        question: expects n_seeds × question variance + residual variance.
        residual: expects the residual variance.
    """

    seed: float
    question: float
    residual: float
    n_seeds: int
    n_questions: int


def side_by_side(found: list[Scores], ratios: Collection[float]) -> Scores:
    """Put the cells of several settings of one measure into one array.

    Args:
        found: scores of the same trials; their question ids may differ.
        ratios: those that are wanted; what was not confirmed is passed over.

    Returns:
        The scores with all cells over the union of question ids. A cell still tells its setting:
        `setting_of`.
    """
    questions = tuple(sorted({question for one in found for question in one.questions}))
    column = {question: index for index, question in enumerate(questions)}
    first = found[0]
    kept = [index for index, ratio in enumerate(first.ratios) if ratio in ratios]
    n_cells = sum(len(one.cells) for one in found)
    shape = (len(kept), len(first.seeds), n_cells, len(questions))
    values = np.full(shape, np.nan, first.values.dtype)
    begin = 0
    for one in found:
        if (one.ratios, one.seeds, one.measure) != (first.ratios, first.seeds, first.measure):
            raise ValueError("the settings are not of the same trials and measure")
        end = begin + len(one.cells)
        columns = [column[question] for question in one.questions]
        for place, ratio in enumerate(kept):
            values[place, :, begin:end, columns] = np.moveaxis(one.values[ratio], 2, 0)
        begin = end
    cells = tuple(cell for one in found for cell in one.cells)
    wanted = tuple(first.ratios[index] for index in kept)
    return Scores(first.measure, "", wanted, first.seeds, cells, questions, values)


def setting_of(cell: tuple[str, str]) -> str:
    """Name the setting of a cell (question language, pool language).

    >>> setting_of(("en", "de"))
    'crosslingual'
    """
    query, pool = cell
    if pool == names.ALL_LANGUAGES:
        return names.MULTILINGUAL
    return names.MONOLINGUAL if query == pool else names.CROSSLINGUAL


def paired_gain(values_ASQ: Floats, scores: Scores, ratio: float, baseline: float) -> Floats:
    """Subtract one ratio's scores by question from another's, over the seeds that both have.

    Args:
        values_ASQ: `inference.score_by_question`.
        scores: of which they were made.
        ratio: one of its ratios.
        baseline: another one.

    Returns:
        [S', Q]; S' may be 0.
    """
    first, second = scores.ratios.index(ratio), scores.ratios.index(baseline)
    shared = scores.trained[first] & scores.trained[second]
    return np.asarray(values_ASQ[first, shared] - values_ASQ[second, shared])


def mean_squares(values_SQ: Floats) -> MeanSquares:
    """Split the spread of a layout without gaps into seeds, questions and the rest."""
    n_seeds, n_questions = values_SQ.shape
    centred = values_SQ - values_SQ.mean()
    of_seeds = n_questions * (centred.mean(axis=1) ** 2).sum()
    of_questions = n_seeds * (centred.mean(axis=0) ** 2).sum()
    rest = max((centred**2).sum() - of_seeds - of_questions, 0.0)

    def divided(total: float, degrees: int) -> float:
        return float(total / degrees) if degrees else np.nan

    return MeanSquares(
        divided(of_seeds, n_seeds - 1),
        divided(of_questions, n_questions - 1),
        divided(rest, (n_seeds - 1) * (n_questions - 1)),
        n_seeds,
        n_questions,
    )


def variance_of_mean(squares: MeanSquares) -> tuple[float, float]:
    """Estimate the variance of the mean of a layout, and its degrees of freedom.

    With one seed it is the variance over questions alone, and says nothing about other seeds.

    Args:
        squares: mean squares, as measured or as expected.

    Returns:
        The variance, and Satterthwaite's degrees of freedom. A mean square below the residual
        one counts as that: no variance is negative.
    """
    n = squares.n_seeds * squares.n_questions
    if squares.n_seeds == 1 or squares.n_questions == 1:
        single = squares.question if squares.n_seeds == 1 else squares.seed
        return single / n, float(max(n - 1, 0))
    rest = squares.residual
    of_seeds, of_questions = max(squares.seed, rest), max(squares.question, rest)
    total = of_seeds + of_questions - rest
    free_seeds, free_questions = squares.n_seeds - 1, squares.n_questions - 1
    spread = (
        of_seeds**2 / free_seeds
        + of_questions**2 / free_questions
        + rest**2 / (free_seeds * free_questions)
    )
    return total / n, total**2 / spread if spread else float(free_seeds)
