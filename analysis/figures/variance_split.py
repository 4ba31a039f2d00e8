"""What seeds, questions and their ties to the ratio add to a trial's figure."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures.style import SETTING_COLOURS, styled
from hybridir import names

_WIDTH = 500  # pixels
_STEP = 34  # pixels of a row, which holds a dot for each setting
_DOT = 60  # square pixels; a hollow one is white in its middle


class _VarianceSplitInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        parts: ``setting, source, in_mean, in_mean_low, in_mean_high, cancels``, standard
            deviations times 100.
        order: sources from top to bottom.
    """

    parts: pd.DataFrame
    order: list[str]


def variance_split(split: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw the variance split of `analysis.sections.variance`."""
    return _draw_variance_split(_get_variance_split_info(split))


def _get_variance_split_info(split: pd.DataFrame) -> _VarianceSplitInfo:
    percent = split[["in_mean", "in_mean_low", "in_mean_high"]] * 100
    parts = split[["setting", "source"]].join(percent)
    parts = parts.assign(
        cancels=split["in_difference"] == "no", label=split["setting"].map(names.LABELS)
    )
    return _VarianceSplitInfo(parts, list(dict.fromkeys(split["source"])))


def _draw_variance_split(info: _VarianceSplitInfo) -> alt.TopLevelMixin:
    labels = [names.LABELS[setting] for setting in SETTING_COLOURS]
    colour = alt.Color("label:N", title=None, legend=alt.Legend(orient="top")).scale(
        domain=labels, range=list(SETTING_COLOURS.values())
    )
    # Padding keeps dots at 0 off the names.
    axis = alt.Axis(grid=True, ticks=False, domain=False, labelLimit=0, labelPadding=10)
    base = alt.Chart(info.parts).encode(
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
    return styled(alt.layer(lines, dots, centres).properties(width=_WIDTH, height=height))
