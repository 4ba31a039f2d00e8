"""mAP over the mixing ratio at each level of a crossed parameter, a panel for each setting."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import (
    BAND_OPACITY,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    bounded_axis,
    nice_ticks,
    ratio_axis,
    styled,
)
from hybridir import names

_WIDTH, _HEIGHT = 222, 240  # pixels of a panel
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#56B4E9", "#D55E00", "#000000")


class _LevelCurvesInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        means: ``setting, level, mixing_ratio, mean, low, high, n_seeds, n_clusters``.
        settings: panels from left to right.
        levels: levels in ascending order, as text.
        title: name of the parameter.
    """

    means: pd.DataFrame
    settings: list[str]
    levels: list[str]
    title: str


def plot_level_curves(levels: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw the curves by level.

    Args:
        levels: rows of `tested.level_table` of one parameter.
    """
    return _draw_level_curves(_get_level_curves_info(levels))


def _get_level_curves_info(levels: pd.DataFrame) -> _LevelCurvesInfo:
    rows = levels[levels["measure"] == names.AP]
    text = rows["level"].map(lambda level: f"{level:g}" if isinstance(level, float) else level)
    means = rows.assign(level=text.astype(str)).drop(columns=["measure", "may_be_best"])
    parameter = str(rows["parameter"].iloc[0])
    return _LevelCurvesInfo(
        means.reset_index(drop=True),
        list(dict.fromkeys(rows["setting"])),
        list(dict.fromkeys(means["level"])),
        names.LABELS.get(parameter, parameter),
    )


def _draw_level_curves(info: _LevelCurvesInfo) -> alt.TopLevelMixin:
    colours = [_COLOURS[index % len(_COLOURS)] for index in range(len(info.levels))]
    colour = alt.Color(
        "level:N",
        title=info.title,
        sort=info.levels,
        legend=alt.Legend(orient="top", symbolOpacity=1),
    ).scale(domain=info.levels, range=colours)
    panels = []
    for setting in info.settings:
        rows = info.means[info.means["setting"] == setting]
        x = ratio_axis(("cross", "mono")).title(names.LABELS[names.MIXING_RATIO])
        base = alt.Chart(rows).encode(x=x, color=colour)
        band = base.mark_area(opacity=BAND_OPACITY).encode(
            alt.Y("low:Q", title=names.LABELS[names.AP]), alt.Y2("high:Q")
        )
        ticks = nice_ticks(rows["low"].min(), rows["high"].max(), names.bounds_of(names.AP))
        y = bounded_axis(alt.Y("mean:Q", title=names.LABELS[names.AP]), ticks)
        line = base.mark_line(strokeWidth=2).encode(y)
        dots = base.mark_point(filled=True, opacity=1, size=40, stroke="white").encode(
            y,
            tooltip=[
                alt.Tooltip("level:N", title=info.title),
                alt.Tooltip(f"{names.MIXING_RATIO}:Q", title=names.LABELS[names.MIXING_RATIO]),
                alt.Tooltip("mean:Q", title="mAP", format=".4f"),
                alt.Tooltip("low:Q", title="95 % from", format=".4f"),
                alt.Tooltip("high:Q", title="95 % to", format=".4f"),
                alt.Tooltip("n_seeds:Q", title="seeds"),
                alt.Tooltip("n_clusters:Q", title="clusters of questions"),
            ],
        )
        title = alt.Title(names.LABELS[setting], frame="group")
        panels.append(
            compose.layer(band, line, dots, title=title).properties(width=_WIDTH, height=_HEIGHT)
        )
    return styled(compose.hconcat(*panels, spacing=76, bounds="flush"))
