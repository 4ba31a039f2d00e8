"""Variance components: the contribution of seeds, clusters and interactions to a trial's mAP."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import SETTING_COLOURS, styled
from hybridir import names

_WIDTH = 500  # pixels
_STEP = 34  # pixels of a row with a dot per setting
_DOT = 60  # square pixels; hollow dots are white in the middle


class _VarianceComponentsInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        components: ``setting, label, source, in_mean, in_mean_low, in_mean_high, cancels``;
            standard deviations times 100.
        order: sources from top to bottom.
    """

    components: pd.DataFrame
    order: list[str]


def plot_variance_components(components: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw the components of `analysis.sections.variance.component_table`."""
    return _draw_variance_components(_get_variance_components_info(components))


def _get_variance_components_info(components: pd.DataFrame) -> _VarianceComponentsInfo:
    percent = components[["in_mean", "in_mean_low", "in_mean_high"]] * 100
    shown = components[["setting", "source"]].join(percent)
    shown = shown.assign(
        cancels=components["in_difference"] == "no",
        label=components["setting"].map(names.LABELS),
    )
    return _VarianceComponentsInfo(shown, list(dict.fromkeys(components["source"])))


def _draw_variance_components(info: _VarianceComponentsInfo) -> alt.TopLevelMixin:
    labels = [names.LABELS[setting] for setting in SETTING_COLOURS]
    colour = alt.Color("label:N", title=None, legend=alt.Legend(orient="top")).scale(
        domain=labels, range=list(SETTING_COLOURS.values())
    )
    # The padding separates dots at 0 from the names.
    axis = alt.Axis(grid=True, ticks=False, domain=False, labelLimit=0, labelPadding=10)
    base = alt.Chart(info.components).encode(
        y=alt.Y("source:N", sort=info.order, title=None, axis=axis),
        yOffset=alt.YOffset("label:N", sort=labels).scale(paddingOuter=0.4),
        color=colour,
    )
    title = "standard deviation in a trial's mAP × 100"
    lines = base.mark_rule(strokeWidth=1.6).encode(
        alt.X("in_mean_low:Q", title=title), alt.X2("in_mean_high:Q")
    )
    dots = base.mark_point(filled=True, size=_DOT, opacity=1).encode(
        x=alt.X("in_mean:Q", title=title),
        tooltip=[
            "label:N",
            "source:N",
            alt.Tooltip("in_mean:Q", title="sd × 100", format=".3f"),
            alt.Tooltip("in_mean_low:Q", title="95 % from", format=".3f"),
            alt.Tooltip("in_mean_high:Q", title="95 % to", format=".3f"),
        ],
    )
    height = _STEP * len(info.order)
    hollow = base.transform_filter("datum.cancels")
    centres = hollow.mark_point(filled=True, size=_DOT / 4, opacity=1).encode(
        x=alt.X("in_mean:Q", title=title), color=alt.value("white")
    )
    return styled(compose.layer(lines, dots, centres).properties(width=_WIDTH, height=height))
