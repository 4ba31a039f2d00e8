"""The search over time: each trial's objective, the best so far, and pruned and failed trials."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import BLUE, GREY, INK, VERMILION, bounded_axis, nice_ticks, styled
from hybridir import names

_WIDTH, _HEIGHT = 380, 220  # pixels of a panel
STATES = {"complete": BLUE, "pruned": GREY, "failed": VERMILION}
"""How a search trial ended, and its colour."""
SHAPES = ("circle", "triangle-down", "cross")
_WORDS = {names.COMPLETE: "complete", names.PRUNED: "pruned", names.FAIL: "failed"}


class _Panel(NamedTuple):
    """One objective.

    Attributes:
        objective: its name.
        trials: ``number, trial, outcome, value``; a failed trial has the lowest value of the
            axis, since it has none of its own.
        best: ``number, value``: the best complete trial so far.
        ticks: of the y axis.
    """

    objective: str
    trials: pd.DataFrame
    best: pd.DataFrame
    ticks: list[float]


class _SearchHistoryInfo(NamedTuple):
    """The panels from left to right."""

    panels: list[_Panel]


def plot_search_history(trials: pd.DataFrame, objectives: list[str]) -> alt.TopLevelMixin | None:
    """Draw the objectives of the search trials in their order.

    Args:
        trials: `search_trials`.
        objectives: names of their columns.

    Returns:
        The chart; None if no trial has a value.
    """
    info = _get_search_history_info(trials, objectives)
    return _draw_search_history(info) if info.panels else None


def search_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Select the search trials of `Study.trials` that ended, with ``number`` and ``outcome``."""
    rows = trials[(trials["phase"] == names.PHASE_SEARCH) & trials["state"].isin(_WORDS)]
    rows = rows.sort_values("trial").reset_index(drop=True)
    return rows.assign(number=range(1, len(rows) + 1), outcome=rows["state"].map(_WORDS))


def objective_ticks(values: "pd.Series[float]", objective: str) -> list[float]:
    """Choose the ticks of an objective's axis, within its range."""
    bounds = names.bounds_of(objective.rpartition("/")[2])
    return nice_ticks(float(values.min()), float(values.max()), bounds)


def _get_search_history_info(trials: pd.DataFrame, objectives: list[str]) -> _SearchHistoryInfo:
    panels = []
    for objective in objectives:
        if objective not in trials or trials[objective].notna().sum() == 0:
            continue
        ticks = objective_ticks(trials[objective].dropna(), objective)
        shown = trials[["number", "trial", "outcome"]].assign(value=trials[objective])
        failed = (shown["outcome"] == "failed") & shown["value"].isna()
        shown["value"] = shown["value"].where(~failed, ticks[0])
        complete = shown[shown["outcome"] == "complete"].dropna()
        so_far = complete["value"].cummin() if names.lower_is_better(objective) else None
        best = complete[["number"]].assign(
            value=complete["value"].cummax() if so_far is None else so_far
        )
        panels.append(_Panel(objective, shown.dropna(), best, ticks))
    return _SearchHistoryInfo(panels)


def _draw_search_history(info: _SearchHistoryInfo) -> alt.TopLevelMixin:
    return styled(compose.concat(*map(_draw_panel, info.panels), columns=2, spacing=30))


def _draw_panel(panel: _Panel) -> alt.LayerChart | alt.FacetChart:
    x = alt.X("number:Q", title="search trial").scale(nice=False, zero=False)
    x = x.axis(format="d", tickMinStep=1, grid=False)
    y = bounded_axis(alt.Y("value:Q", title=panel.objective), panel.ticks)
    line = alt.Chart(panel.best).mark_line(interpolate="step-after", color=INK, strokeWidth=1)
    points = (
        alt.Chart(panel.trials)
        .mark_point(filled=True, size=55, opacity=0.95)
        .encode(
            x=x,
            y=y,
            color=outcome_colour(),
            shape=alt.Shape("outcome:N").scale(domain=list(STATES), range=list(SHAPES)),
            tooltip=["trial:N", "outcome:N", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    return compose.layer(line.encode(x=x, y=y), points).properties(width=_WIDTH, height=_HEIGHT)


def outcome_colour() -> alt.Color:
    """Colour trials by how they ended."""
    legend = alt.Legend(orient="top", title=None)
    return alt.Color("outcome:N", legend=legend).scale(
        domain=list(STATES), range=list(STATES.values())
    )
