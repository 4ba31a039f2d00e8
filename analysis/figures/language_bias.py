"""Language bias over the mixing ratio: mAP, rank distance and own-language first hits."""

import json
from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import (
    BAND_OPACITY,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SEED_OPACITY,
    bounded_axis,
    log_ticks,
    nice_ticks,
    ratio_axis,
    styled,
)
from hybridir import names

_WIDTH, _HEIGHT = 222, 220  # pixels of one panel; three and their axes fill a page
_TICKS = 5
_LOG_FROM = 10.0  # ratio of the highest to the lowest rank distance that calls for a log axis

_PANELS = (
    ("mAP in the multilingual pool", (names.AP,), (GREEN,)),
    ("rank distance", (names.RANK_DISTANCE, names.RANK_DISTANCE_SEEN), (PURPLE, ORANGE)),
    (
        "in the question's language",
        (names.TOP1_OWN_LANGUAGE, names.LANGUAGE_PREFERENCE),
        (PURPLE, BLUE),
    ),
)


class _Panel(NamedTuple):
    """One panel: its title, measures, their colours, means, seeds, and kind of y axis."""

    title: str
    measures: tuple[str, ...]
    colours: tuple[str, ...]
    means: pd.DataFrame
    seeds: pd.DataFrame
    logarithmic: bool


class _LanguageBiasInfo(NamedTuple):
    """The panels from left to right; a panel without values is left out."""

    panels: tuple[_Panel, ...]


def plot_language_bias(curve: pd.DataFrame, seeds: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw mAP in the pool, rank distance and the share of own-language first hits."""
    return _draw_language_bias(_get_language_bias_info(curve, seeds))


def _get_language_bias_info(curve: pd.DataFrame, seeds: pd.DataFrame) -> _LanguageBiasInfo:
    panels = []
    for title, measures, colours in _PANELS:
        means = _pool_rows(curve, measures)
        if means.empty:
            continue
        present = tuple(measure for measure in measures if (means["measure"] == measure).any())
        lowest, highest = means["low"].min(), means["high"].max()
        wide = lowest > 0 and highest / lowest >= _LOG_FROM
        panels.append(
            _Panel(
                title,
                present,
                colours[: len(present)],
                means.assign(label=means["measure"].map(names.LABELS)),
                _pool_rows(seeds, measures),
                logarithmic=measures[0] == names.RANK_DISTANCE and bool(wide),
            )
        )
    return _LanguageBiasInfo(tuple(panels))


def _pool_rows(table: pd.DataFrame, measures: tuple[str, ...]) -> pd.DataFrame:
    rows = (table["setting"] == names.MULTILINGUAL) & table["measure"].isin(measures)
    return table[rows].reset_index(drop=True)


def _draw_language_bias(info: _LanguageBiasInfo) -> alt.TopLevelMixin:
    panels = compose.hconcat(*map(_draw_panel, info.panels), spacing=76, bounds="flush")
    return styled(panels.resolve_scale(color="independent"))


def _draw_panel(panel: _Panel) -> alt.LayerChart | alt.FacetChart:
    x = ratio_axis(("cross", "mono")).title(names.LABELS[names.MIXING_RATIO])
    legend = alt.Legend(
        orient="bottom",
        title=None,
        labelExpr=_SHORT,
        offset=4,
        fillColor="#ffffffcc",
        symbolOpacity=1,
    )
    colour = alt.Color("measure:N", legend=legend if len(panel.measures) > 1 else None).scale(
        domain=list(panel.measures), range=list(panel.colours)
    )
    title = "ranks, log scale" if panel.logarithmic else None
    bounds = names.bounds_of(panel.measures[0])
    lowest, highest = float(panel.means["low"].min()), float(panel.means["high"].max())
    values = panel.seeds["value"]
    spread = nice_ticks(min(lowest, values.min()), max(highest, values.max()), bounds, _TICKS)
    y = bounded_axis(alt.Y("mean:Q", title=title), spread)
    if panel.logarithmic:
        ticks = log_ticks(lowest, highest)
        y = alt.Y("mean:Q", title=title).axis(values=ticks, format=",~f")
        y = y.scale(type="log", domain=[ticks[0], ticks[-1]])
    means = alt.Chart(panel.means).encode(x=x, color=colour)
    band = means.mark_area(opacity=BAND_OPACITY).encode(
        alt.Y("low:Q", title=title), alt.Y2("high:Q")
    )
    line = means.mark_line(strokeWidth=2).encode(y)
    dots = means.mark_point(filled=True, opacity=1, size=40, stroke="white").encode(
        y,
        tooltip=[
            alt.Tooltip("label:N", title="measure"),
            alt.Tooltip(f"{names.MIXING_RATIO}:Q", title=names.LABELS[names.MIXING_RATIO]),
            alt.Tooltip("mean:Q", title="mean", format=".4~f"),
            alt.Tooltip("low:Q", title="95 % from", format=".4~f"),
            alt.Tooltip("high:Q", title="95 % to", format=".4~f"),
            alt.Tooltip("n_seeds:Q", title="seeds"),
        ],
    )
    seeds = (
        alt.Chart(panel.seeds)
        .mark_point(filled=True, size=10, xOffset=7, opacity=SEED_OPACITY, clip=False)
        .encode(x=x, y=alt.Y("value:Q"), color=colour)
    )
    return compose.layer(band, line, seeds, dots, title=panel.title).properties(
        width=_WIDTH, height=_HEIGHT
    )


_LEGEND = {
    names.RANK_DISTANCE: "all languages",
    names.RANK_DISTANCE_SEEN: "seen languages",
    names.TOP1_OWN_LANGUAGE: "first hit",
    names.LANGUAGE_PREFERENCE: "first relevant passage",
}
_SHORT = f"{json.dumps(_LEGEND)}[datum.value]"
