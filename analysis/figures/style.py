"""Colours, fonts and axes shared by all figures.

Source: Okabe and Ito, Color Universal Design, https://jfly.uni-koeln.de/color/ (eight colours that
all common kinds of colour vision tell apart); cividis: Nuñez et al. 2018, arXiv 1712.01662.
"""

import math
from itertools import pairwise
from typing import Any, Final

import altair as alt

from hybridir import names

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
INK: Final = "#222222"
GREY: Final = "#6b6b6b"
PALE: Final = "#e6e6e6"

SETTING_COLOURS: Final = {
    names.MONOLINGUAL: BLUE,
    names.CROSSLINGUAL: VERMILION,
    names.MULTILINGUAL: GREEN,
}
SEQUENTIAL: Final = "cividis"
LOSS_TO_GAIN: Final = (VERMILION, "#f7f7f7", BLUE)
"""Range of a diverging scale: worse, equal, better."""

BAND_OPACITY: Final = 0.16
SEED_OPACITY: Final = 0.5
_NOISE: Final = 1e-8  # a difference from which on ticks of ten decimals tell values apart
_FONT: Final = "Liberation Sans, Arial, Helvetica, sans-serif"
_DIGIT: Final = 6.1  # pixels of a digit of a label of 11: .556 em in Liberation Sans and Arial


def ratio_axis(ends: tuple[str, str] = ("cross-lingual", "monolingual")) -> alt.X:
    """Build the x channel of the mixing ratio.

    Args:
        ends: labels below 0 and below 1.
    """
    label = (
        f"datum.value == 0 ? ['0', '{ends[0]}'] : datum.value == 1 ? ['1', '{ends[1]}'] : "
        "format(datum.value, '~g')"
    )
    return alt.X(
        f"{names.MIXING_RATIO}:Q",
        title=f"{names.LABELS[names.MIXING_RATIO]} (share of monolingual batches)",
        scale=alt.Scale(domain=(0, 1), nice=False),
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr=label, grid=False),
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Choose the ticks of a logarithmic axis: 1, 2 and 5 times the powers of ten.

    Args:
        low: lowest value, above 0.
        high: highest value.

    Returns:
        The ticks from the last at or below `low` to the first at or above `high`.

    >>> log_ticks(13.0, 40.0)
    [10.0, 20.0, 50.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    below = max(tick for tick in ticks if tick <= low)
    above = min(tick for tick in ticks if tick >= high)
    return [tick for tick in ticks if below <= tick <= above]


def nice_ticks(
    low: float, high: float, bounds: tuple[float, float], count: int = 4
) -> list[float]:
    """Choose ticks around some values that do not leave a measure's range.

    Args:
        low: lowest value.
        high: highest value.
        bounds: the measure's lowest and highest possible value.
        count: number of steps, about.

    >>> nice_ticks(0.93, 0.998, (0.0, 1.0))
    [0.92, 0.94, 0.96, 0.98, 1.0]
    >>> nice_ticks(0.002, 0.5, (0.0, 1.0))
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    """
    # Values that are equal but for the last digits of their sums count as one.
    reach = high - low if high - low > _NOISE else max(abs(high), 0.01) / 10
    power = 10.0 ** math.floor(math.log10(reach / count))
    step = power * next(digit for digit in (1, 2, 5, 10) if digit * power >= 0.8 * reach / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if last <= first:  # one value on a tick: an axis needs two, of which one may be out of range
        first, last = first - 1, first + 1
    ticks = [round(number * step, 10) for number in range(first, last + 1)]
    return [tick for tick in ticks if bounds[0] <= tick <= bounds[1]]


def bounded_axis(
    channel: alt.Y | alt.X, ticks: list[float], *, width: float | None = None, **axis: Any
) -> Any:
    """Give a channel an axis from the first to the last of `nice_ticks`.

    Args:
        channel: of the chart.
        ticks: of the axis.
        width: pixels of a horizontal axis. Where they do not do for all labels, every second one
            stays, 0 among them: Vega would drop those after the first.
        axis: more of the axis.
    """
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    form = f",.{decimals}f"
    domain = [ticks[0], ticks[-1]]
    widest = max(len(f"{tick:,.{decimals}f}") for tick in ticks)
    # The first and the last label stand inside of the axis, so that these take another half.
    if width is not None and 1.5 * _DIGIT * widest * (len(ticks) - 1) > width:
        ticks = [tick for tick in ticks if round(tick / step) % 2 == 0]
    scaled = channel.scale(domain=domain, nice=False, zero=False)
    return scaled.axis(alt.Axis(values=ticks, format=form, **axis))


def styled(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
    """Give a finished chart the shared fonts, grid and spacing, and return it."""
    # Not by Altair's `configure_...`, each of which copies the whole chart.
    chart.config = alt.Config(  # type: ignore[attr-defined]
        font=_FONT,
        background="white",
        padding=4,
        axis=alt.AxisConfig(
            labelColor=GREY,
            titleColor=INK,
            titleFontWeight="normal",
            titleFontSize=12,
            labelFontSize=11,
            titlePadding=8,
            gridColor="#eeeeee",
            domainColor="#bbbbbb",
            tickColor="#bbbbbb",
        ),
        view=alt.ViewConfig(stroke=None),
        title=alt.TitleConfig(
            anchor="start", fontSize=13, fontWeight="bold", color=INK, offset=10
        ),
        legend=alt.LegendConfig(
            titleFontWeight="normal", titleFontSize=12, labelFontSize=11, titleColor=INK
        ),
    )
    return chart
