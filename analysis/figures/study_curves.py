"""The confirmed curves of several studies, one panel per setting."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import (
    BAND_OPACITY,
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    VERMILION,
    bounded_axis,
    nice_ticks,
    ratio_axis,
    styled,
)
from hybridir import names

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, INK)
"""One colour per study; their number limits a comparison."""
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")
_WIDTH, _HEIGHT = 210, 220  # pixels of one panel; three and their axes fill a page
_MARGIN = 62  # pixels left of a panel, so that curve and gains are aligned
_STEP = 16  # pixels of a study's gain
_OVER = {0.0: "over α = 0", 1.0: "over α = 1"}


class _StudyCurvesInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        means: ``study, setting, mixing_ratio, mean, low, high, n_seeds, n_clusters`` of mAP.
        settings: panels from left to right.
        studies: in the order of the rows.
        gains: ``study, setting, hybrid, label, difference, low, high`` of mAP.
    """

    means: pd.DataFrame
    settings: list[str]
    studies: list[str]
    gains: pd.DataFrame


def plot_study_curves(curves: pd.DataFrame, gains: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw the curves of several studies and, below them, the gains of hybrid batches.

    Args:
        curves: `confirmed.curve_table` of all studies, with a further column ``study``.
        gains: `tested.gain_table`, the same; may have no row.
    """
    return _draw_study_curves(_get_study_curves_info(curves, gains))


def _get_study_curves_info(curves: pd.DataFrame, gains: pd.DataFrame) -> _StudyCurvesInfo:
    means = curves[curves["measure"] == names.AP].reset_index(drop=True)
    present = set(means["setting"])
    settings = [setting for setting in names.SETTINGS if setting in present]
    shown = gains[gains["measure"] == names.AP]
    shown = shown[["study", "setting", "hybrid", "pure", "difference", "low", "high"]]
    shown = shown.assign(label=shown["pure"].map(_OVER)).reset_index(drop=True)
    return _StudyCurvesInfo(means, list(settings), list(dict.fromkeys(means["study"])), shown)


def _draw_study_curves(info: _StudyCurvesInfo) -> alt.TopLevelMixin:
    columns = []
    for setting in info.settings:
        curve = _draw_panel(info, setting, info.means[info.means["setting"] == setting])
        gains = info.gains[info.gains["setting"] == setting]
        rows = [curve] if gains.empty else [curve, _draw_gains(info, gains)]
        columns.append(compose.vconcat(*rows, spacing=14))
    return styled(compose.hconcat(*columns, spacing=20))


def _draw_gains(info: _StudyCurvesInfo, gains: pd.DataFrame) -> alt.LayerChart | alt.FacetChart:
    hybrids = set(gains["hybrid"])
    hybrid = f"α = {hybrids.pop():g}" if len(hybrids) == 1 else "hybrid batches"
    title = f"gain of {hybrid} in mAP"
    margin = alt.Axis(ticks=False, domain=False, grid=True, minExtent=_MARGIN, maxExtent=_MARGIN)
    y = alt.Y("label:N", title=None, sort=list(_OVER.values()), axis=margin)
    base = alt.Chart(gains).encode(
        y=y,
        yOffset=alt.YOffset("study:N", sort=info.studies),
        color=_colour(info, legend=False),
    )
    intervals = base.mark_rule(strokeWidth=2).encode(
        alt.X("low:Q", title=title, axis=alt.Axis(tickCount=4)), alt.X2("high:Q")
    )
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=alt.X("difference:Q", title=title),
        shape=_shape(info, legend=False),
        tooltip=[
            alt.Tooltip("study:N"),
            alt.Tooltip("hybrid:Q", title="α of hybrid batches"),
            alt.Tooltip("label:N", title="gain"),
            alt.Tooltip("difference:Q", title="mAP", format="+.4f"),
            alt.Tooltip("low:Q", title="95 % from", format="+.4f"),
            alt.Tooltip("high:Q", title="95 % to", format="+.4f"),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=INK, strokeDash=[3, 3])
    height = _STEP * len(info.studies) * gains["label"].nunique()
    return compose.layer(zero.encode(x="zero:Q"), intervals, dots).properties(
        width=_WIDTH, height=height
    )


def _legend() -> alt.Legend:
    return alt.Legend(orient="bottom", title=None, columns=2, labelLimit=300, symbolOpacity=1)


def _colour(info: _StudyCurvesInfo, *, legend: bool) -> alt.Color:
    return alt.Color("study:N", legend=_legend() if legend else None).scale(
        domain=info.studies, range=list(COLOURS[: len(info.studies)])
    )


def _shape(info: _StudyCurvesInfo, *, legend: bool) -> alt.Shape:
    """Tell the studies apart for readers who cannot tell the colours apart."""
    return alt.Shape("study:N", legend=_legend() if legend else None).scale(
        domain=info.studies, range=list(_SHAPES[: len(info.studies)])
    )


def _draw_panel(
    info: _StudyCurvesInfo, setting: str, means: pd.DataFrame
) -> alt.LayerChart | alt.FacetChart:
    x = ratio_axis(("cross", "mono")).title(names.LABELS[names.MIXING_RATIO])
    colour = _colour(info, legend=True)
    y = alt.Y("mean:Q", title="mAP" if setting == info.settings[0] else None)
    ticks = nice_ticks(means["low"].min(), means["high"].max(), names.bounds_of(names.AP))
    y = bounded_axis(y, ticks, minExtent=_MARGIN, maxExtent=_MARGIN)
    base = alt.Chart(means).encode(x=x, color=colour)
    band = base.mark_area(opacity=BAND_OPACITY).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    line = base.mark_line(strokeWidth=2).encode(y)
    dots = base.mark_point(filled=True, opacity=1, size=45).encode(
        y,
        shape=_shape(info, legend=True),
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
    return compose.layer(band, line, dots, title=title).properties(width=_WIDTH, height=_HEIGHT)
