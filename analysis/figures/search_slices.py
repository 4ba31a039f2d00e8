"""The objective over each searched parameter; of a categorical one, its effect."""

from typing import NamedTuple

import altair as alt
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from analysis.figures import compose
from analysis.figures.search_history import SHAPES, STATES, objective_ticks, outcome_colour
from analysis.figures.style import INK, bounded_axis, log_ticks, styled
from hybridir import names

_WIDTH, _HEIGHT, _COLUMNS = 225, 170, 3  # pixels of a panel; panels of a row
_OF_A_CHOICE = 2  # trials of a value, on average, that make a number a choice among a few
_FEW = 6  # letters of a level that stands upright


class _Slice(NamedTuple):
    """One parameter.

    Attributes:
        parameter: its name.
        points: ``x, value, trial, outcome``; x is text for a categorical parameter, or a choice.
        means: ``x, value``: mean of the complete trials at each level of a categorical one.
        levels: levels of a categorical parameter or a choice, none for a number.
        logarithmic: whether a number is drawn on a log axis.
    """

    parameter: str
    points: pd.DataFrame
    means: pd.DataFrame
    levels: list[str]
    logarithmic: bool


class _SearchSlicesInfo(NamedTuple):
    """The panels in order, and the ticks of the y axis of all."""

    slices: list[_Slice]
    objective: str
    ticks: list[float]


def varied_parameters(trials: pd.DataFrame, parameters: tuple[str, ...]) -> list[str]:
    """Name the parameters that differ between search trials, the seed aside."""
    own = {names.SEED, names.BASELINE, names.DATA_PART}
    candidates = [name for name in parameters if name in trials and name not in own]
    return [name for name in candidates if trials[name].dropna().nunique() > 1]


def plot_search_slices(
    trials: pd.DataFrame, parameters: dict[str, bool], objective: str
) -> alt.TopLevelMixin | None:
    """Draw a panel for each parameter.

    Args:
        trials: `search_history.search_trials`.
        parameters: `varied_parameters`, and whether the search drew each in the logarithm.
        objective: column of the objective.

    Returns:
        The chart; None without a parameter that was varied, or without a value.
    """
    info = _get_search_slices_info(trials, parameters, objective)
    return _draw_search_slices(info) if info.slices else None


def _get_search_slices_info(
    trials: pd.DataFrame, parameters: dict[str, bool], objective: str
) -> _SearchSlicesInfo:
    if objective not in trials or trials[objective].notna().sum() == 0:
        return _SearchSlicesInfo([], objective, [])
    scored = trials.dropna(subset=[objective])
    slices = []
    for parameter, logarithmic in parameters.items():
        rows = scored.dropna(subset=[parameter])
        x = rows[parameter]
        distinct = sorted(set(x), key=str if x.dtype == object else None)
        numeric = is_numeric_dtype(x) and not is_bool_dtype(x)
        numeric = numeric and _OF_A_CHOICE * len(distinct) > len(x)
        points = pd.DataFrame(
            {
                "x": x if numeric else x.map(_text),
                "value": rows[objective],
                "trial": rows["trial"],
                "outcome": rows["outcome"],
            }
        )
        levels = [] if numeric else [*dict.fromkeys(map(_text, distinct))]
        complete = points[points["outcome"] == "complete"]
        at_levels = complete if levels else complete[:0]
        means = at_levels.groupby("x")["value"].mean().reset_index()
        slices.append(_Slice(parameter, points, means, levels, logarithmic and numeric))
    return _SearchSlicesInfo(slices, objective, objective_ticks(scored[objective], objective))


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _draw_search_slices(info: _SearchSlicesInfo) -> alt.TopLevelMixin:
    panels = [_draw_slice(entry, info) for entry in info.slices]
    return styled(compose.concat(*panels, columns=_COLUMNS, spacing=24))


def _draw_slice(entry: _Slice, info: _SearchSlicesInfo) -> alt.LayerChart | alt.FacetChart:
    title = names.LABELS.get(entry.parameter, entry.parameter)
    y = bounded_axis(alt.Y("value:Q", title=info.objective), info.ticks)
    points = (
        alt.Chart(entry.points)
        .mark_point(filled=True, size=50, opacity=0.9)
        .encode(
            x=_axis(entry, title),
            y=y,
            color=outcome_colour(),
            shape=alt.Shape("outcome:N").scale(domain=list(STATES), range=list(SHAPES)),
            tooltip=[
                "trial:N",
                "outcome:N",
                alt.Tooltip("x", type="nominal", title=title),
                alt.Tooltip("value:Q", title=info.objective, format=".4f"),
            ],
        )
    )
    if not entry.levels:
        return compose.layer(points).properties(width=_WIDTH, height=_HEIGHT)
    bars = alt.Chart(entry.means).mark_tick(thickness=3, size=34, color=INK)
    means = bars.encode(x=_axis(entry, title), y=y)
    return compose.layer(points, means).properties(width=_WIDTH, height=_HEIGHT)


def _axis(entry: _Slice, title: str) -> alt.X:
    if entry.levels:
        upright = max(map(len, entry.levels)) > _FEW and len(entry.levels) > 2
        axis = alt.Axis(labelAngle=-35 if upright else 0, grid=False)
        return alt.X("x:O", title=title, sort=entry.levels, axis=axis)
    if entry.logarithmic:
        low, high = float(entry.points["x"].min()), float(entry.points["x"].max())
        axis = alt.Axis(values=log_ticks(low, high), format=",~f", grid=False, labelOverlap=True)
        return alt.X("x:Q", title=f"{title} (log scale)", axis=axis).scale(
            type="log", nice=False, padding=8
        )
    axis = alt.Axis(tickCount=4, format=",~f", grid=False)
    return alt.X("x:Q", title=title, axis=axis).scale(zero=False, nice=False, padding=8)
