"""Dots with intervals for gains over the two pure strategies, shared by several figures."""

from typing import Final

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import BLUE, GREY, VERMILION

PURE_LABELS: Final = {
    0.0: "minus cross-lingual batches alone (α = 0)",
    1.0: "minus monolingual batches alone (α = 1)",
}
_COLOURS: Final = (VERMILION, BLUE)  # as the settings that the pure strategies train
_DOT = 60  # square pixels; hollow dots are white in the middle


def gain_layers(
    rows: pd.DataFrame, y: alt.Y, reach: list[float], label_fields: list[str], margin: int = 0
) -> alt.LayerChart | alt.FacetChart:
    """Draw a dot and an interval per row and pure strategy.

    Args:
        rows: ``strategy, difference, low, high, p_holm`` times 100, and the field of `y`; rows
            with a true value in the optional column ``contrast`` get hollow dots.
        y: channel of the rows.
        reach: lowest and highest value of the x axis.
        label_fields: first fields of the tooltip.
        margin: minimum number of pixels left of the panel, to align panels in a column.

    Returns:
        The layers, with a rule at 0.
    """
    present = [label for label in PURE_LABELS.values() if label in set(rows["strategy"])]
    colour = alt.Color(
        "strategy:N",
        title=None,
        legend=alt.Legend(orient="top", direction="horizontal", labelLimit=0),
    ).scale(domain=list(PURE_LABELS.values()), range=list(_COLOURS))
    title = "gain in mAP × 100"
    x = alt.X("difference:Q", title=title, axis=alt.Axis(tickCount=5))
    base = alt.Chart(rows.assign(contrast=rows.get("contrast", False))).encode(
        y=y.axis(alt.Axis(grid=True, ticks=False, domain=False, labelLimit=0, minExtent=margin)),
        yOffset=alt.YOffset("strategy:N", sort=present).scale(paddingInner=0.1, paddingOuter=0.3),
        color=colour,
    )
    domain = alt.Scale(domain=[min(reach[0], 0.0), max(reach[1], 0.0)], nice=True)
    intervals = base.mark_rule(strokeWidth=1.6).encode(
        alt.X("low:Q", scale=domain, title=title), alt.X2("high:Q")
    )
    dots = base.mark_point(filled=True, size=_DOT, opacity=1).encode(
        x=x,
        tooltip=[
            *label_fields,
            "strategy:N",
            alt.Tooltip("difference:Q", title="gain × 100", format="+.2f"),
            alt.Tooltip("low:Q", title="95 % from", format="+.2f"),
            alt.Tooltip("high:Q", title="95 % to", format="+.2f"),
            alt.Tooltip("p_holm:Q", title="p, Holm", format=".3g"),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=GREY, strokeDash=[3, 3])
    hollow = base.transform_filter("datum.contrast")
    centres = hollow.mark_point(filled=True, size=_DOT / 4, opacity=1).encode(
        x=x, color=alt.value("white")
    )
    return compose.layer(zero.encode(x="zero:Q"), intervals, dots, centres)
