"""The time of every trial: seconds of training and evaluation, and training pairs per second."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import BLUE, GREY, ORANGE, styled
from hybridir import names

_STAGES = {"training": names.TRAIN_SECONDS, "evaluation": names.EVALUATION_SECONDS}
_COLOURS = (BLUE, ORANGE)
_HEIGHT = 440  # pixels; the whole height, where there are many trials
_STEP = 14  # pixels; a bar, where there are few trials
_READABLE = 9  # pixels; thinner bars leave no room for the names of trials


class _CostInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        seconds: ``trial, stage, seconds``: a row per trial and timed stage.
        speed: ``trial, pairs_per_second``.
        order: trials from top to bottom.
    """

    seconds: pd.DataFrame
    speed: pd.DataFrame
    order: list[str]


def plot_cost(trials: pd.DataFrame) -> alt.TopLevelMixin | None:
    """Draw the times of `Study.trials`; None without a timed trial."""
    info = _get_cost_info(trials)
    return None if info.seconds.empty else _draw_cost(info)


def _get_cost_info(trials: pd.DataFrame) -> _CostInfo:
    timed = trials.reindex(columns=["trial", *_STAGES.values(), names.TRAIN_PAIRS_PER_SECOND])
    stages = timed.rename(columns={metric: stage for stage, metric in _STAGES.items()})
    seconds = stages.melt("trial", list(_STAGES), var_name="stage", value_name="seconds").dropna()
    speed = timed.rename(columns={names.TRAIN_PAIRS_PER_SECOND: "pairs_per_second"})
    speed = speed[["trial", "pairs_per_second"]].dropna().reset_index(drop=True)
    order = [trial for trial in timed["trial"] if trial in set(seconds["trial"])]
    return _CostInfo(seconds.reset_index(drop=True), speed, order)


def _draw_cost(info: _CostInfo) -> alt.TopLevelMixin:
    step = max(2, min(_STEP, _HEIGHT // len(info.order)))
    height = step * len(info.order)
    axis = alt.Axis(title=None, labels=step >= _READABLE, ticks=False, domain=False)
    y = alt.Y("trial:N", sort=info.order, axis=axis)
    bars = (
        alt.Chart(info.seconds, title="time per trial")
        .mark_bar()
        .encode(
            y=y,
            x=alt.X("sum(seconds):Q", title="seconds"),
            color=alt.Color("stage:N", title=None, legend=alt.Legend(orient="bottom")).scale(
                domain=list(_STAGES), range=list(_COLOURS)
            ),
            order=alt.Order("stage:N", sort="descending"),
            tooltip=["trial:N", "stage:N", alt.Tooltip("seconds:Q", format=".1f")],
        )
    )
    speed = (
        alt.Chart(info.speed, title="training speed")
        .mark_point(filled=True, color=GREY, size=30, opacity=0.9)
        .encode(
            y=y.axis(alt.Axis(title=None, labels=False, ticks=False, domain=False, grid=True)),
            x=alt.X("pairs_per_second:Q", title="training pairs per second")
            .axis(tickCount=4, format=",~f")
            .scale(zero=True),
            tooltip=["trial:N", alt.Tooltip("pairs_per_second:Q", format=".1f")],
        )
    )
    left = bars.properties(width=480, height=height)
    right = speed.properties(width=250, height=height)
    if info.speed.empty:
        return styled(left)
    return styled(compose.hconcat(left, right, spacing=30, bounds="flush"))
