"""The section on the gain of hybrid batches by language, pair of languages and kind of pair."""

from functools import partial
from typing import NamedTuple

import pandas as pd

from analysis.figures.group_gains import plot_group_gains
from analysis.figures.pair_gains import plot_pair_gains
from analysis.page import Figure, Section, Table
from analysis.sections.wording import INTERVAL, SAMPLE, sample_text, with_change
from analysis.study.arrays import Key
from analysis.tables.gains import adjust_together, cell_gain_table, group_gain_table
from hybridir import inference, names
from hybridir.inference.scores import Scores, side_by_side

_FAMILY = (
    "Exploratory: Holm's correction is over all rows of both tables, the languages and pairs and "
    "the groups."
)
_TEST = {"change": "the change is", **SAMPLE}


class LanguageTables(NamedTuple):
    """Gains by language.

    Attributes:
        hybrid: ratio that stands for hybrid batches.
        seen: languages in the training data; None if they are not recorded.
        cells: `gains.cell_gain_table`, with ``p_holm`` over both tables and ``change``.
        groups: `gains.group_gain_table`, the same.
    """

    hybrid: float
    seen: frozenset[str] | None
    cells: pd.DataFrame
    groups: pd.DataFrame


def measure_languages(
    scores: dict[Key, Scores], seen: frozenset[str] | None
) -> LanguageTables | None:
    """Tabulate the gain of hybrid batches in every language and pair, and by kind of pair.

    Args:
        scores: `confirmed.confirmed_scores`.
        seen: languages of the training data; None if they are not recorded.

    Returns:
        The tables; None without a hybrid and a pure ratio that share a seed.
    """
    settings = [
        scores[names.AP, setting] for setting in names.SETTINGS if (names.AP, setting) in scores
    ]
    ratios = settings[0].ratios if settings else ()
    hybrid = inference.hybrid_ratio(ratios)
    if hybrid is None or not set(inference.PURE) & set(ratios):
        return None
    all_settings = side_by_side(settings, {hybrid, *inference.PURE})
    cells = cell_gain_table(all_settings, hybrid)
    if cells.empty:
        return None
    groups = group_gain_table(all_settings, hybrid, seen)
    tables = adjust_together([cells, groups])
    cells, groups = (
        with_change(table.assign(measure=names.AP)).drop(columns="measure") for table in tables
    )
    return LanguageTables(hybrid, seen, cells, groups)


def languages_section(benchmark: str, tables: LanguageTables) -> Section:
    """Show the gain of hybrid batches in every language and pair, and by kind of pair.

    Args:
        benchmark: its name.
        tables: `measure_languages`.
    """
    return Section(
        f"Gains by language on {benchmark}",
        [_counts(tables), _assumptions(tables.seen)],
        figures=_figures(benchmark, tables),
        tables=_tables(benchmark, tables),
    )


def _counts(tables: LanguageTables) -> str:
    clauses = []
    for pure, rows in tables.cells.groupby("pure"):
        clear = rows[rows["p_holm"] < 1 - inference.LEVEL]
        up, down = int((clear["difference"] > 0).sum()), int((clear["difference"] < 0).sum())
        clauses.append(
            f"gains in {up} and loses in {down} of {len(rows)} languages and pairs against "
            f"α = {pure:g}"
        )
    return (
        f"α = {tables.hybrid:g} {', and '.join(clauses)} (Holm-adjusted p below .05). In the "
        "others these data show no difference, which does not prove that there is none."
    )


def _assumptions(seen: frozenset[str] | None) -> str:
    text = (
        "Differences are paired by seed and question. Intervals and p-values generalise to "
        "other seeds and other clusters of questions; seed effects are assumed to be normal, "
        "and the languages are fixed. An interval holds for its own row, Holm's p for a family "
        "of rows at once. With one seed, they say nothing about other seeds."
    )
    if seen is None:
        return f"{text} The languages of the training data are not recorded."
    return f"{text} Trained on: {', '.join(sorted(seen))}."


def _figures(benchmark: str, tables: LanguageTables) -> list[Figure]:
    n = sample_text(tables.cells)
    figures = [
        Figure(
            f"pair_gains-{benchmark}",
            partial(plot_pair_gains, tables.cells),
            f"Gain in mAP of α = {tables.hybrid:g} over each pure strategy. Each panel is a "
            "question language, each row a pool language: its own first, and \u201call\u201d for "
            f"the pool of all languages. Dots are means, lines are 95 % intervals. {n}",
        )
    ]
    if not tables.groups.empty:
        caption = (
            f"Mean gain of α = {tables.hybrid:g} by kind of language and pair. Hollow dots are "
            f"the gain of one kind minus the gain of another. Lines are 95 % intervals. {n}"
        )
        chart = partial(plot_group_gains, tables.groups)
        figures.append(Figure(f"group_gains-{benchmark}", chart, caption))
    return figures


def _tables(benchmark: str, tables: LanguageTables) -> list[Table]:
    gain = {"difference": f"α = {tables.hybrid:g} minus pure", **INTERVAL, **_TEST}
    shown = []
    if not tables.groups.empty:
        shown.append(
            Table(
                f"group_gains-{benchmark}",
                tables.groups.drop(columns="contrast"),
                {
                    "grouping": "compared by",
                    "group": "group",
                    "pure": "pure α",
                    "n_cells": "languages or pairs",
                    **gain,
                },
                f"Gain of α = {tables.hybrid:g} by kind of language and pair. {_FAMILY}",
            )
        )
    shown.append(
        Table(
            f"pair_gains-{benchmark}",
            tables.cells,
            {
                "setting": "setting",
                names.QUERY_LANGUAGE: "question",
                names.POOL_LANGUAGE: "pool",
                "pure": "pure α",
                **gain,
            },
            f"Gain of α = {tables.hybrid:g} in every language and pair. {_FAMILY}",
        )
    )
    return shown
