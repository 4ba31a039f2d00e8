"""First hits over the mixing ratio: right or wrong, in the question's language or another one."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import BLUE, INK, ORANGE, VERMILION, ratio_axis, styled
from hybridir import names

_WIDTH, _HEIGHT = 620, 260  # pixels
_BLUE_PALE = "#7fb8d8"
# Right ones in blue and wrong ones in red; the full colour is the question's own language.
_COLOURS = dict(zip(names.FIRST_HITS, (BLUE, _BLUE_PALE, VERMILION, ORANGE), strict=True))


class _FirstHitsInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        shares: ``kind, label, order, mixing_ratio, share, low, high, n_seeds, n_clusters``.
        labels: kinds from the bottom to the top.
    """

    shares: pd.DataFrame
    labels: list[str]


def plot_first_hits(curve: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw the four shares of `names.FIRST_HITS`, which add up to 1, over the mixing ratio.

    Args:
        curve: `confirmed.curve_table`.
    """
    return _draw_first_hits(_get_first_hits_info(curve))


def _get_first_hits_info(curve: pd.DataFrame) -> _FirstHitsInfo:
    rows = curve[curve["measure"].isin(names.FIRST_HITS)]
    shares = pd.DataFrame(
        {
            "kind": rows["measure"],
            "label": rows["measure"].map(names.LABELS),
            "order": rows["measure"].map(names.FIRST_HITS.index),
            names.MIXING_RATIO: rows[names.MIXING_RATIO],
            "share": rows["mean"],
            **{column: rows[column] for column in ("low", "high", "n_seeds", "n_clusters")},
        }
    )
    labels = [names.LABELS[kind] for kind in names.FIRST_HITS]
    return _FirstHitsInfo(shares.reset_index(drop=True), labels)


def _draw_first_hits(info: _FirstHitsInfo) -> alt.TopLevelMixin:
    colour = alt.Color(
        "label:N",
        title=None,
        sort=info.labels,
        legend=alt.Legend(orient="top", columns=2, labelLimit=0),
    ).scale(domain=info.labels, range=list(_COLOURS.values()))
    base = alt.Chart(info.shares).encode(
        x=ratio_axis(),
        y=alt.Y("share:Q", title="share of first hits", stack="zero").scale(domain=(0, 1)),
        color=colour,
        order=alt.Order("order:Q"),
    )
    areas = base.mark_area(opacity=0.85, line={"color": "white", "strokeWidth": 1})
    points = base.mark_point(filled=True, size=28, color=INK, opacity=0.9).encode(
        color=alt.value(INK),
        tooltip=[
            alt.Tooltip("label:N", title="first hit"),
            alt.Tooltip(f"{names.MIXING_RATIO}:Q", title=names.LABELS[names.MIXING_RATIO]),
            alt.Tooltip("share:Q", format=".4f"),
            alt.Tooltip("low:Q", title="95 % from", format=".4f"),
            alt.Tooltip("high:Q", title="95 % to", format=".4f"),
            alt.Tooltip("n_seeds:Q", title="seeds"),
            alt.Tooltip("n_clusters:Q", title="clusters of questions"),
        ],
    )
    return styled(compose.layer(areas, points).properties(width=_WIDTH, height=_HEIGHT))
