"""A paragraph of method, in LaTeX: what was trained, chosen, measured and tested."""

from typing import Any, Final

import pandas as pd

from analysis.page.latex import escape
from analysis.sections.all import StudyTables
from analysis.sections.benchmark import BenchmarkTables
from analysis.sections.literature import trained_on
from analysis.sections.wording import listed, others
from analysis.study.design import number, plain
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import inference, names

_POINT: Final = (names.TEMPERATURE, names.BATCH_SIZE, names.PAIRS)


def method_paragraph(tables: StudyTables) -> str:
    """Write the method of a study as one paragraph."""
    study = tables.study
    sentences = [
        f"We trained {trained_on(study)}.",
        "A batch is monolingual with probability α, all of its questions and passages in one "
        "language; otherwise it is cross-lingual, and the question and the passage of each pair "
        "are in two languages.",
        *_curve(study),
        *_search(study),
        *[_measured(benchmark) for benchmark in tables.benchmarks],
        *_intervals(tables.benchmarks),
        *_comparisons(study, tables.benchmarks),
    ]
    versions = study.provenance.get(names.TAG_VERSIONS, "")
    if versions:
        commit = study.provenance.get(names.TAG_COMMIT, "")
        at = f" (hybridir at commit {commit[:12]})" if commit else ""
        sentences.append(f"Software: {versions}{at}.")
    text = escape(" ".join(sentences)).replace("/", "/\\allowbreak{}")  # long paths
    return f"\\paragraph{{Method.}} {text}\n"


def _curve(study: Study) -> list[str]:
    trials = confirmed.confirmed_trials(study)
    if trials.empty:
        return ["No mixing ratio was confirmed."]
    design = confirmed.design_of(study)
    ratios = listed([f"{ratio:g}" for ratio in sorted(set(trials[names.MIXING_RATIO]))])
    seeds = int(trials.groupby([names.MIXING_RATIO, *design.crossed])[names.SEED].nunique().min())
    encoders = "1 encoder" if seeds == 1 else f"{seeds} encoders with different seeds"
    fixed = [_at(name, value) for name, value in design.fixed.items() if name in _POINT]
    trained = f"we trained {encoders}{f' at {listed(fixed)}' if fixed else ''}."
    own = [_own(name, trials) for name in design.by_ratio]
    if not design.crossed:
        return [f"At each α of {ratios} {trained}", *own]
    crossed = {
        names.LABELS.get(name, name): listed([number(value) for value in values])
        for name, values in design.crossed.items()
    }
    factors = listed([f"α ({ratios})", *(f"{label} ({of})" for label, of in crossed.items())])
    return [
        f"At each combination of {factors} {trained}",
        f"Figures are means over {listed([*crossed])} unless they say otherwise.",
        *own,
    ]


def _at(name: str, value: Any) -> str:
    text = number(value)
    return f"{text} pairs" if name == names.PAIRS else f"{names.LABELS.get(name, name)} {text}"


def _own(name: str, trials: pd.DataFrame) -> str:
    """Write the value that each ratio has of a parameter."""
    of_ratio = trials.groupby(names.MIXING_RATIO)[name].first().items()
    values = listed([f"{number(plain(value))} (α = {ratio:g})" for ratio, value in of_ratio])
    return f"Each α has its own {names.LABELS.get(name, name)}: {values}."


def _search(study: Study) -> list[str]:
    trials = study.trials
    searched = trials[trials["phase"] == names.PHASE_SEARCH]
    if searched.empty:
        return []
    search = study.settings.search
    with_sampler = f" ({search.sampler})" if search.sampler else ""
    objectives = listed([*(search.objective or (study.settings.objective,))])
    return [
        f"A search of {len(searched)} trials{with_sampler} chose the other parameters by "
        f"{objectives} on development data; the reported benchmarks had no say."
    ]


def _measured(tables: BenchmarkTables) -> str:
    curve = tables.curve.curve
    return (
        f"We report on {tables.benchmark}: {tables.n_languages} languages and "
        f"{int(curve['n_questions'].max()):,} questions in {int(curve['n_clusters'].max()):,} "
        "clusters."
    )


def _intervals(benchmarks: list[BenchmarkTables]) -> list[str]:
    scopes = dict.fromkeys(others(tables.curve.curve) for tables in benchmarks)
    if not scopes:
        return []
    return [
        f"Intervals are 95 % intervals for {listed([*scopes])}, by crossed random effects: t "
        "intervals, and score intervals of levels near an end of the measure's range."
    ]


def _comparisons(study: Study, benchmarks: list[BenchmarkTables]) -> list[str]:
    """Describe the tests that were made: none of one ratio, no gain of pure ratios alone."""
    sentences = []
    if any(not confirmed.is_one_ratio(tables.curve.curve) for tables in benchmarks):
        sentences.append(
            "Which ratios may be the best follows from multiple comparisons with the best "
            "(Edwards and Hsu, 1983), one-sided at .05, with a critical value from a hierarchical "
            f"bootstrap ({inference.DRAWS:,} draws)."
        )
    outcomes = dict.fromkeys(
        f"{names.LABELS.get(measure, measure)} in the {names.LABELS.get(setting, setting)} setting"
        for tables in benchmarks
        if not tables.curve.gains.empty
        for measure, setting in study.settings.primary_of(tables.benchmark)
    )
    if outcomes:
        sentences += [
            "Differences are paired by seed and question.",
            f"The planned tests are of {listed([*outcomes])}, hybrid batches against either pure "
            "strategy, corrected together by Holm's method; all other comparisons are "
            "exploratory.",
        ]
    return sentences
