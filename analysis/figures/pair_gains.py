"""The gain of hybrid batches over each pure strategy in every language and pair."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.figures.gain_marks import PURE_LABELS, gain_layers
from analysis.figures.style import styled
from hybridir import names
from hybridir.languages import name_of

_WIDTH = 172  # pixels of a panel; three and their axes fill a page
_COLUMNS = 3
_STEP = 19  # pixels of a row, which holds a dot for each pure strategy


class _PairGainsInfo(NamedTuple):
    """The contents of the figure.

    Attributes:
        gains: ``question, pool, strategy, difference, low, high, p_holm``, times 100.
        questions: panels in order, by the English name of the question language.
        pools: rows of each panel: its own language, the others, all languages together.
    """

    gains: pd.DataFrame
    questions: list[str]
    pools: dict[str, list[str]]


def plot_pair_gains(cells: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw `gains.cell_gain_table`."""
    return _draw_pair_gains(_get_pair_gains_info(cells))


def _get_pair_gains_info(cells: pd.DataFrame) -> _PairGainsInfo:
    query, pool = cells[names.QUERY_LANGUAGE], cells[names.POOL_LANGUAGE]
    percent = cells[["difference", "low", "high"]] * 100
    gains = percent.assign(
        question=query.map(name_of),
        pool=pool,
        strategy=cells["pure"].map(PURE_LABELS),
        p_holm=cells["p_holm"],
    )
    pools = {}
    for code in sorted(set(query)):
        present = set(pool[query == code])
        others = sorted(present - {code, names.ALL_LANGUAGES})
        common = {names.ALL_LANGUAGES} & present
        pools[name_of(code)] = [*({code} & present), *others, *common]
    return _PairGainsInfo(gains.reset_index(drop=True), list(pools), pools)


def _draw_pair_gains(info: _PairGainsInfo) -> alt.TopLevelMixin:
    reach = [float(info.gains["low"].min()), float(info.gains["high"].max())]
    panels = []
    for question in info.questions:
        order = info.pools[question]
        rows = info.gains[info.gains["question"] == question]
        y = alt.Y("pool:N", sort=order, title=None)
        layers = gain_layers(rows, y, reach, ["question:N", "pool:N"])
        title = f"questions in {question}"
        panels.append(layers.properties(width=_WIDTH, height=_STEP * len(order), title=title))
    return styled(compose.concat(*panels, columns=_COLUMNS, spacing=22))
