"""The power to detect a small difference, over the number of training seeds."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import BAND_OPACITY, GREY, SETTING_COLOURS, styled
from hybridir import names

_WIDTH, _HEIGHT = 290, 190  # pixels of a panel
_LEGEND = alt.Legend(orient="top", symbolOpacity=1)
_TARGETS = (0.8, 0.9)


class _PowerCurvesInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        power: ``setting, label, pure, scope, seeds, power, low, high``.
        panels: rows of (scope of the test, pure ratio).
    """

    power: pd.DataFrame
    panels: list[list[tuple[str, float]]]


def plot_power_curves(power: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw power over seeds: a column per pure strategy, a row per kind of test."""
    return _draw_power_curves(_get_power_curves_info(power))


def _get_power_curves_info(power: pd.DataFrame) -> _PowerCurvesInfo:
    pures = sorted(set(power["pure"]))
    panels = [[(scope, pure) for pure in pures] for scope in dict.fromkeys(power["scope"])]
    return _PowerCurvesInfo(power.assign(label=power["setting"].map(names.LABELS)), panels)


def _draw_power_curves(info: _PowerCurvesInfo) -> alt.TopLevelMixin:
    rows = [compose.hconcat(*(_panel(info, *panel) for panel in row)) for row in info.panels]
    return styled(compose.vconcat(*rows))


def _panel(info: _PowerCurvesInfo, scope: str, pure: float) -> alt.LayerChart | alt.FacetChart:
    table = info.power
    shown = table[(table["scope"] == scope) & (table["pure"] == pure)]
    labels = [names.LABELS[setting] for setting in SETTING_COLOURS]
    base = alt.Chart(shown).encode(
        x=alt.X("seeds:Q", title="training seeds").scale(type="log", nice=False, domain=(2, 50)),
        color=alt.Color("label:N", title=None, legend=_LEGEND).scale(
            domain=labels, range=list(SETTING_COLOURS.values())
        ),
    )
    base.encoding.x.axis = alt.Axis(values=[2, 3, 5, 10, 20, 50], grid=False)
    y = alt.Y("power:Q", title="power").scale(domain=(0, 1))
    band = base.mark_area(opacity=BAND_OPACITY).encode(
        alt.Y("low:Q", title="power").scale(domain=(0, 1)), alt.Y2("high:Q")
    )
    line = base.mark_line(strokeWidth=2).encode(y)
    dots = base.mark_point(filled=True, size=24, opacity=1).encode(
        y,
        tooltip=[
            "label:N",
            "seeds:Q",
            alt.Tooltip("power:Q", format=".3f"),
            alt.Tooltip("low:Q", title="from", format=".3f"),
            alt.Tooltip("high:Q", title="to", format=".3f"),
        ],
    )
    targets = alt.Chart(pd.DataFrame({"target": _TARGETS})).mark_rule(
        color=GREY, strokeDash=[3, 3]
    )
    title = f"against α = {pure:g}, on {scope}"
    return compose.layer(targets.encode(y="target:Q"), band, line, dots, title=title).properties(
        width=_WIDTH, height=_HEIGHT
    )
