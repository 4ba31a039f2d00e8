"""mAP of every language pair, and the gain of hybrid batches over the better pure strategy."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import INK, LOSS_TO_GAIN, SEQUENTIAL, styled
from hybridir import names
from hybridir.languages import name_of

_SIDE = 390  # pixels of a full map
_CELL = 72  # pixels; largest width of a cell


class _LanguagePairsInfo(NamedTuple):
    """The contents of the two maps.

    Attributes:
        levels: ``query_language, pool_language, query, pool, map`` at `ratio`.
        ratio: mixing ratio of `levels`.
        gains: the same with ``gain``, mAP at `hybrid` minus the higher of mAP at 0 and at 1,
            times 100; empty without a hybrid ratio or without both pure strategies.
        hybrid: mixing ratio of `gains`.
        languages: rows and columns, sorted.
    """

    levels: pd.DataFrame
    ratio: float
    gains: pd.DataFrame
    hybrid: float | None
    languages: list[str]


def plot_language_pairs(
    languages: pd.DataFrame, ratio: float, hybrid: float | None
) -> alt.TopLevelMixin:
    """Draw `confirmed.language_table` at one ratio, and the gain of the hybrid ratio."""
    return _draw_language_pairs(_get_language_pairs_info(languages, ratio, hybrid))


def _get_language_pairs_info(
    languages: pd.DataFrame, ratio: float, hybrid: float | None
) -> _LanguagePairsInfo:
    pair = [names.QUERY_LANGUAGE, names.POOL_LANGUAGE]
    by_ratio = languages.pivot(index=pair, columns=names.MIXING_RATIO, values="map")
    levels = by_ratio[ratio].rename("map").reset_index()
    if hybrid is not None and {0.0, 1.0} <= set(by_ratio.columns):
        gain = 100 * (by_ratio[hybrid] - by_ratio[[0.0, 1.0]].max(axis=1))
    else:
        gain = pd.Series(dtype=float, index=by_ratio.index[:0])
    order = sorted({*levels[names.QUERY_LANGUAGE], *levels[names.POOL_LANGUAGE]})
    gains = gain.rename("gain").reset_index()
    return _LanguagePairsInfo(_with_names(levels), ratio, _with_names(gains), hybrid, order)


def _with_names(table: pd.DataFrame) -> pd.DataFrame:
    """Add the languages' English names, for tooltips."""
    query, pool = table[names.QUERY_LANGUAGE], table[names.POOL_LANGUAGE]
    return table.assign(query=query.map(name_of), pool=pool.map(name_of))


def _draw_language_pairs(info: _LanguagePairsInfo) -> alt.TopLevelMixin:
    values = info.levels["map"]
    middle = float(values.min() + values.max()) / 2
    left = _heat_map(
        info,
        info.levels,
        "map",
        f"mAP at α = {info.ratio:g}",
        alt.Scale(scheme=SEQUENTIAL),
        f"datum.map > {middle}",
    )
    if info.gains.empty:
        return styled(left)
    # All gains may be 0, and a domain needs a length.
    reach = max(float(info.gains["gain"].abs().max()), 1e-6)
    right = _heat_map(
        info,
        info.gains,
        "gain",
        f"gain of α = {info.hybrid:g} over the better pure strategy, × 100",
        alt.Scale(domain=(-reach, 0, reach), range=list(LOSS_TO_GAIN), interpolate="rgb"),
        f"abs(datum.gain) < {0.8 * reach}",
    )
    both = compose.hconcat(left, right, spacing=60, bounds="flush")
    return styled(both.resolve_scale(color="independent"))


def _heat_map(
    info: _LanguagePairsInfo,
    table: pd.DataFrame,
    field: str,
    title: str,
    scale: alt.Scale,
    dark_text: str,
) -> alt.LayerChart | alt.FacetChart:
    cell = min(_CELL, _SIDE // len(info.languages))
    plain = alt.Axis(labelAngle=0, domain=False, ticks=False)
    pool, query = f"{names.POOL_LANGUAGE}:N", f"{names.QUERY_LANGUAGE}:N"
    # 0 is added so that a loss which rounds to 0 is not "-0.0".
    shown = table.assign(shown=table[field].round(1) + 0.0 if field == "gain" else table[field])
    base = alt.Chart(shown).encode(
        x=alt.X(pool, title="pool language", sort=info.languages, axis=plain),
        y=alt.Y(query, title="question language", sort=info.languages, axis=plain),
    )
    levels = field == "map"
    short, exact = (".2f", ".4f") if levels else ("+.1f", "+.2f")
    side = cell * len(info.languages)
    # Below each map, since a legend at the right would pass for one of both.
    legend = alt.Legend(title=None, orient="bottom", gradientThickness=9, format=short)
    rectangles = base.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.Color(f"{field}:Q", scale=scale, legend=legend),
        tooltip=[
            alt.Tooltip("query:N", title="question in"),
            alt.Tooltip("pool:N", title="pool in"),
            alt.Tooltip(f"{field}:Q", title="mAP" if levels else "gain × 100", format=exact),
        ],
    )
    numbers = base.mark_text(fontSize=11 if cell < 40 else 12).encode(
        text=alt.Text("shown:Q", format=short),
        color=alt.condition(dark_text, alt.value(INK), alt.value("white")),
    )
    return compose.layer(rectangles, numbers, title=title).properties(width=side, height=side)
