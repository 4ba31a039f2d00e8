"""mAP, or F1 at R, over the mixing ratio in the three settings."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures.style import (
    BAND_OPACITY,
    SEED_OPACITY,
    SETTING_COLOURS,
    ratio_axis,
    styled,
)
from hybridir import names

_NOT_DRAWN = ["sd_seeds", "loss", "loss_at_most", "may_be_best"]
_WIDTH, _HEIGHT = 700, 380  # pixels
_ASIDE = 10  # pixels from a mean to its single seeds, on the right
_LABEL_GAP = 0.055  # share of the y range between labels: a line of 13 px on 380 px, and space


class _RatioCurveInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        means: ``setting, mixing_ratio, mean, low, high, n_seeds, n_clusters, best``.
        seeds: ``setting, mixing_ratio, seed, value``.
        labels: ``setting, label, mixing_ratio, position``: place of each curve's name.
        fits: ``setting, mixing_ratio, fit, fit_low, fit_high``: smooth curves.
        joined: `means` of the settings without a smooth curve.
        optima: ``setting, best, may_be_best, low, high, position``: intervals of the best ratio
            and their height.
        title: title of the y axis.
    """

    means: pd.DataFrame
    seeds: pd.DataFrame
    labels: pd.DataFrame
    fits: pd.DataFrame
    joined: pd.DataFrame
    optima: pd.DataFrame
    title: str


def plot_ratio_curve(
    curve: pd.DataFrame,
    seeds: pd.DataFrame,
    fits: pd.DataFrame,
    optima: pd.DataFrame,
    measure: str = names.AP,
) -> alt.TopLevelMixin:
    """Draw the confirmed curves with their intervals and the value of every seed.

    Args:
        curve: `confirmed.curve_table`.
        seeds: `confirmed.seed_table`.
        fits: `tested.fit_table`.
        optima: `tested.optimum_table`.
        measure: measure that is drawn.
    """
    tables = (table[table["measure"] == measure] for table in (curve, seeds, fits, optima))
    return _draw_ratio_curve(_get_ratio_curve_info(*tables))


def _get_ratio_curve_info(
    curve: pd.DataFrame, seeds: pd.DataFrame, fits: pd.DataFrame, optima: pd.DataFrame
) -> _RatioCurveInfo:
    """Prepare the tables of one measure."""
    title = names.LABELS[str(curve["measure"].iloc[0])]
    means = curve.drop(columns=["measure", *_NOT_DRAWN])
    means = means.assign(best=means["mean"] == means.groupby("setting")["mean"].transform("max"))
    points = seeds.drop(columns="measure")
    last = means[means[names.MIXING_RATIO] == means[names.MIXING_RATIO].max()]
    shown = pd.concat([means["low"], means["high"], points["value"]])
    gap = _LABEL_GAP * float(shown.max() - shown.min())
    labels = pd.DataFrame(
        {
            "setting": last["setting"],
            "label": last["setting"].map(names.LABELS),
            names.MIXING_RATIO: last[names.MIXING_RATIO],
            "position": _spread(last["mean"].tolist(), gap),
        }
    )
    smooth = fits.drop(columns="measure")
    joined = means[~means["setting"].isin(smooth["setting"])]
    bounded = optima[optima["bounded"]]
    tops = means.groupby("setting")["high"].max()
    bounded = bounded.assign(position=bounded["setting"].map(tops).astype(float) + gap / 3)
    bars = bounded[["setting", "best", "may_be_best", "low", "high", "position"]]
    tables = (means, points, labels, smooth, joined, bars)
    return _RatioCurveInfo._make([*(table.reset_index(drop=True) for table in tables), title])


def _spread(positions: list[float], gap: float) -> list[float]:
    """Move positions until neighbours are `gap` apart; order and mean stay.

    Positions that are too close form a block around their mean; overlapping blocks merge.
    """
    order = sorted(range(len(positions)), key=positions.__getitem__)
    blocks: list[list[float]] = []  # original positions of the members of each block
    for index in order:
        blocks.append([positions[index]])
        while len(blocks) > 1 and _lowest(blocks[-1], gap) - _highest(blocks[-2], gap) < gap:
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    moved = [_lowest(block, gap) + gap * step for block in blocks for step in range(len(block))]
    return [position for _, position in sorted(zip(order, moved, strict=True))]


def _lowest(block: list[float], gap: float) -> float:
    return sum(block) / len(block) - gap * (len(block) - 1) / 2


def _highest(block: list[float], gap: float) -> float:
    return _lowest(block, gap) + gap * (len(block) - 1)


def _draw_ratio_curve(info: _RatioCurveInfo) -> alt.TopLevelMixin:
    x = ratio_axis()
    colour = alt.Color("setting:N", legend=None).scale(
        domain=list(SETTING_COLOURS), range=list(SETTING_COLOURS.values())
    )
    y = alt.Y("mean:Q", title=info.title).scale(zero=False)
    means = alt.Chart(info.means).encode(x=x, color=colour)
    joined = alt.Chart(info.joined).encode(x=x, color=colour)
    fits = alt.Chart(info.fits).encode(x=x, color=colour)
    bands = (
        joined.mark_area(opacity=BAND_OPACITY).encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        fits.mark_area(opacity=BAND_OPACITY).encode(alt.Y("fit_low:Q"), alt.Y2("fit_high:Q")),
    )
    ends = means.mark_rule(strokeWidth=1.2, opacity=SEED_OPACITY).encode(
        alt.Y("low:Q"), alt.Y2("high:Q")
    )
    lines = (
        joined.mark_line(strokeWidth=2.2).encode(y),
        fits.mark_line(strokeWidth=2.2).encode(alt.Y("fit:Q")),
    )
    optima = (
        alt.Chart(info.optima)
        .mark_rule(strokeWidth=4, strokeCap="round", opacity=0.8)
        .encode(
            x=alt.X("low:Q"),
            x2=alt.X2("high:Q"),
            y=alt.Y("position:Q"),
            color=colour,
            tooltip=[
                alt.Tooltip("setting:N"),
                alt.Tooltip("best:Q", title="best confirmed α", format=".2f"),
                alt.Tooltip("may_be_best:N", title="may be best"),
                alt.Tooltip("low:Q", title="95 % from", format=".2f"),
                alt.Tooltip("high:Q", title="95 % to", format=".2f"),
            ],
        )
    )
    dots = means.mark_point(filled=True, opacity=1, stroke="white", strokeWidth=1).encode(
        y,
        size=alt.condition("datum.best", alt.value(130), alt.value(50)),
        tooltip=[
            alt.Tooltip("setting:N"),
            alt.Tooltip(f"{names.MIXING_RATIO}:Q", title=names.LABELS[names.MIXING_RATIO]),
            alt.Tooltip("mean:Q", title=info.title, format=".4f"),
            alt.Tooltip("low:Q", title="95 % from", format=".4f"),
            alt.Tooltip("high:Q", title="95 % to", format=".4f"),
            alt.Tooltip("n_seeds:Q", title="seeds"),
            alt.Tooltip("n_clusters:Q", title="clusters of questions"),
        ],
    )
    seeds = (
        alt.Chart(info.seeds)
        .mark_point(filled=True, size=14, xOffset=_ASIDE, opacity=SEED_OPACITY)
        .encode(
            x=x,
            y=alt.Y("value:Q"),
            color=colour,
            tooltip=[
                alt.Tooltip("setting:N"),
                alt.Tooltip(f"{names.MIXING_RATIO}:Q", title=names.LABELS[names.MIXING_RATIO]),
                alt.Tooltip(f"{names.SEED}:Q"),
                alt.Tooltip("value:Q", title=info.title, format=".4f"),
            ],
        )
    )
    labels = (
        alt.Chart(info.labels)
        .mark_text(align="left", dx=20, fontSize=13, fontWeight="bold")
        .encode(x=x, y=alt.Y("position:Q"), text="label:N", color=colour)
    )
    layers = (*bands, ends, *lines, optima, seeds, dots, labels)
    # Vega warns about an axis without values.
    drawn = [layer for layer in layers if len(layer.data)]
    return styled(alt.layer(*drawn).properties(width=_WIDTH, height=_HEIGHT))
