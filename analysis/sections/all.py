"""All sections of a study's report: measure first, then show in the order of the page."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.page import Headline, Section
from analysis.sections.baselines import baseline_section, measure_baselines
from analysis.sections.benchmark import BenchmarkTables, benchmark_sections, measure_benchmarks
from analysis.sections.cost import PlanTables, cost_section, measure_plan, plan_section
from analysis.sections.literature import literature_section
from analysis.sections.search_effects import (
    SearchEffects,
    measure_search_effects,
    search_effects_section,
)
from analysis.sections.trials import search_section, trials_section
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names


class StudyTables(NamedTuple):
    """All results of a study, before they become sections.

    Attributes:
        study: the study.
        benchmarks: the confirmed results, one entry per benchmark.
        baselines: benchmark -> `baselines.baseline_table`, where there are baselines.
        search_effects: effects of the searched parameters; None without complete search trials.
        plan: planned and measured quantities; None without a plan.
    """

    study: Study
    benchmarks: list[BenchmarkTables]
    baselines: dict[str, pd.DataFrame]
    search_effects: SearchEffects | None
    plan: PlanTables | None


def measure_study(study: Study, generator: np.random.Generator) -> StudyTables:
    """Compute all results that the report shows.

    Args:
        study: the study.
        generator: source of all draws.
    """
    benchmarks = measure_benchmarks(study, generator)
    baselines = {
        benchmark: measure_baselines(study, benchmark)
        for benchmark in confirmed.reported_benchmarks(study)
    }
    return StudyTables(
        study,
        benchmarks,
        {benchmark: table for benchmark, table in baselines.items() if table is not None},
        measure_search_effects(study, generator),
        measure_plan(study),
    )


def study_sections(tables: StudyTables) -> tuple[list[Headline], list[Section]]:
    """Report all results of a study.

    Args:
        tables: `measure_study`.

    Returns:
        One headline per confirmed benchmark, or one that says that none was confirmed; and the
        sections.
    """
    study = tables.study
    headlines: list[Headline] = []
    sections: list[Section] = []
    for benchmark in tables.benchmarks:
        primary = study.settings.primary_of(benchmark.benchmark)
        headline, of_benchmark = benchmark_sections(
            benchmark, primary, _literature(study, benchmark)
        )
        headlines.append(headline)
        sections += of_benchmark
    sections += [baseline_section(name, means) for name, means in tables.baselines.items()]
    if (study.trials["phase"] == names.PHASE_SEARCH).any():
        sections.append(search_section(study))
    if tables.search_effects is not None:
        sections.append(search_effects_section(study, tables.search_effects))
    sections += [trials_section(study), cost_section(study)]
    if study.plan is not None and tables.plan is not None:
        sections.append(plan_section(study.plan, tables.plan))
    return headlines or [_no_answer(study)], sections


def _literature(study: Study, tables: BenchmarkTables) -> Section | None:
    curve = tables.curve
    return literature_section(
        study, tables.benchmark, curve.curve, tables.n_languages, curve.gains
    )


def _no_answer(study: Study) -> Headline:
    states = study.trials["state"].value_counts().to_dict()
    counts = ", ".join(f"{count} {state}" for state, count in states.items()) or "no trial yet"
    return Headline(
        sentence=(
            "This study has no confirmed curve, so it does not answer which mixing ratio is best."
        ),
        hedge=f"Its trials: {counts}.",
        caveat=(
            "Search trials alone give no unbiased curve. An adaptive sampler looks where it "
            "expects good scores, each point has one seed, and all are scored on the data used "
            "for tuning."
        ),
    )
