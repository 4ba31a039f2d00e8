"""Main effects of the searched parameters, and their interactions."""

from itertools import combinations
from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from analysis.effects.response_surface import PARAMETERS, Surface, decoded, predict
from analysis.figures import compose
from analysis.figures.style import BAND_OPACITY, BLUE, VERMILION, log_ticks, styled
from hybridir import names

_WIDTH, _HEIGHT = 185, 170  # pixels of a panel; three and their axes fill a page
_POINTS = 41  # of a curve
_ENDS = {"lowest": -1.0, "highest": 1.0}


class _Panel(NamedTuple):
    """One panel.

    Attributes:
        along: parameter on the x axis.
        held: parameter fixed at its ends, one colour each; "" in a panel of a main effect.
        curves: ``x, end, mean, low, high, level``.
    """

    along: str
    held: str
    curves: pd.DataFrame


class _SearchEffectsInfo(NamedTuple):
    """The panels of main effects and of interactions, and the range of the y axis of all."""

    main: list[_Panel]
    interactions: list[_Panel]
    reach: tuple[float, float]


def plot_search_effects(surface: Surface, measure: str) -> alt.TopLevelMixin:
    """Draw the main effects and, below them, the fitted interactions."""
    return _draw_search_effects(_get_search_effects_info(surface), measure)


def _get_search_effects_info(surface: Surface) -> _SearchEffectsInfo:
    main = [_panel(surface, name, "") for name in surface.parameters]
    interactions = [
        _panel(surface, *pair)
        for pair in combinations(surface.parameters, 2)
        if pair in surface.terms
    ]
    curves = pd.concat([panel.curves for panel in (*main, *interactions)])
    reach = (float(curves["low"].min()), float(curves["high"].max()))
    return _SearchEffectsInfo(main, interactions, reach)


def _panel(surface: Surface, along: str, held: str) -> _Panel:
    coded = np.linspace(-1.0, 1.0, _POINTS)
    curves = []
    for end, value in _ENDS.items() if held else [("middle", 0.0)]:
        points = pd.DataFrame(0.0, index=range(_POINTS), columns=list(PARAMETERS))
        points[along] = coded
        if held:
            points[held] = value
        level = f"{decoded(surface, held, np.array(value)):.3g}" if held else ""
        curve = predict(surface, points).assign(x=decoded(surface, along, coded), end=end)
        curves.append(curve.assign(level=level))
    return _Panel(along, held, pd.concat(curves, ignore_index=True))


def _draw_search_effects(info: _SearchEffectsInfo, measure: str) -> alt.TopLevelMixin:
    rows = [
        compose.hconcat(
            *(_draw_panel(panel, info.reach, measure) for panel in panels), spacing=24
        ).resolve_scale(color="independent")
        for panels in (info.main, info.interactions)
        if panels
    ]
    return styled(compose.vconcat(*rows).resolve_scale(color="independent"))


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
    if panel.held:
        levels = list(dict.fromkeys(panel.curves["level"]))
        legend = alt.Legend(orient="top", symbolOpacity=1)
        colour = alt.Color("level:N", title=names.LABELS[panel.held], legend=legend)
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
    return compose.layer(band, line).properties(width=_WIDTH, height=_HEIGHT)
