"""The answer in a figure: a panel per setting, with the curve and the gains of hybrid batches.

Levels differ by far more between settings and questions than between ratios, so that one axis for
all settings, and intervals of levels, would hide what is asked for. Each setting has its own axis,
and the paired differences, whose intervals are what is tested, stand below it.
"""

from typing import NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import (
    BAND_OPACITY,
    BLUE,
    GREY,
    INK,
    SEED_OPACITY,
    SETTING_COLOURS,
    VERMILION,
    bounded_axis,
    nice_ticks,
    ratio_axis,
    styled,
)
from hybridir import names

_NOT_DRAWN = ["sd_seeds", "loss", "loss_at_most", "may_be_best"]
_WIDTH, _HEIGHT, _STEP = 210, 230, 34  # pixels of a panel, and of a row of gains
_MARGIN = 62  # pixels left of a panel, so that the two of a setting are aligned
_ASIDE = 7  # pixels from a mean to its single seeds, on the right
_GAP = 0.06  # share of a panel's values between its highest interval and the optimum's
_LEVEL = 0.05  # of adjusted p-values
_PURE = {0.0: "over α = 0", 1.0: "over α = 1"}
_VERDICTS = {"gain": BLUE, "loss": VERMILION, "not distinguished": GREY}
_TICKS = 4
_ANY = (-np.inf, np.inf)  # bounds of a gain


class _RatioCurveInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        means: ``setting, mixing_ratio, mean, low, high, n_seeds, n_clusters, best``.
        seeds: ``setting, mixing_ratio, seed, value``.
        fits: ``setting, mixing_ratio, fit, fit_low, fit_high``: smooth curves.
        joined: `means` of the settings without a smooth curve.
        optima: ``setting, best, may_be_best, low, high, position``: intervals of the best ratio
            and their height.
        gains: ``setting, hybrid, pure, difference, low, high, p_holm, label, verdict``.
        title: title of the y axis.
        bounds: lowest and highest possible value of the measure.
    """

    means: pd.DataFrame
    seeds: pd.DataFrame
    fits: pd.DataFrame
    joined: pd.DataFrame
    optima: pd.DataFrame
    gains: pd.DataFrame
    title: str
    bounds: tuple[float, float]


def plot_ratio_curve(
    curve: pd.DataFrame,
    seeds: pd.DataFrame,
    fits: pd.DataFrame,
    optima: pd.DataFrame,
    gains: pd.DataFrame,
    measure: str = names.AP,
) -> alt.TopLevelMixin:
    """Draw the confirmed curves, the value of every seed, and the gains over pure strategies.

    Args:
        curve: `confirmed.curve_table`.
        seeds: `confirmed.seed_table`.
        fits: `tested.fit_table`.
        optima: `tested.optimum_table`.
        gains: `tested.gain_table` with ``p_holm``; may have no row.
        measure: measure that is drawn.
    """
    tables = (curve, seeds, fits, optima, gains)
    of_measure = (table[table["measure"] == measure] for table in tables)
    return _draw_ratio_curve(_get_ratio_curve_info(*of_measure))


def _get_ratio_curve_info(
    curve: pd.DataFrame,
    seeds: pd.DataFrame,
    fits: pd.DataFrame,
    optima: pd.DataFrame,
    gains: pd.DataFrame,
) -> _RatioCurveInfo:
    """Prepare the tables of one measure."""
    measure = str(curve["measure"].iloc[0])
    title, bounds = names.LABELS[measure], names.bounds_of(measure)
    means = curve.drop(columns=["measure", *_NOT_DRAWN])
    by_setting = means.groupby("setting")
    means = means.assign(best=means["mean"] == by_setting["mean"].transform("max"))
    smooth = fits.drop(columns="measure")
    joined = means[~means["setting"].isin(smooth["setting"])]
    tops, bottoms = by_setting["high"].max(), by_setting["low"].min()
    bounded = optima[optima["bounded"]]
    height = bounded["setting"].map(tops + _GAP * (tops - bottoms)).astype(float)
    height = height.clip(*bounds)
    bars = bounded.assign(position=height)
    bars = bars[["setting", "best", "may_be_best", "low", "high", "position"]]
    shown = gains[["setting", "hybrid", "pure", "difference", "low", "high", "p_holm"]]
    shown = shown.assign(
        label=shown["pure"].map(_PURE),
        verdict=[_verdict(*row) for row in zip(shown["difference"], shown["p_holm"], strict=True)],
    )
    tables = (means, seeds.drop(columns="measure"), smooth, joined, bars, shown)
    return _RatioCurveInfo._make(
        [*(table.reset_index(drop=True) for table in tables), title, bounds]
    )


def _verdict(difference: float, p_holm: float) -> str:
    if p_holm >= _LEVEL:
        return "not distinguished"
    return "gain" if difference > 0 else "loss"


def _draw_ratio_curve(info: _RatioCurveInfo) -> alt.TopLevelMixin:
    present = [name for name in names.SETTINGS if name in set(info.means["setting"])]
    panels = [_draw_setting(info, setting, first=setting == present[0]) for setting in present]
    return styled(compose.hconcat(*panels, spacing=12))


def _draw_setting(
    info: _RatioCurveInfo, setting: str, *, first: bool
) -> alt.VConcatChart | alt.LayerChart | alt.FacetChart:
    """Draw one column: the curve, and below it the gains."""
    *tables, title, bounds = info
    chosen = (table[table["setting"] == setting] for table in tables)
    info = _RatioCurveInfo._make([*chosen, title, bounds])
    curve = _draw_curve(info, SETTING_COLOURS[setting], first=first)
    curve = curve.properties(width=_WIDTH, height=_HEIGHT, title=names.LABELS[setting])
    if info.gains.empty:
        return curve
    gains = _draw_gains(info.gains, title)
    return compose.vconcat(
        curve, gains.properties(width=_WIDTH, height=_STEP * len(info.gains)), spacing=14
    )


def _draw_curve(
    info: _RatioCurveInfo, colour: str, *, first: bool
) -> alt.LayerChart | alt.FacetChart:
    x = ratio_axis().title(names.LABELS[names.MIXING_RATIO])
    drawn = pd.concat(
        [
            info.means[["low", "high"]].stack(),
            info.fits[["fit_low", "fit_high"]].stack(),
            info.seeds["value"],
            info.optima["position"],
        ]
    ).to_numpy(dtype=float)
    ticks = nice_ticks(np.nanmin(drawn), np.nanmax(drawn), info.bounds, _TICKS)
    y = alt.Y("mean:Q", title=info.title if first else None)
    y = bounded_axis(y, ticks, minExtent=_MARGIN, maxExtent=_MARGIN)
    painted = alt.value(colour)
    tables = (info.means, info.seeds, info.fits, info.joined)
    means, seeds, fits, joined = (alt.Chart(table).encode(x=x, color=painted) for table in tables)
    ratio = alt.Tooltip(f"{names.MIXING_RATIO}:Q", title=names.LABELS[names.MIXING_RATIO])
    layers = (
        joined.mark_area(opacity=BAND_OPACITY).encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        fits.mark_area(opacity=BAND_OPACITY).encode(alt.Y("fit_low:Q"), alt.Y2("fit_high:Q")),
        means.mark_rule(strokeWidth=1.2, opacity=SEED_OPACITY).encode(
            alt.Y("low:Q"), alt.Y2("high:Q")
        ),
        joined.mark_line(strokeWidth=2.2).encode(y),
        fits.mark_line(strokeWidth=2.2).encode(alt.Y("fit:Q")),
        alt.Chart(info.optima)
        .mark_rule(strokeWidth=4, strokeCap="round", opacity=0.8)
        .encode(
            x=alt.X("low:Q"),
            x2=alt.X2("high:Q"),
            y=alt.Y("position:Q"),
            color=painted,
            tooltip=[
                alt.Tooltip("best:Q", title="best confirmed α", format=".2f"),
                alt.Tooltip("may_be_best:N", title="may be best"),
                alt.Tooltip("low:Q", title="95 % from", format=".2f"),
                alt.Tooltip("high:Q", title="95 % to", format=".2f"),
            ],
        ),
        seeds.mark_point(filled=True, size=12, xOffset=_ASIDE, opacity=SEED_OPACITY).encode(
            y=alt.Y("value:Q"),
            tooltip=[
                ratio,
                alt.Tooltip(f"{names.SEED}:Q"),
                alt.Tooltip("value:Q", title=info.title, format=".4f"),
            ],
        ),
        means.mark_point(filled=True, opacity=1, stroke="white", strokeWidth=1).encode(
            y,
            size=alt.condition("datum.best", alt.value(110), alt.value(45)),
            tooltip=[
                alt.Tooltip("setting:N"),
                ratio,
                alt.Tooltip("mean:Q", title=info.title, format=".4f"),
                alt.Tooltip("low:Q", title="95 % from", format=".4f"),
                alt.Tooltip("high:Q", title="95 % to", format=".4f"),
                alt.Tooltip("n_seeds:Q", title="seeds"),
                alt.Tooltip("n_clusters:Q", title="clusters of questions"),
            ],
        ),
    )
    # Vega warns about an axis without values.
    return compose.layer(*(layer for layer in layers if len(layer.data)))


def _draw_gains(gains: pd.DataFrame, title: str) -> alt.LayerChart | alt.FacetChart:
    gained = f"gain of α = {gains['hybrid'].iloc[0]:g} in {title}"
    ends = gains[["low", "high", "difference"]].to_numpy(dtype=float)
    # From 0 or to 0, so that it is labelled.
    ticks = nice_ticks(min(np.nanmin(ends), 0.0), max(np.nanmax(ends), 0.0), _ANY, _TICKS)
    x = bounded_axis(alt.X("difference:Q", title=gained), ticks, width=_WIDTH)
    y = alt.Y(
        "label:N",
        title=None,
        sort=list(_PURE.values()),
        axis=alt.Axis(
            ticks=False,
            domain=False,
            grid=True,
            labelPadding=6,
            minExtent=_MARGIN,
            maxExtent=_MARGIN,
        ),
    )
    colour = alt.Color("verdict:N", legend=None).scale(
        domain=list(_VERDICTS), range=list(_VERDICTS.values())
    )
    # 0 is added so that a loss which rounds to 0 is not "-0.000".
    shown = gains.assign(shown=gains["difference"].round(3) + 0.0)
    base = alt.Chart(shown).encode(y=y, color=colour)
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=x,
        tooltip=[
            alt.Tooltip("verdict:N"),
            alt.Tooltip("difference:Q", title=title, format="+.4f"),
            alt.Tooltip("low:Q", title="95 % from", format="+.4f"),
            alt.Tooltip("high:Q", title="95 % to", format="+.4f"),
            alt.Tooltip("p_holm:Q", title="p, Holm", format=".3g"),
        ],
    )
    figure = alt.Text("shown:Q", format="+.3f")
    text = base.mark_text(dy=-11, fontSize=11).encode(x=x, text=figure)
    # White around the figures, so that the rule at 0 does not run through them.
    halo = base.mark_text(dy=-11, fontSize=11, stroke="white", strokeWidth=4).encode(
        x=x, text=figure
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=INK, strokeDash=[3, 3])
    intervals = base.mark_rule(strokeWidth=2).encode(
        alt.X("low:Q", title=gained), alt.X2("high:Q")
    )
    return compose.layer(zero.encode(x=alt.X("zero:Q")), intervals, dots, halo, text)
