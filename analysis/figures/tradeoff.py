"""Monolingual against cross-lingual mAP: a cross per mixing ratio, a filled Pareto front."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import BLUE, INK, bounded_axis, nice_ticks, styled
from hybridir import names

_SIDE = 400  # pixels


class _TradeoffInfo(NamedTuple):
    """The points of the Pareto table with labels, and the front from left to right."""

    points: pd.DataFrame
    front: pd.DataFrame


def plot_tradeoff(points: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw `analysis.sections.tradeoff.pareto_table`."""
    return _draw_tradeoff(_get_tradeoff_info(points))


def _get_tradeoff_info(points: pd.DataFrame) -> _TradeoffInfo:
    shown = points.assign(label=[f"α = {ratio:g}" for ratio in points[names.MIXING_RATIO]])
    return _TradeoffInfo(shown, shown[shown["front"] == "yes"].sort_values("cross"))


def _draw_tradeoff(info: _TradeoffInfo) -> alt.TopLevelMixin:
    x, y = (
        bounded_axis(
            channel,
            nice_ticks(
                info.points[f"{axis}_low"].min(),
                info.points[f"{axis}_high"].max(),
                names.bounds_of(names.AP),
            ),
        )
        for axis, channel in (
            ("cross", alt.X("cross:Q", title="cross-lingual mAP")),
            ("mono", alt.Y("mono:Q", title="monolingual mAP")),
        )
    )
    base = alt.Chart(info.points).encode(x=x, y=y)
    wide = base.mark_rule(color=BLUE, opacity=0.5).encode(
        alt.X("cross_low:Q", title="cross-lingual mAP"), alt.X2("cross_high:Q")
    )
    high = base.mark_rule(color=BLUE, opacity=0.5).encode(
        alt.Y("mono_low:Q", title="monolingual mAP"), alt.Y2("mono_high:Q")
    )
    line = alt.Chart(info.front).mark_line(color=BLUE).encode(x=x, y=y, order="cross:Q")
    dots = base.mark_point(size=60, opacity=1, stroke=BLUE).encode(
        fill=alt.condition("datum.front == 'yes'", alt.value(BLUE), alt.value("white"))
    )
    text = base.mark_text(align="left", dx=8, dy=-8, color=INK).encode(text="label:N")
    layers = compose.layer(line, wide, high, dots, text)
    return styled(layers.properties(width=_SIDE, height=_SIDE))
