"""One benchmark of a study: its tables first, then the answer and the sections made from them."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.page import Headline, Section
from analysis.sections.answer import answer
from analysis.sections.conditions import (
    ConditionTables,
    changes_text,
    conditions_section,
    measure_conditions,
)
from analysis.sections.curve import CurveTables, answer_figure, curve_section, measure_curve
from analysis.sections.languages import LanguageTables, languages_section, measure_languages
from analysis.sections.tradeoff import measure_tradeoff, tradeoff_section
from analysis.sections.variance import VarianceTables, measure_variance, variance_section
from analysis.study.arrays import Key
from analysis.study.data_parts import data_part_of_seed
from analysis.study.design import point_text
from analysis.study.mlflow import Study
from analysis.tables import confirmed, tested
from hybridir import names
from hybridir.cli.scores_table import by_cluster_table
from hybridir.inference import Condition, average_conditions
from hybridir.inference.scores import Scores


class BenchmarkTables(NamedTuple):
    """The confirmed results on a benchmark.

    Attributes:
        benchmark: its name.
        n_languages: number of question languages.
        point: temperature, batch size and budget at which the figures hold.
        curve: the confirmed curve.
        conditions: the curve by level of the crossed parameters; None for a study at one point.
        tradeoff: `tradeoff.pareto_table`; None without both settings.
        languages: gains by language; None without a hybrid and a pure ratio.
        variance: variances and power; None without two seeds.
        by_cluster: `scores_table.by_cluster_table`; None for what is a table of scores already.
        n_scores: number of scores that these reduce, one a question, cell, trial and measure.
    """

    benchmark: str
    n_languages: int
    point: str
    curve: CurveTables
    conditions: ConditionTables | None
    tradeoff: pd.DataFrame | None
    languages: LanguageTables | None
    variance: VarianceTables | None
    by_cluster: pd.DataFrame | None = None
    n_scores: int = 0


def measure_benchmarks(study: Study, generator: np.random.Generator) -> list[BenchmarkTables]:
    """Analyse the confirmed scores, with one benchmark in memory at a time.

    Args:
        study: the study.
        generator: source of all draws.

    Returns:
        The tables of each of `confirmed.reported_benchmarks` with per-query tables. Their gains
        are corrected together, those of the primary outcomes and all others.
    """
    parts = data_part_of_seed(confirmed.confirmed_trials(study))
    trained_at = confirmed.trained_at(study)
    searched = [name for name in study.parameters if study.settings.is_searched(name)]
    measured = []
    for benchmark in confirmed.reported_benchmarks(study):
        conditions = confirmed.confirmed_conditions(study, benchmark)
        tables = measure_scores(
            benchmark,
            conditions,
            generator,
            point=point_text(confirmed.design_of(study), searched),
            seen=study.training_languages(),
            parts=parts,
            seed_scores=(
                confirmed.confirmed_scores(study, benchmark, per_seed=True) if parts else None
            ),
        )
        if tables is not None:
            by_cluster = by_cluster_table(benchmark, conditions, trained_at)
            n_scores = sum(
                int(np.isfinite(scores.values).sum())
                for of_key in conditions.values()
                for scores in of_key.values()
            )
            measured.append(tables._replace(by_cluster=by_cluster, n_scores=n_scores))
    return corrected(
        measured, {one.benchmark: study.settings.primary_of(one.benchmark) for one in measured}
    )


def measure_scores(
    benchmark: str,
    conditions: Mapping[Key, Mapping[Condition, Scores]],
    generator: np.random.Generator,
    *,
    point: str,
    seen: frozenset[str] | None,
    parts: Mapping[int, int] = MappingProxyType({}),
    seed_scores: dict[Key, Scores] | None = None,
) -> BenchmarkTables | None:
    """Analyse the scores on one benchmark.

    Args:
        benchmark: its name.
        conditions: `confirmed.confirmed_conditions`.
        generator: source of all draws.
        point: where the figures hold, see `point_text`.
        seen: languages of the training data; None if they are not recorded.
        parts: `data_part_of_seed` the trials.
        seed_scores: scores of every seed, where there are parts of the data.

    Returns:
        The tables, with p-values that are not corrected; None without mAP.
    """
    scores = {key: average_conditions(of_key) for key, of_key in conditions.items()}
    if not any(measure == names.AP for measure, _ in scores):
        return None
    languages = {query for aligned in scores.values() for query, _ in aligned.cells}
    measured = measure_curve(scores)
    whole = {key: _is_all_or_nothing(key, conditions, seed_scores) for key in scores}
    keys = zip(measured.curve["measure"], measured.curve["setting"], strict=True)
    curve = measured.curve.assign(
        all_or_nothing=[whole[key] for key in keys],
        n_conditions=max(map(len, conditions.values())),
    )
    return BenchmarkTables(
        benchmark,
        len(languages),
        point,
        measured._replace(curve=curve),
        measure_conditions(conditions),
        measure_tradeoff(scores),
        measure_languages(scores, seen),
        measure_variance(scores, seed_scores or scores, parts, generator),
    )


def _is_all_or_nothing(
    key: Key,
    conditions: Mapping[Key, Mapping[Condition, Scores]],
    seed_scores: Mapping[Key, Scores] | None,
) -> bool:
    """Whether each question has 0 or 1 in the trials, of which the curve shows means."""
    of_trials = [seed_scores[key]] if seed_scores else conditions[key].values()
    return all(map(confirmed.is_all_or_nothing, of_trials))


def corrected(
    benchmarks: list[BenchmarkTables], primary: Mapping[str, Collection[Key]]
) -> list[BenchmarkTables]:
    """Correct the p-values of gains and interactions of all benchmarks.

    Args:
        benchmarks: `measure_scores` each of them.
        primary: benchmark -> its primary outcomes.
    """
    outcomes = {(benchmark, key) for benchmark, keys in primary.items() for key in keys}
    tested_tables = []
    for tables in benchmarks:
        tested_tables.append(tables.curve.gains.assign(benchmark=tables.benchmark))
        if tables.conditions is not None:
            changes = tables.conditions.interactions
            tested_tables.append(changes.assign(benchmark=tables.benchmark))
    adjusted = iter(tested.adjust_p_values(tested_tables, outcomes))
    result = []
    for tables in benchmarks:
        gains = next(adjusted).drop(columns="benchmark")
        tables = tables._replace(curve=tables.curve._replace(gains=gains))
        if tables.conditions is not None:
            changes = next(adjusted).drop(columns="benchmark")
            conditions = tables.conditions._replace(interactions=changes)
            tables = tables._replace(conditions=conditions)
        result.append(tables)
    return result


def benchmark_sections(
    tables: BenchmarkTables, primary: Collection[Key], literature: Section | None = None
) -> tuple[Headline, list[Section]]:
    """Report the confirmed results on a benchmark.

    Args:
        tables: one of `measure_benchmarks`.
        primary: its primary outcomes.
        literature: published figures beside these; None without any.

    Returns:
        The answer, and the sections for which there are results.
    """
    benchmark, curve = tables.benchmark, tables.curve
    measure, figure = answer_figure(benchmark, curve, primary)
    sections = [curve_section(benchmark, curve, shown_above=measure)]
    if tables.conditions is not None:
        sections.append(conditions_section(benchmark, tables.conditions))
    if tables.tradeoff is not None:
        sections.append(tradeoff_section(benchmark, tables.tradeoff))
    if tables.languages is not None:
        sections.append(languages_section(benchmark, tables.languages))
    if tables.variance is not None:
        sections.append(variance_section(benchmark, tables.variance))
    if literature is not None:
        sections.append(literature)
    changes = "" if tables.conditions is None else changes_text(tables.conditions)
    answer_tables = (curve.curve, curve.gains, curve.optima)
    headline = answer(benchmark, tables.point, primary, answer_tables, changes, figure)
    return headline, sections
