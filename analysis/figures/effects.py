"""Main effects of the searched parameters, and how one changes with another."""

from itertools import combinations
from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from analysis.effects.response_surface import PARAMETERS, Surface, decoded, predict
from analysis.figures.style import BAND_OPACITY, BLUE, VERMILION, log_ticks, styled
from hybridir import names

_WIDTH, _HEIGHT = 185, 170  # pixels of a panel; three and their axes fill a page
_POINTS = 41  # of a curve
_ENDS = {"lowest": -1.0, "highest": 1.0}


class _Panel(NamedTuple):
    """One panel: what moves along x, what differs by colour ("" for nothing), and the curves.

    Attributes:
        along: parameter of the x axis.
        other: parameter that is held at its ends.
        curves: ``x, end, mean, low, high``.
    """

    along: str
    other: str
    curves: pd.DataFrame


class _EffectsInfo(NamedTuple):
    """The panels of main effects, those of interactions, and the range of all of them."""

    main: list[_Panel]
    pairs: list[_Panel]
    reach: tuple[float, float]


def effects(surface: Surface, measure: str) -> alt.TopLevelMixin:
    """Draw the main effects, and below them the interactions that were fitted."""
    return _draw_effects(_get_effects_info(surface), measure)


def _get_effects_info(surface: Surface) -> _EffectsInfo:
    main = [_panel(surface, name, "") for name in surface.parameters]
    pairs = [
        _panel(surface, one, other)
        for one, other in combinations(surface.parameters, 2)
        if (one, other) in surface.terms
    ]
    curves = pd.concat([panel.curves for panel in (*main, *pairs)])
    return _EffectsInfo(main, pairs, (float(curves["low"].min()), float(curves["high"].max())))


def _panel(surface: Surface, along: str, other: str) -> _Panel:
    coded = np.linspace(-1.0, 1.0, _POINTS)
    curves = []
    for end, value in _ENDS.items() if other else [("middle", 0.0)]:
        points = pd.DataFrame(0.0, index=range(_POINTS), columns=list(PARAMETERS))
        points[along] = coded
        if other:
            points[other] = value
        where = f"{decoded(surface, other, np.array(value)):.3g}" if other else ""
        curve = predict(surface, points).assign(x=decoded(surface, along, coded), end=end)
        curves.append(curve.assign(where=where))
    return _Panel(along, other, pd.concat(curves, ignore_index=True))


def _draw_effects(info: _EffectsInfo, measure: str) -> alt.TopLevelMixin:
    rows = [
        alt.hconcat(
            *(_draw_panel(panel, info.reach, measure) for panel in panels), spacing=24
        ).resolve_scale(color="independent")
        for panels in (info.main, info.pairs)
        if panels
    ]
    return styled(alt.vconcat(*rows).resolve_scale(color="independent"))


def _draw_panel(
    panel: _Panel, reach: tuple[float, float], measure: str
) -> alt.LayerChart | alt.FacetChart:
    x = alt.X("x:Q", title=names.LABELS[panel.along]).scale(nice=False)
    if panel.along != names.MIXING_RATIO:
        low, high = float(panel.curves["x"].min()), float(panel.curves["x"].max())
        powers = range(round(np.log2(low)), round(np.log2(high)) + 1)
        sizes = panel.along == names.BATCH_SIZE
        ticks = [2.0**power for power in powers] if sizes else log_ticks(low, high)
        x = x.scale(type="log", nice=False).axis(values=ticks, format="~g", grid=False)
    base = alt.Chart(panel.curves).encode(x=x)
    if panel.other:
        levels = list(dict.fromkeys(panel.curves["where"]))
        legend = alt.Legend(orient="top", symbolOpacity=1)
        colour = alt.Color("where:N", title=names.LABELS[panel.other], legend=legend)
        base = base.encode(color=colour.scale(domain=levels, range=[BLUE, VERMILION]))
    else:
        base = base.encode(color=alt.value(BLUE))
    scale = alt.Scale(domain=reach, zero=False)
    band = base.mark_area(opacity=BAND_OPACITY).encode(
        alt.Y("low:Q", title=measure, scale=scale), alt.Y2("high:Q")
    )
    line = base.mark_line(strokeWidth=2).encode(
        alt.Y("mean:Q", title=measure, scale=scale),
        tooltip=[alt.Tooltip(f"{name}:Q", format=".4f") for name in ("x", "mean", "low", "high")],
    )
    return alt.layer(band, line).properties(width=_WIDTH, height=_HEIGHT)
