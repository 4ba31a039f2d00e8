"""What each question adds to a mean over cells, and how a mean varies with seeds and questions.

A ratios, S seeds, C cells, Q question ids; see `analysis.scores`.

Every seed answers every question, so the two are crossed: a score is a mean, plus what the seed
adds, plus what the question adds, plus a rest. The variance of the mean follows from the mean
squares of that layout without bias, however few seeds there are, which a bootstrap does not
achieve. Assumed: seeds and question ids are independent random samples, and the seeds' effects
are roughly normal; the languages are fixed.

Source: Searle, Casella and McCulloch, Variance Components, 1992, chapter 4 (mean squares of
crossed layouts); Satterthwaite, An Approximate Distribution of Estimates of Variance Components,
Biometrics Bulletin 2, 1946 (degrees of freedom).
"""

from typing import NamedTuple

import numpy as np

from analysis.scores import Bools, Floats, Scores
from hybridir import names


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


def side_by_side(found: list[Scores]) -> Scores:
    """Put the cells of several settings of one measure into one array.

    Args:
        found: scores of the same trials; their question ids may differ.

    Returns:
        The scores with all cells over the union of question ids. A cell still tells its setting:
        `setting_of`.
    """
    questions = tuple(sorted({question for one in found for question in one.questions}))
    column = {question: index for index, question in enumerate(questions)}
    first = found[0]
    n_cells = sum(len(one.cells) for one in found)
    values = np.full((*first.trained.shape, n_cells, len(questions)), np.nan)
    begin = 0
    for one in found:
        if (one.ratios, one.seeds, one.measure) != (first.ratios, first.seeds, first.measure):
            raise ValueError("the settings are not of the same trials and measure")
        end = begin + len(one.cells)
        values[:, :, begin:end, [column[question] for question in one.questions]] = one.values
        begin = end
    cells = tuple(cell for one in found for cell in one.cells)
    return Scores(first.measure, "", first.ratios, first.seeds, cells, questions, values)


def setting_of(cell: tuple[str, str]) -> str:
    """Name the setting of a cell (question language, pool language).

    >>> setting_of(("en", "de"))
    'crosslingual'
    """
    query, pool = cell
    if pool == names.ALL_LANGUAGES:
        return names.MULTILINGUAL
    return names.MONOLINGUAL if query == pool else names.CROSSLINGUAL


def contributions(scores: Scores, weights_C: Floats | None = None) -> Floats:
    """Write a weighted sum of cell means as a plain mean over questions.

    A question adds to each of its cells by its distance from the cell's mean, in proportion to
    how few questions the cell has; where all cells have all questions that is the question's
    weighted score. It is the linearised form of a ratio estimator, so that the spread of the
    contributions is that of the sum.

    Args:
        scores: the trials' scores.
        weights_C: weight of each cell, the macro mean's if left out; 0 leaves a cell out.

    Returns:
        [A, S, Q'] with the questions that occur in a cell of any weight; NaN where a ratio and
        seed were not trained. Their mean over questions is the weighted sum of cell means.

    Source: Cochran, Sampling Techniques, 3rd edition 1977, section 6.3.
    """
    weights = np.full(len(scores.cells), 1 / len(scores.cells)) if weights_C is None else weights_C
    used = weights != 0
    values_ASCQ = scores.values[:, :, used]
    ratio, seed = np.argwhere(scores.trained)[0]
    present_CQ: Bools = ~np.isnan(values_ASCQ[ratio, seed])
    there_Q = present_CQ.any(axis=0)
    present_CQ, values_ASCQ = present_CQ[:, there_Q], values_ASCQ[..., there_Q]
    count_C = present_CQ.sum(axis=1)
    n_questions = int(there_Q.sum())
    total_ASC = np.where(present_CQ, values_ASCQ, 0.0).sum(axis=3)
    mean_ASC = total_ASC / count_C
    scale_CQ = present_CQ * (weights[used] * n_questions / count_C)[:, None]
    sums_ASQ = np.einsum("ascq,cq->asq", np.where(present_CQ, values_ASCQ, 0.0), scale_CQ)
    means_ASQ = np.einsum("asc,cq->asq", mean_ASC, weights[used][:, None] - scale_CQ)
    spread: Floats = sums_ASQ + means_ASQ
    spread[~scores.trained] = np.nan
    return spread


def paired_gain(values_ASQ: Floats, scores: Scores, ratio: float, baseline: float) -> Floats:
    """Subtract one ratio's contributions from another's, over the seeds that both have.

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
