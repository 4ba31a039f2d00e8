"""The baselines side by side: their mAP in each setting and rank distance, with intervals."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.style import BLUE, GREY, bounded_axis, nice_ticks, styled
from hybridir import names

_WIDTH, _STEP = 165, 24  # pixels of a panel, and of a baseline


class _BaselinesInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        means: ``label, panel, mean, low, high, n_seeds, n_clusters, hybrid``.
        labels: baselines from top to bottom.
        panels: from left to right.
    """

    means: pd.DataFrame
    labels: list[str]
    panels: list[str]


def plot_baselines(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw the means of `analysis.sections.baselines.baseline_table` and their intervals."""
    return _draw_baselines(_get_baselines_info(table))


def _get_baselines_info(table: pd.DataFrame) -> _BaselinesInfo:
    label = table["baseline"].map(lambda name: names.LABELS.get(name, name))
    ratio = table[names.MIXING_RATIO]
    # The names X-Y and X-X-mono imply the ratio.
    hybrid = ratio.between(0, 1, inclusive="neither")
    label = label.where(~hybrid, label + " α = " + ratio.map("{:g}".format))
    is_map = table["measure"] == names.AP
    panel = (
        table["measure"]
        .map(names.LABELS)
        .where(~is_map, names.LABELS[names.AP] + ", " + table["setting"].map(names.LABELS))
    )
    means = table.assign(label=label, panel=panel, hybrid=hybrid)
    columns = ["label", "panel", "mean", "low", "high", "n_seeds", "n_clusters", "hybrid"]
    return _BaselinesInfo(means[columns], [*dict.fromkeys(label)], [*dict.fromkeys(panel)])


def _draw_baselines(info: _BaselinesInfo) -> alt.TopLevelMixin:
    panels = []
    for index, panel in enumerate(info.panels):
        axis = alt.Axis(title=None, labels=index == 0, ticks=False, domain=False, grid=True)
        axis.labelLimit = 200
        base = alt.Chart(info.means[info.means["panel"] == panel]).encode(
            y=alt.Y("label:N", sort=info.labels, axis=axis).scale(domain=info.labels),
            color=alt.condition("datum.hybrid", alt.value(BLUE), alt.value(GREY)),
        )
        rows = info.means[info.means["panel"] == panel]
        ranks = panel == names.LABELS[names.RANK_DISTANCE]
        bounds = names.bounds_of(names.RANK_DISTANCE if ranks else names.AP)
        x = bounded_axis(
            alt.X("low:Q", title=None),
            nice_ticks(rows["low"].min(), rows["high"].max(), bounds),
            labelOverlap=True,
        )
        lines = base.mark_rule(strokeWidth=1.6).encode(x=x, x2="high:Q")
        dots = base.mark_point(filled=True, size=34, opacity=1).encode(
            x=alt.X("mean:Q"),
            tooltip=[
                alt.Tooltip("label:N", title="baseline"),
                alt.Tooltip("mean:Q", format=".4f"),
                alt.Tooltip("low:Q", title="95 % from", format=".4f"),
                alt.Tooltip("high:Q", title="95 % to", format=".4f"),
                alt.Tooltip("n_seeds:Q", title="seeds"),
                alt.Tooltip("n_clusters:Q", title="clusters of questions"),
            ],
        )
        height = _STEP * len(info.labels)
        panels.append(
            compose.layer(lines, dots).properties(title=panel, width=_WIDTH, height=height)
        )
    return styled(compose.hconcat(*panels, spacing=18, bounds="flush"))
