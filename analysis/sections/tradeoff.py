"""The section on monolingual against cross-lingual mAP: the Pareto front of the ratios."""

from functools import partial

import numpy as np
import pandas as pd

from analysis.figures.tradeoff import plot_tradeoff
from analysis.page import Figure, Section, Table
from analysis.sections.wording import SAMPLE, others, sample_text
from analysis.study.arrays import Key
from hybridir import names
from hybridir.inference import Crossed, score_by_cluster
from hybridir.inference.scores import Scores

_AXES = {"mono": names.MONOLINGUAL, "cross": names.CROSSLINGUAL}


def measure_tradeoff(scores: dict[Key, Scores]) -> pd.DataFrame | None:
    """Tabulate the trade-off, see `pareto_table`; None without both settings or for one ratio."""
    if any((names.AP, setting) not in scores for setting in _AXES.values()):
        return None
    if len(scores[names.AP, names.MONOLINGUAL].ratios) == 1:
        return None
    return pareto_table({axis: scores[names.AP, setting] for axis, setting in _AXES.items()})


def pareto_table(scores_by_axis: dict[str, Scores]) -> pd.DataFrame:
    """Tabulate both means of every ratio and whether another ratio is better in both.

    Args:
        scores_by_axis: ``mono`` and ``cross`` to their scores, from the same trials.

    Returns:
        Columns ``mixing_ratio, mono, mono_low, mono_high, cross, cross_low, cross_high, front,
        n_seeds, n_clusters``.
    """
    by_cluster = {axis: score_by_cluster(scores) for axis, scores in scores_by_axis.items()}
    rows = []
    for index, ratio in enumerate(scores_by_axis["mono"].ratios):
        row: dict[str, float | int] = {names.MIXING_RATIO: ratio}
        for axis, scores in scores_by_axis.items():
            values_SG = by_cluster[axis][index, scores.trained[index]]
            mean = Crossed.of(values_SG[None]).interval(np.ones(1), scores.bounds)
            row |= {axis: mean.estimate, f"{axis}_low": mean.low, f"{axis}_high": mean.high}
            row |= {"n_seeds": mean.n_seeds, "n_clusters": mean.n_clusters}
        rows.append(row)
    table = pd.DataFrame(rows)
    mono, cross = table["mono"].to_numpy(), table["cross"].to_numpy()
    dominated = [
        ((mono >= m) & (cross >= c) & ((mono > m) | (cross > c))).any()
        for m, c in zip(mono, cross, strict=True)
    ]
    return table.assign(front=np.where(dominated, "no", "yes"))


def tradeoff_section(benchmark: str, points: pd.DataFrame) -> Section:
    """Show the Pareto front of the confirmed ratios.

    Args:
        benchmark: its name.
        points: `pareto_table`.
    """
    caption = (
        f"Monolingual against cross-lingual mAP on {benchmark}, by mixing ratio. Crosses are 95 "
        f"% intervals for {others(points)}, one axis at a time. Ratios "
        "share the questions, so they differ by less than the crosses suggest. Filled dots are "
        f"on the Pareto front of the means, which has no interval. {sample_text(points)}"
    )
    columns = {names.MIXING_RATIO: "α"}
    for axis, setting in _AXES.items():
        columns |= {axis: names.LABELS[setting], f"{axis}_low": "95 % from"}
        columns |= {f"{axis}_high": "95 % to"}
    columns |= {"front": "on the front", **SAMPLE}
    return Section(
        f"Trade-off on {benchmark}",
        figures=[Figure(f"tradeoff-{benchmark}", partial(plot_tradeoff, points), caption)],
        tables=[Table(f"tradeoff-{benchmark}", points, columns, "The points of the figure.")],
    )
