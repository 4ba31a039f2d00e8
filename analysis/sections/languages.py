"""The section on who gains: languages, pairs of languages, and kinds of pairs."""

import pandas as pd

from analysis.figures.group_gains import group_gains
from analysis.figures.pair_gains import pair_gains
from analysis.page.model import Figure, Section, Table
from analysis.study.arrays import Key
from analysis.study.mlflow import Study
from analysis.study.settings import training_languages
from hybridir import inference, names
from hybridir.inference.language_gains import gains_by_cell, gains_by_group
from hybridir.inference.mean_squares import side_by_side
from hybridir.inference.scores import Scores

_INTERVAL = {"low": "95 % from", "high": "95 % to"}
_TEST = {"p": "p", "p_holm": "p, Holm", "n_seeds": "seeds", "n_questions": "questions"}


def gains_section(study: Study, benchmark: str, scores: dict[Key, Scores]) -> Section | None:
    """Show the gain of hybrid batches in every language and pair, and by kind of pair.

    Args:
        study: says which languages were trained on.
        benchmark: its name.
        scores: `scores.collect_scores`.

    Returns:
        The section; None without a hybrid ratio and a pure one that share a seed.
    """
    settings = [scores[names.AP, one] for one in names.SETTINGS if (names.AP, one) in scores]
    ratios = settings[0].ratios if settings else ()
    hybrid = inference.hybrid_ratio(ratios)
    if hybrid is None or not set(inference.PURE) & set(ratios):
        return None
    together = side_by_side(settings, {hybrid, *inference.PURE})
    cells = gains_by_cell(together, hybrid)
    if cells.empty:
        return None
    seen = training_languages(study)
    groups = gains_by_group(together, hybrid, seen)
    return Section(
        f"Who gains on {benchmark}",
        [_words(cells, hybrid), _assumptions(seen)],
        figures=_figures(benchmark, cells, groups, hybrid),
        tables=_tables(benchmark, cells, groups, hybrid),
    )


def _words(cells: pd.DataFrame, hybrid: float) -> str:
    said = []
    for pure, rows in cells.groupby("pure"):
        clear = rows[rows["p_holm"] < 1 - inference.LEVEL]
        up, down = int((clear["difference"] > 0).sum()), int((clear["difference"] < 0).sum())
        said.append(
            f"against α = {pure:g} it gains in {up} and loses in {down} of {len(rows)} languages "
            "and pairs"
        )
    listed = " and ".join(said)
    return (
        f"At α = {hybrid:g}, {listed}, by Holm's adjusted p below .05; in the others these data "
        "show no difference, which is not to say that there is none."
    )


def _assumptions(seen: frozenset[str] | None) -> str:
    text = (
        "Differences are paired by seed and question. Intervals and p are for other seeds and "
        "other questions, each with its own quantile of t; the effect of seeds is taken as "
        "normal, the languages are fixed. Intervals hold for one row at a time, Holm's p for a "
        "family of rows at once. With one seed they say nothing about other seeds."
    )
    if seen is None:
        return f"{text} Which languages were trained on is not recorded."
    return f"{text} Trained on: {', '.join(sorted(seen))}."


def _figures(
    benchmark: str, cells: pd.DataFrame, groups: pd.DataFrame, hybrid: float
) -> list[Figure]:
    n = _sample(cells)
    figures = [
        Figure(
            f"pair_gains-{benchmark}",
            pair_gains(cells).to_dict(),
            f"Gain in mAP of α = {hybrid:g} over each pure strategy, a panel per language of the "
            "question and a row per language of the pool: its own first, \u201call\u201d is the "
            f"pool of all languages. Dots are means, lines 95 % intervals. {n}",
        )
    ]
    if not groups.empty:
        caption = (
            f"Mean gain of α = {hybrid:g} by kind of language and pair; hollow dots are one "
            f"kind's gain minus another's. Lines are 95 % intervals. {n}"
        )
        chart = group_gains(groups).to_dict()
        figures.append(Figure(f"group_gains-{benchmark}", chart, caption))
    return figures


def _tables(
    benchmark: str, cells: pd.DataFrame, groups: pd.DataFrame, hybrid: float
) -> list[Table]:
    kinds = {"grouping": "of", "group": "group", "pure": "pure α", "n_cells": "languages or pairs"}
    tables = [
        Table(
            f"group_gains-{benchmark}",
            groups.drop(columns="contrast"),
            {**kinds, "difference": f"α = {hybrid:g} minus pure", **_INTERVAL, **_TEST},
            f"Gain of α = {hybrid:g} by kind of language and pair; Holm over the rows of "
            "a pure strategy.",
        )
    ]
    languages = {"setting": "setting", names.QUERY_LANGUAGE: "question"}
    languages |= {names.POOL_LANGUAGE: "pool", "pure": "pure α"}
    tables.append(
        Table(
            f"pair_gains-{benchmark}",
            cells,
            {**languages, "difference": f"α = {hybrid:g} minus pure", **_INTERVAL, **_TEST},
            f"Gain of α = {hybrid:g} in every language and pair; Holm over the rows of a setting "
            "and pure strategy.",
        )
    )
    return tables[1:] if groups.empty else tables


def _sample(cells: pd.DataFrame) -> str:
    seeds, questions = int(cells["n_seeds"].max()), int(cells["n_questions"].max())
    return f"n = {seeds} {'seed' if seeds == 1 else 'seeds'} × {questions:,} questions."
