"""The confirmed curves of several studies, one panel per setting."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures.style import (
    BAND_OPACITY,
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    VERMILION,
    ratio_axis,
    styled,
)
from hybridir import names

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, INK)
"""One colour per study; their number limits a comparison."""
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")
_WIDTH, _HEIGHT = 222, 240  # pixels of one panel; three and their axes fill a page


class _StudyCurvesInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        means: ``study, setting, mixing_ratio, mean, low, high, n_seeds, n_clusters`` of mAP.
        settings: panels from left to right.
        studies: in the order of the rows.
    """

    means: pd.DataFrame
    settings: list[str]
    studies: list[str]


def plot_study_curves(curves: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw `confirmed.curve_table` of several studies, with a further column ``study``."""
    return _draw_study_curves(_get_study_curves_info(curves))


def _get_study_curves_info(curves: pd.DataFrame) -> _StudyCurvesInfo:
    means = curves[curves["measure"] == names.AP].reset_index(drop=True)
    present = set(means["setting"])
    settings = [setting for setting in names.SETTINGS if setting in present]
    return _StudyCurvesInfo(means, list(settings), list(dict.fromkeys(means["study"])))


def _draw_study_curves(info: _StudyCurvesInfo) -> alt.TopLevelMixin:
    panels = [
        _draw_panel(info, setting, info.means[info.means["setting"] == setting])
        for setting in info.settings
    ]
    return styled(alt.hconcat(*panels, spacing=56, bounds="flush"))


def _draw_panel(
    info: _StudyCurvesInfo, setting: str, means: pd.DataFrame
) -> alt.LayerChart | alt.FacetChart:
    x = ratio_axis(("cross", "mono")).title(names.LABELS[names.MIXING_RATIO])
    legend = alt.Legend(orient="bottom", title=None, columns=2, labelLimit=300, symbolOpacity=1)
    colour = alt.Color("study:N", legend=legend).scale(
        domain=info.studies, range=list(COLOURS[: len(info.studies)])
    )
    # Shapes too, for readers who cannot tell the colours apart.
    shape = alt.Shape("study:N", legend=legend).scale(
        domain=info.studies, range=list(_SHAPES[: len(info.studies)])
    )
    y = alt.Y("mean:Q", title="mAP" if setting == info.settings[0] else None)
    y = y.axis(tickCount=5, format="~g").scale(zero=False)
    base = alt.Chart(means).encode(x=x, color=colour)
    band = base.mark_area(opacity=BAND_OPACITY).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    line = base.mark_line(strokeWidth=2).encode(y)
    dots = base.mark_point(filled=True, opacity=1, size=45).encode(
        y,
        shape=shape,
        tooltip=[
            alt.Tooltip("study:N"),
            alt.Tooltip(f"{names.MIXING_RATIO}:Q", title=names.LABELS[names.MIXING_RATIO]),
            alt.Tooltip("mean:Q", title="mAP", format=".4f"),
            alt.Tooltip("low:Q", title="95 % from", format=".4f"),
            alt.Tooltip("high:Q", title="95 % to", format=".4f"),
            alt.Tooltip("n_seeds:Q", title="seeds"),
            alt.Tooltip("n_clusters:Q", title="clusters of questions"),
        ],
    )
    title = alt.Title(names.LABELS[setting], frame="group")
    return alt.layer(band, line, dots, title=title).properties(width=_WIDTH, height=_HEIGHT)
