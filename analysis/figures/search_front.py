"""Two objectives of a search against each other, and the trials that no other one beats."""

from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from analysis.figures import compose
from analysis.figures.search_history import objective_ticks
from analysis.figures.style import BLUE, INK, bounded_axis, styled
from hybridir import names

_SIDE = 380  # pixels


class _SearchFrontInfo(NamedTuple):
    """``trial, first, second, front``, the front from left to right, and the objectives."""

    points: pd.DataFrame
    front: pd.DataFrame
    objectives: tuple[str, str]


def front_table(trials: pd.DataFrame, objectives: list[str]) -> pd.DataFrame:
    """Tabulate the objectives of the complete search trials.

    Args:
        trials: `search_history.search_trials`.
        objectives: two or more columns.

    Returns:
        Columns ``trial``, the objectives, and ``front``: ``yes`` where no other trial is as good
        in all objectives and better in one.
    """
    complete = trials[trials["outcome"] == "complete"].dropna(subset=objectives)
    signs = np.where([names.lower_is_better(objective) for objective in objectives], -1.0, 1.0)
    values = complete[objectives].to_numpy(dtype=float) * signs
    beaten = [
        bool(((values >= row).all(axis=1) & (values > row).any(axis=1)).any()) for row in values
    ]
    table = complete[["trial", *objectives]].assign(front=np.where(beaten, "no", "yes"))
    return table.reset_index(drop=True)


def plot_search_front(table: pd.DataFrame, objectives: tuple[str, str]) -> alt.TopLevelMixin:
    """Draw `front_table` for its first two objectives."""
    return _draw_search_front(_get_search_front_info(table, objectives))


def _get_search_front_info(table: pd.DataFrame, objectives: tuple[str, str]) -> _SearchFrontInfo:
    first, second = objectives
    points = pd.DataFrame(
        {
            "trial": table["trial"],
            "first": table[first],
            "second": table[second],
            "front": table["front"],
        }
    )
    return _SearchFrontInfo(
        points, points[points["front"] == "yes"].sort_values("first"), objectives
    )


def _draw_search_front(info: _SearchFrontInfo) -> alt.TopLevelMixin:
    x, y = (
        bounded_axis(channel, objective_ticks(info.points[axis], objective))
        for axis, objective, channel in (
            ("first", info.objectives[0], alt.X("first:Q", title=info.objectives[0])),
            ("second", info.objectives[1], alt.Y("second:Q", title=info.objectives[1])),
        )
    )
    line = alt.Chart(info.front).mark_line(color=BLUE).encode(x=x, y=y, order="first:Q")
    base = alt.Chart(info.points).encode(x=x, y=y)
    dots = base.mark_point(size=60, opacity=1, stroke=BLUE).encode(
        fill=alt.condition("datum.front == 'yes'", alt.value(BLUE), alt.value("white")),
        tooltip=[
            "trial:N",
            alt.Tooltip("first:Q", title=info.objectives[0], format=".4f"),
            alt.Tooltip("second:Q", title=info.objectives[1], format=".4f"),
        ],
    )
    text = (
        base.transform_filter("datum.front == 'yes'")
        .mark_text(align="left", dx=8, dy=-8, color=INK, fontSize=11)
        .encode(text="trial:N")
    )
    return styled(compose.layer(line, dots, text).properties(width=_SIDE, height=_SIDE))
