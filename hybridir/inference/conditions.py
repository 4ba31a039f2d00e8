"""A design instead of a point: the curve under several temperatures, batch sizes or budgets.

A condition is a value of each parameter that a study crosses with the mixing ratio. All conditions
have the same seeds, questions and cells, so that one condition is compared with another seed by
seed and question by question, like one ratio with another. The curve of the study is the mean over
its conditions; that of a level, such as temperature .02, is the mean over the conditions with it.

An interaction is a gain at a second level minus the same gain at a first one: does hybrid minus
pure change with temperature, batch size or budget? It is a contrast of the same crossed model
(`hybridir.inference.crossed`). Its p-value, like that of a gain, is the larger of two: that of
this model, and that of swaps by cluster (`hybridir.inference.hybrid_vs_pure`).

Shapes: see CONTRIBUTING; A ratios, S seeds, G clusters.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from hybridir.inference.bootstrap import generator_of
from hybridir.inference.by_cluster import score_by_cluster
from hybridir.inference.crossed import Crossed
from hybridir.inference.curve import hybrid_ratio
from hybridir.inference.hybrid_vs_pure import PURE, p_of_swaps
from hybridir.inference.scores import Floats, Scores

Level = float | int | str
Condition = tuple[tuple[str, Level], ...]
"""(parameter, value) of each crossed parameter; empty for a study at one point."""


class Interaction(NamedTuple):
    """How hybrid minus pure changes between two levels of a parameter.

    Attributes:
        parameter: name of the crossed parameter.
        first: one level.
        second: another level.
        hybrid: mixing ratio of hybrid batches.
        pure: 0 or 1.
        gain_first: hybrid minus pure at the first level.
        gain_second: hybrid minus pure at the second level.
        estimate: second minus first.
        low: lower end of the interval of `estimate` at `LEVEL`.
        high: upper end.
        p: the larger of the p-values of the crossed model and of swaps by cluster.
        n_seeds: seeds that have both ratios at both levels.
        n_clusters: number of clusters.
    """

    parameter: str
    first: Level
    second: Level
    hybrid: float
    pure: float
    gain_first: float
    gain_second: float
    estimate: float
    low: float
    high: float
    p: float
    n_seeds: int
    n_clusters: int


def average_conditions(conditions: Mapping[Condition, Scores]) -> Scores:
    """Average scores over conditions.

    Args:
        conditions: the scores of each; with the same questions and cells.

    Returns:
        Scores over the ratios and seeds that occur in all conditions. A (ratio, seed) that some
        condition lacks counts as not trained.

    Raises:
        ValueError: if the conditions share no ratio or no seed.
    """
    if len(conditions) == 1:
        return next(iter(conditions.values()))
    aligned = _aligned(list(conditions.values()))
    values = aligned[0].values.copy()
    for scores in aligned[1:]:
        values += scores.values
    return replace(aligned[0], values=values / len(aligned))


def levels_of(conditions: Mapping[Condition, Scores]) -> dict[str, list[Level]]:
    """List the levels of each parameter that varies between the conditions, ascending."""
    levels: dict[str, list[Level]] = {}
    for condition in conditions:
        for parameter, level in condition:
            if level not in levels.setdefault(parameter, []):
                levels[parameter].append(level)
    return {
        parameter: sorted(values, key=lambda level: (isinstance(level, str), level))
        for parameter, values in levels.items()
        if len(values) > 1
    }


def average_level(conditions: Mapping[Condition, Scores], parameter: str, level: Level) -> Scores:
    """Average scores over the conditions in which a parameter has a level."""
    return average_conditions(
        {
            condition: scores
            for condition, scores in conditions.items()
            if (parameter, level) in condition
        }
    )


def interactions(
    conditions: Mapping[Condition, Scores], hybrid: float | None = None
) -> list[Interaction]:
    """Compare the gain of hybrid batches between any two levels of each crossed parameter.

    Args:
        conditions: the scores of each.
        hybrid: ratio of hybrid batches; None takes `hybrid_ratio`.

    Returns:
        An entry per parameter, pair of levels and pure strategy; none at one point, or without a
        hybrid and a pure ratio.
    """
    _check_same_questions(list(conditions.values()))
    rows = []
    generator = generator_of(next(iter(conditions.values())))
    for parameter, levels in levels_of(conditions).items():
        scores = {level: average_level(conditions, parameter, level) for level in levels}
        numbers = {level: score_by_cluster(of_level) for level, of_level in scores.items()}
        for first, second in combinations(levels, 2):
            for pure in PURE:
                levels_and_ratios = (first, second), (hybrid, pure)
                row = _interaction(scores, numbers, *levels_and_ratios, generator)
                if row is not None:
                    rows.append(Interaction(parameter, first, second, *row))
    return rows


def _interaction(
    scores: Mapping[Level, Scores],
    numbers: Mapping[Level, Floats],
    levels: tuple[Level, Level],
    chosen: tuple[float | None, float],
    generator: np.random.Generator,
) -> tuple[float, float, float, float, float, float, float, float, int, int] | None:
    ratios = scores[levels[0]].ratios
    hybrid, pure = hybrid_ratio(ratios, chosen[0]), chosen[1]
    if hybrid is None or pure not in ratios:
        return None
    seeds = sorted(set(scores[levels[0]].seeds) & set(scores[levels[1]].seeds))
    rows_ASG = []
    for level in levels:
        columns = [scores[level].seeds.index(seed) for seed in seeds]
        rows_ASG += [
            numbers[level][scores[level].ratios.index(ratio)][columns] for ratio in (hybrid, pure)
        ]
    values = np.stack(rows_ASG)
    shared = ~np.isnan(values[:, :, 0]).any(axis=0)
    if not shared.any():
        return None
    crossed = Crossed.of(values[:, shared])
    contrast = np.array([-1.0, 1.0, 1.0, -1.0])
    estimate, low, high, *counts = crossed.interval(contrast, scores[levels[0]].bounds)
    changes_G = np.tensordot(contrast, values[:, shared].mean(axis=1), axes=1)
    swapped = p_of_swaps(
        np.where(np.abs(changes_G) < crossed.dust, 0.0, changes_G)[None], generator
    )
    p = max(float(crossed.p_values(contrast[None])[0]), float(swapped[0]))
    gains = -float(contrast[:2] @ crossed.means[:2]), float(contrast[2:] @ crossed.means[2:])
    return hybrid, pure, *gains, estimate, low, high, p, counts[0], counts[1]


def _aligned(conditions: list[Scores]) -> list[Scores]:
    """Restrict conditions to the ratios and seeds that all of them have."""
    first = conditions[0]
    ratios = [r for r in first.ratios if all(r in scores.ratios for scores in conditions)]
    seeds = [s for s in first.seeds if all(s in scores.seeds for scores in conditions)]
    if not ratios or not seeds:
        raise ValueError("the conditions share no mixing ratio or no seed")
    _check_same_questions(conditions)
    aligned = []
    for scores in conditions:
        rows = [scores.ratios.index(ratio) for ratio in ratios]
        columns = [scores.seeds.index(seed) for seed in seeds]
        aligned.append(
            replace(
                scores,
                ratios=tuple(ratios),
                seeds=tuple(seeds),
                values=scores.values[np.ix_(rows, columns)],
            )
        )
    return aligned


def _check_same_questions(conditions: list[Scores]) -> None:
    first = conditions[0]
    layout = (first.questions, first.clusters, first.cells)
    if any((other.questions, other.clusters, other.cells) != layout for other in conditions):
        raise ValueError("the conditions were scored on different questions, clusters or cells")
