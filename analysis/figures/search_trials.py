"""The search trials in the space of the three scientific parameters, with their scores."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import INK, SEQUENTIAL, log_ticks, ratio_axis, styled
from hybridir import names

_WIDTH, _HEIGHT = 660, 350  # pixels
_SIZES = (50, 420)  # areas of the smallest and the largest batch, square pixels


class _SearchTrialsInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        trials: ``trial, mixing_ratio, temperature, batch_size, objective, best`` of complete
            search trials; pruned trials were scored at another fidelity.
        objective: name of the metric.
        over_batches: whether the batch size is on the horizontal axis, because the mixing ratio
            does not vary.
    """

    trials: pd.DataFrame
    objective: str
    over_batches: bool = False


def plot_search_trials(trials: pd.DataFrame, objective: str) -> alt.TopLevelMixin | None:
    """Draw the complete search trials of `Study.trials`.

    Returns:
        The figure; None unless they vary in temperature, and in ratio or batch size: a figure of
        each parameter alone has the slices.
    """
    info = _get_search_trials_info(trials, objective)
    return None if info.trials.empty else _draw_search_trials(info)


def _get_search_trials_info(trials: pd.DataFrame, objective: str) -> _SearchTrialsInfo:
    columns = [names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE]
    if not {*columns, objective} <= set(trials.columns):
        return _SearchTrialsInfo(pd.DataFrame(), objective)
    searched = trials[
        (trials["phase"] == names.PHASE_SEARCH) & (trials["state"] == names.COMPLETE)
    ].dropna(subset=[*columns, objective])
    shown = searched[["trial", *columns]].assign(objective=searched[objective])
    varied = [name for name in columns if shown[name].nunique() > 1]
    if names.TEMPERATURE not in varied or len(varied) == 1:
        return _SearchTrialsInfo(pd.DataFrame(), objective)
    values = shown["objective"]
    best = values == (values.min() if names.lower_is_better(objective) else values.max())
    return _SearchTrialsInfo(
        shown.assign(best=best).reset_index(drop=True),
        objective,
        over_batches=names.MIXING_RATIO not in varied,
    )


def _draw_search_trials(info: _SearchTrialsInfo) -> alt.TopLevelMixin:
    sizes = sorted({int(size) for size in info.trials[names.BATCH_SIZE]})
    temperatures = info.trials[names.TEMPERATURE]
    ticks = log_ticks(float(temperatures.min()), float(temperatures.max()))
    base = alt.Chart(info.trials).encode(
        x=_batch_axis(sizes) if info.over_batches else ratio_axis(),
        y=alt.Y(f"{names.TEMPERATURE}:Q", title="temperature (log scale)")
        .axis(values=ticks, format="~g")
        .scale(type="log", nice=False, padding=24),
    )
    points = base.mark_point(filled=True, opacity=0.95, stroke="white", strokeWidth=1).encode(
        color=alt.Color("objective:Q", title=info.objective).scale(scheme=SEQUENTIAL),
        size=alt.value(_SIZES[1]) if info.over_batches else _batch_area(sizes),
        tooltip=[
            alt.Tooltip("trial:N"),
            alt.Tooltip("objective:Q", title=info.objective, format=".4f"),
            alt.Tooltip(f"{names.MIXING_RATIO}:Q", title="mixing ratio α", format=".3f"),
            alt.Tooltip(f"{names.TEMPERATURE}:Q", format=".4f"),
            alt.Tooltip(f"{names.BATCH_SIZE}:Q", title="batch size"),
        ],
    )
    best = base.transform_filter("datum.best")
    ring = best.mark_point(size=620, stroke=INK, strokeWidth=1.5)
    label = best.mark_text(dy=-22, fontWeight="bold", color=INK).encode(text=alt.value("best"))
    return styled(compose.layer(points, ring, label).properties(width=_WIDTH, height=_HEIGHT))


def _batch_axis(sizes: list[int]) -> alt.X:
    return alt.X(
        f"{names.BATCH_SIZE}:Q",
        title="batch size",
        axis=alt.Axis(values=sizes, format="d", grid=False),
        scale=alt.Scale(type="log", base=2, nice=False, padding=40),
    )


def _batch_area(sizes: list[int]) -> alt.Size:
    return alt.Size(
        f"{names.BATCH_SIZE}:Q",
        title="batch size",
        legend=alt.Legend(values=sizes, symbolFillColor="#999999", symbolStrokeColor="#999999"),
        scale=alt.Scale(
            type="log", base=2, domain=(sizes[0], max(sizes[-1], 2 * sizes[0])), range=_SIZES
        ),
    )
