"""The inference's input: every question's score, aligned over ratios and seeds.

Questions on one article share its sentences, names and difficulty, so that they are no independent
sample; the unit that a benchmark draws is the article. Each question therefore belongs to a
cluster, and all of the inference works on sums per cluster.

A cell is a question language with a pool language; the macro mean over cells is the figure that
is reported (`hybridir.evaluation.summary`).

Shapes: see CONTRIBUTING; A ratios, S seeds, C cells, Q questions.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hybridir import names

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
FEW_CLUSTERS = 30
"""Clusters below which an interval over clusters of unequal size may be too narrow.

"Few" is below 20 to 50 (Cameron and Miller, A Practitioner's Guide to Cluster-Robust Inference,
Journal of Human Resources 50, 2015, section VI); 30 is this project's own.
"""
Cell = tuple[str, str]
"""(question language, pool language)."""


@dataclass(frozen=True)
class Scores:
    """One measure in one setting, for every confirmation trial of a benchmark.

    Attributes:
        measure: column of the per-query table, or a bias measure of `hybridir.names`.
        setting: one of `names.SETTINGS`.
        ratios: A mixing ratios, ascending.
        seeds: S training seeds, ascending.
        cells: C cells.
        questions: Q question ids.
        values: [A, S, C, Q]; NaN where a cell has no such question, and throughout for a
            (ratio, seed) that was not trained. In single precision where there are very many;
            means are computed in double precision all the same.
        clusters: cluster of each question, Q labels; empty if each question is one of its own.
        limits: lowest and highest possible value; None takes those of the measure.
    """

    measure: str
    setting: str
    ratios: tuple[float, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    questions: tuple[str, ...]
    values: Floats
    clusters: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    @cached_property
    def cluster_of_question(self) -> Ints:
        """[Q] number of each question's cluster."""
        if not self.clusters:
            return np.arange(len(self.questions))
        return np.unique(np.array(self.clusters, dtype=object), return_inverse=True)[1]

    @property
    def n_clusters(self) -> int:
        """Number of clusters with a question."""
        return int(self.cluster_of_question.max()) + 1

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest possible value of a score, and so of a mean."""
        return self.limits or names.bounds_of(self.measure)

    @cached_property
    def trained(self) -> Bools:
        """[A, S]: whether there is a trial of this ratio and seed."""
        return np.array(
            [[not bool(np.isnan(trial).all()) for trial in seeds] for seeds in self.values]
        )

    @property
    def lower_is_better(self) -> bool:
        """Whether lower values are better, as with rank distances."""
        return self.measure in names.LOWER_IS_BETTER

    def cell_means(self) -> Floats:
        """[A, S, C] means over questions; NaN where a ratio and seed were not trained."""
        return self._cell_means.copy()

    @cached_property
    def _cell_means(self) -> Floats:
        means = np.full(self.values.shape[:3], np.nan)
        for ratio, seed in np.argwhere(self.trained):
            values_CQ = self.values[ratio, seed]
            present_CQ = ~np.isnan(values_CQ)
            total_C = np.sum(values_CQ, axis=1, where=present_CQ, dtype=np.float64)
            count_C = present_CQ.sum(axis=1)
            np.divide(total_C, count_C, out=means[ratio, seed], where=count_C > 0)
        return means

    def macro_means(self) -> Floats:
        """[A, S] means over cells of the means over questions."""
        return np.asarray(self._cell_means.mean(axis=2))


def side_by_side(settings: list[Scores], ratios: Collection[float]) -> Scores:
    """Put the cells of several settings of one measure into one array.

    Args:
        settings: scores of the same trials; their question ids may differ.
        ratios: mixing ratios to keep; those without a trial are passed over.

    Returns:
        The scores of all cells over the union of question ids. A cell tells its own setting, see
        `setting_of`.

    Raises:
        ValueError: if the settings are of different trials or measures.
    """
    questions = tuple(sorted({question for scores in settings for question in scores.questions}))
    column = {question: index for index, question in enumerate(questions)}
    first = settings[0]
    rows = [index for index, ratio in enumerate(first.ratios) if ratio in ratios]
    n_cells = sum(len(scores.cells) for scores in settings)
    shape = (len(rows), len(first.seeds), n_cells, len(questions))
    values = np.full(shape, np.nan, first.values.dtype)
    begin = 0
    for scores in settings:
        if (scores.ratios, scores.seeds, scores.measure) != (
            first.ratios,
            first.seeds,
            first.measure,
        ):
            raise ValueError(
                "the settings differ in ratios, seeds or measure: give scores of the same trials"
            )
        end = begin + len(scores.cells)
        columns = [column[question] for question in scores.questions]
        for row, ratio in enumerate(rows):
            values[row, :, begin:end, columns] = np.moveaxis(scores.values[ratio], 2, 0)
        begin = end
    cells = tuple(cell for scores in settings for cell in scores.cells)
    chosen = tuple(first.ratios[index] for index in rows)
    cluster = {
        question: label
        for scores in settings
        for question, label in zip(scores.questions, scores.clusters, strict=False)
    }
    clusters = tuple(cluster.get(question, question) for question in questions)
    return Scores(first.measure, "", chosen, first.seeds, cells, questions, values, clusters)


def setting_of(cell: Cell) -> str:
    """Name the setting of a cell.

    >>> setting_of(("en", "de"))
    'crosslingual'
    """
    query, pool = cell
    if pool == names.ALL_LANGUAGES:
        return names.MULTILINGUAL
    return names.MONOLINGUAL if query == pool else names.CROSSLINGUAL
