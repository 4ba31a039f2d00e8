"""The section on monolingual against cross-lingual mAP: ratios that no other beats in both."""

import numpy as np
import pandas as pd

from analysis.figures.tradeoff import tradeoff
from analysis.page.model import Figure, Section, Table
from analysis.study.arrays import Key
from hybridir import names
from hybridir.inference import Crossed, score_by_question
from hybridir.inference.scores import Scores

_AXES = {"mono": names.MONOLINGUAL, "cross": names.CROSSLINGUAL}


def tradeoff_section(benchmark: str, scores: dict[Key, Scores]) -> Section | None:
    """Show the Pareto front of the confirmed ratios; None without both settings."""
    if any((names.AP, setting) not in scores for setting in _AXES.values()):
        return None
    points = pareto_table({axis: scores[names.AP, one] for axis, one in _AXES.items()})
    n = f"n = {points['n_seeds'].max()} seeds × {points['n_questions'].max():,} questions."
    caption = (
        f"Monolingual against cross-lingual mAP on {benchmark} by mixing ratio. Crosses are 95 % "
        "intervals of a mean over random seeds and questions, one axis at a time; ratios share "
        "the questions, so that they differ by less than crosses suggest. Filled: on the Pareto "
        f"front of the means, which has no interval. {n}"
    )
    columns = {names.MIXING_RATIO: "α"}
    for axis, setting in _AXES.items():
        columns |= {axis: names.LABELS[setting], f"{axis}_low": "95 % from"}
        columns |= {f"{axis}_high": "95 % to"}
    columns |= {"front": "on the front", "n_seeds": "seeds", "n_questions": "questions"}
    return Section(
        f"Trade-off on {benchmark}",
        figures=[Figure(f"tradeoff-{benchmark}", tradeoff(points).to_dict(), caption)],
        tables=[Table(f"tradeoff-{benchmark}", points, columns, "The points of the figure.")],
    )


def pareto_table(found: dict[str, Scores]) -> pd.DataFrame:
    """Tabulate both means of every ratio and whether another ratio is better in both.

    Args:
        found: ``mono`` and ``cross`` to their scores, of the same trials.

    Returns:
        Columns ``mixing_ratio, mono, mono_low, mono_high, cross, cross_low, cross_high, front,
        n_seeds, n_questions``.
    """
    spread = {axis: score_by_question(one) for axis, one in found.items()}
    rows = []
    for index, ratio in enumerate(found["mono"].ratios):
        row: dict[str, float | int] = {names.MIXING_RATIO: ratio}
        for axis, one in found.items():
            values_SQ = spread[axis][index, one.trained[index]]
            mean = Crossed.of(values_SQ[None]).interval(np.ones(1))
            row |= {axis: mean.estimate, f"{axis}_low": mean.low, f"{axis}_high": mean.high}
            row |= {"n_seeds": mean.n_seeds, "n_questions": mean.n_questions}
        rows.append(row)
    table = pd.DataFrame(rows)
    mono, cross = table["mono"].to_numpy(), table["cross"].to_numpy()
    front = [
        not ((mono >= m) & (cross >= c) & ((mono > m) | (cross > c))).any()
        for m, c in zip(mono, cross, strict=True)
    ]
    return table.assign(front=["yes" if one else "no" for one in front])
