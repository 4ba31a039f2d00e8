"""What hybrid batches gain over each pure strategy in every language and pair, with intervals."""

from typing import NamedTuple

import altair as alt
import pandas as pd

from analysis.figures.gain_marks import PURE_LABELS, gain_layers
from analysis.figures.style import styled
from hybridir import names
from hybridir.languages import LANGUAGES

_WIDTH = 172  # pixels of a panel; three and their axes fill a page
_COLUMNS = 3
_STEP = 19  # pixels of a row, which holds a dot for each pure strategy


class _PairGainsInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        gains: ``question, pool, strategy, difference, low, high, p_holm``, times 100.
        questions: panels in order, under the languages' English names.
        pools: rows of each panel, by panel: its own language, the others, all.
    """

    gains: pd.DataFrame
    questions: list[str]
    pools: dict[str, list[str]]


def pair_gains(cells: pd.DataFrame) -> alt.TopLevelMixin:
    """Draw `cell_gains.gains_by_cell`."""
    return _draw_pair_gains(_get_pair_gains_info(cells))


def _get_pair_gains_info(cells: pd.DataFrame) -> _PairGainsInfo:
    named = {code: language.name for code, language in LANGUAGES.items()}
    query, pool = cells[names.QUERY_LANGUAGE], cells[names.POOL_LANGUAGE]
    percent = cells[["difference", "low", "high"]] * 100
    gains = percent.assign(
        question=query.replace(named),
        pool=pool,
        strategy=cells["pure"].map(PURE_LABELS),
        p_holm=cells["p_holm"],
    )
    pools = {}
    for code in sorted(set(query)):
        there = set(pool[query == code])
        others = sorted(there - {code, names.ALL_LANGUAGES})
        ends = [one for one in (names.ALL_LANGUAGES,) if one in there]
        pools[named.get(code, code)] = [*({code} & there), *others, *ends]
    return _PairGainsInfo(gains.reset_index(drop=True), list(pools), pools)


def _draw_pair_gains(info: _PairGainsInfo) -> alt.TopLevelMixin:
    reach = [float(info.gains["low"].min()), float(info.gains["high"].max())]
    panels = []
    for number, question in enumerate(info.questions):
        order = info.pools[question]
        rows = info.gains[info.gains["question"] == question]
        first = number % _COLUMNS == 0
        y = alt.Y("pool:N", sort=order, title="language of the pool" if first else None)
        layers = gain_layers(rows, y, reach, ["question:N", "pool:N"])
        panels.append(
            layers.properties(width=_WIDTH, height=_STEP * len(order), title=f"{question} asked")
        )
    return styled(alt.concat(*panels, columns=_COLUMNS, spacing=22))
