"""The section on crossed parameters: does the gain, or the best ratio, change with them?"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import pandas as pd

from analysis.figures.level_curves import plot_level_curves
from analysis.page import Figure, Section, Table
from analysis.sections.wording import (
    INTERVAL,
    LEVEL,
    SAMPLE,
    interval_text,
    listed,
    number_text,
    others,
    sample_text,
)
from analysis.study.arrays import Key
from analysis.tables import confirmed, tested
from hybridir import names
from hybridir.inference import Condition
from hybridir.inference.scores import Scores

_SHOWN = (names.AP, names.SET_F1)


class ConditionTables(NamedTuple):
    """The curve under several conditions.

    Attributes:
        levels: `tested.level_table`, of mAP and F1 at R.
        interactions: `tested.interaction_table`, of all measures; `tested.adjust_p_values` adds
            ``family`` and ``p_holm``.
    """

    levels: pd.DataFrame
    interactions: pd.DataFrame


def measure_conditions(
    conditions: Mapping[Key, Mapping[Condition, Scores]],
) -> ConditionTables | None:
    """Tabulate curves by level, and how gains change between levels.

    Args:
        conditions: `confirmed.confirmed_conditions`.

    Returns:
        The tables; None for a study at one point.
    """
    shown = {key: of_key for key, of_key in conditions.items() if key[0] in _SHOWN}
    levels = tested.level_table(shown)
    if levels.empty:
        return None
    # Of all measures, since they are corrected together.
    return ConditionTables(levels, tested.interaction_table(conditions))


def changes_text(tables: ConditionTables) -> str:
    """Say in a few sentences whether the gain changes between levels.

    Args:
        tables: `measure_conditions`, with corrected interactions.
    """
    return " ".join(_changes(tables.interactions))


def conditions_section(benchmark: str, tables: ConditionTables) -> Section:
    """Show the curves by level, and the changes of the gain with their tests.

    Args:
        benchmark: its name.
        tables: `measure_conditions`, with corrected interactions.
    """
    parameters = list(dict.fromkeys(tables.levels["parameter"]))
    named = " and ".join(names.LABELS.get(name, name) for name in parameters)
    moves, changes = _moves(tables.levels), tables.interactions
    figures = [
        Figure(
            f"levels-{name}-{benchmark}",
            partial(plot_level_curves, tables.levels[tables.levels["parameter"] == name]),
            f"mAP on {benchmark} over the mixing ratio, by {names.LABELS.get(name, name)}, as the "
            "mean over the other crossed parameters. Bands are 95 % intervals for "
            f"{others(tables.levels)}. {sample_text(tables.levels)}",
        )
        for name in parameters
    ]
    if confirmed.is_one_ratio(tables.levels):
        table = _levels(benchmark, tables.levels)
        return Section(f"How do the figures change with {named}?", [], figures, [table])
    shown = [_best(benchmark, moves, sample_text(tables.levels))]
    if not changes.empty:
        shown.append(_interactions(benchmark, changes[changes["measure"].isin(_SHOWN)]))
    shown.append(_levels(benchmark, tables.levels))
    paragraphs = [_moving(moves), *_changes(changes)]
    return Section(f"Does the answer change with {named}?", paragraphs, figures, shown)


def _moves(levels: pd.DataFrame) -> pd.DataFrame:
    """Tabulate for each parameter and setting whether the best ratio of mAP moves.

    Returns:
        Columns ``parameter, setting, level, may_be_best, moves``.
    """
    entries = []
    rows = levels[levels["measure"] == names.AP]
    for (parameter, setting), of_setting in rows.groupby(["parameter", "setting"], sort=False):
        best = {
            level: set(of_level[names.MIXING_RATIO][of_level["may_be_best"]])
            for level, of_level in of_setting.groupby("level", sort=False)
        }
        common = sorted(set.intersection(*best.values()))
        verdict = f"not shown: {tested.set_text(common)} may be at all" if common else "yes"
        entries += [
            (parameter, setting, _level(level), tested.set_text(sorted(ratios)), verdict)
            for level, ratios in best.items()
        ]
    columns = ["parameter", "setting", "level", "may_be_best", "moves"]
    return pd.DataFrame(entries, columns=columns)


def _moving(moves: pd.DataFrame) -> str:
    """Say in a sentence where the best ratio moves."""
    settings = moves.drop_duplicates(["parameter", "setting"])
    moved = settings[settings["moves"] == "yes"]
    if moved.empty:
        return (
            "In no setting do these data show that the best ratio of mAP moves: one and the same "
            "ratio may be best at every level."
        )
    clauses = [
        f"with {names.LABELS.get(parameter, parameter)} in the {names.LABELS[setting]} setting"
        for parameter, setting in zip(moved["parameter"], moved["setting"], strict=True)
    ]
    return f"The best ratio of mAP moves {listed(clauses)}: no ratio may be best at every level."


def _level(level: object) -> str:
    return f"{level:g}" if isinstance(level, int | float) else str(level)


def _changes(interactions: pd.DataFrame) -> list[str]:
    if interactions.empty:
        return []
    rows = interactions[interactions["measure"] == names.AP]
    clear = rows[rows["p_holm"] < LEVEL]
    if clear.empty:
        least, most, low, high = (
            number_text(value, signed=True)
            for value in (
                *(rows["estimate"].min(), rows["estimate"].max()),
                *(rows["low"].min(), rows["high"].max()),
            )
        )
        return [
            "No change of the gain in mAP between two levels of a crossed parameter is "
            f"significant (n = {len(rows)} comparisons, exploratory, Holm): estimates from "
            f"{least} to {most}, their intervals within [{low}, {high}]. This does not prove that "
            "there is none."
        ]
    row = max(clear.to_dict("records"), key=lambda row: abs(row["estimate"]))
    change = interval_text(row["estimate"], row["low"], row["high"], signed=True)
    parameter = names.LABELS.get(row["parameter"], row["parameter"])
    return [
        f"The gain in mAP changes in {len(clear)} of {len(rows)} comparisons between two levels "
        "(exploratory, Holm), see the table of changes. The largest change is in the "
        f"{names.LABELS[row['setting']]} setting, α = {row['hybrid']:g} minus α = "
        f"{row['pure']:g}, from {parameter} {_level(row['first'])} to {_level(row['second'])}: "
        f"{change}."
    ]


def _best(benchmark: str, moves: pd.DataFrame, sample: str) -> Table:
    columns = {
        "parameter": "parameter",
        "setting": "setting",
        "level": "level",
        "may_be_best": "may be best (95 %)",
        "moves": "does the best ratio move?",
    }
    caption = (
        "The ratios that may be best for mAP at each level. The last column names those that may "
        "be best at all levels of the parameter; where there are none, the best ratio moves. "
        f"{sample}"
    )
    return Table(f"best_by_level-{benchmark}", moves, columns, caption)


def _interactions(benchmark: str, interactions: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "parameter": "parameter",
        "first": "first level",
        "second": "second level",
        "hybrid": "hybrid α",
        "pure": "pure α",
        "gain_first": "gain at the first",
        "gain_second": "gain at the second",
        "estimate": "change",
        **INTERVAL,
        "verdict": "the gain",
        **SAMPLE,
    }
    caption = (
        "Interactions: hybrid minus pure at the second level, minus the same at the first, paired "
        "by seed and question and averaged over the other crossed parameters. Exploratory: a "
        "gain is called higher or lower where p, corrected by Holm's method with all measures, is "
        "below .05. The CSV file has every p."
    )
    words = [
        "is not told apart" if p >= LEVEL else "is higher" if change > 0 else "is lower"
        for p, change in zip(interactions["p_holm"], interactions["estimate"], strict=True)
    ]
    return Table(f"interactions-{benchmark}", interactions.assign(verdict=words), columns, caption)


def _levels(benchmark: str, levels: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "parameter": "parameter",
        "level": "level",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        **INTERVAL,
        **({} if confirmed.is_one_ratio(levels) else {"may_be_best": "may be best"}),
        **SAMPLE,
    }
    return Table(f"levels-{benchmark}", levels, columns, "The curves by level.")
