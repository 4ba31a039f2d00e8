"""The gain of hybrid batches by kind of language and pair, and contrasts between the kinds."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.gain_marks import PURE_LABELS, gain_layers
from analysis.figures.style import styled

_WIDTH = 430  # pixels
_MARGIN = 190  # pixels; fits the longest name of a row
_STEP = 24  # pixels per row


class _GroupGainsInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        gains: ``grouping, group, contrast, strategy, difference, low, high, p_holm``, times 100.
        order: groupings from top to bottom, each with its rows in order.
    """

    gains: pd.DataFrame
    order: dict[str, list[str]]


def plot_group_gains(groups: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw `gains.group_gain_table`."""
    return _draw_group_gains(_get_group_gains_info(groups))


def _get_group_gains_info(groups: pd.DataFrame) -> _GroupGainsInfo:
    percent = groups[["difference", "low", "high"]] * 100
    labels = groups[["grouping", "group", "contrast", "p_holm", "n_cells"]]
    gains = percent.join(labels).assign(strategy=groups["pure"].map(PURE_LABELS))
    order = {
        str(grouping): list(dict.fromkeys(rows["group"]))
        for grouping, rows in groups.groupby("grouping", sort=False)
    }
    return _GroupGainsInfo(gains, order)


def _draw_group_gains(info: _GroupGainsInfo) -> alt.TopLevelMixin:
    reach = [float(info.gains["low"].min()), float(info.gains["high"].max())]
    panels = []
    for grouping, order in info.order.items():
        rows = info.gains[info.gains["grouping"] == grouping]
        y = alt.Y("group:N", sort=order, title=None)
        layers = gain_layers(rows, y, reach, ["group:N", "n_cells:Q"], _MARGIN)
        panels.append(layers.properties(width=_WIDTH, height=_STEP * len(order), title=grouping))
    return styled(compose.vconcat(*panels, spacing=16).resolve_scale(color="shared"))
