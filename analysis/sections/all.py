"""The whole report in order: answers, confirmed curves, search, trials, cost, method."""

import platform
from importlib.metadata import version

import numpy as np

from analysis.figures.cost import cost
from analysis.figures.search_trials import search_trials
from analysis.page.model import Figure, Headline, Section, Table
from analysis.sections.baselines import baseline_section
from analysis.sections.cost import planned_section
from analysis.sections.curve import benchmark_sections, measure_benchmarks
from analysis.sections.search_effects import effects_section
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import inference, names


def headline_and_sections(
    study: Study, generator: np.random.Generator
) -> tuple[list[Headline], list[Section]]:
    """Compute all that the report says about a study.

    Args:
        study: the study.
        generator: source of the bootstrap's draws.

    Returns:
        One headline per reported benchmark (one that says what is missing if none was confirmed),
        and the sections.
    """
    headlines: list[Headline] = []
    sections: list[Section] = []
    for measured in measure_benchmarks(study, generator):
        headline, found = benchmark_sections(study, measured)
        headlines.append(headline)
        sections += found
    for benchmark in confirmed.reported_benchmarks(study):
        beside = baseline_section(study, benchmark, generator)
        sections += [beside] if beside else []
    if not headlines:
        headlines.append(_unanswered(study))
    acting = effects_section(study, generator)
    sections += [_search(study), *([acting] if acting else []), _trials(study), _cost(study)]
    planned = planned_section(study)
    if planned is not None:
        sections.append(planned)
    return headlines, sections


def _unanswered(study: Study) -> Headline:
    states = study.trials["state"].value_counts().to_dict()
    counted = ", ".join(f"{count} {state}" for state, count in states.items()) or "no trial yet"
    return Headline(
        "This study has no confirmed curve, so it does not answer which mixing ratio is best.",
        f"Its trials: {counted}.",
        [],
        "Search trials alone give no unbiased curve: an adaptive sampler looks where it expects "
        "good scores, each point has one seed, and all are scored on the data that is tuned on.",
    )


def _search(study: Study) -> Section:
    objective = confirmed.objective_of(study)
    chart = search_trials(study.trials, objective)
    if chart is None:
        return Section("Search", ["No search trial was completed."])
    searched = study.trials[study.trials["phase"] == names.PHASE_SEARCH]
    complete = int((searched["state"] == names.COMPLETE).sum())
    caption = (
        f"Complete search trials (n = {complete} of {len(searched)}) by mixing ratio, temperature "
        f"and batch size, coloured by {objective}. One seed each, no interval: they choose the "
        "other parameters and are not evidence about the mixing ratio. Pruned and failed trials "
        "are left out, since their scores were taken at another fidelity."
    )
    return Section("Search", figures=[Figure("search_trials", chart.to_dict(), caption)])


def _trials(study: Study) -> Section:
    means = [
        names.mean_metric(benchmark, names.AP, setting)
        for benchmark in (names.DEV, *confirmed.reported_benchmarks(study))
        for setting in names.SETTINGS
    ]
    shown = {
        "trial": "trial",
        "state": "state",
        names.MIXING_RATIO: "α",
        names.TEMPERATURE: "temperature",
        names.BATCH_SIZE: "batch",
        names.SEED: "seed",
        confirmed.objective_of(study): confirmed.objective_of(study),
        **{metric: metric for metric in means},
        "seconds": "seconds",
        "reason": "reason",
    }
    present = {
        column: heading
        for column, heading in shown.items()
        if column in study.trials and study.trials[column].replace("", np.nan).notna().any()
    }
    caption = (
        f"All {len(study.trials)} trials; a click on a heading sorts. The CSV file holds every "
        "parameter and metric."
    )
    return Section("Trials", tables=[Table("trials", study.trials, present, caption)])


def _cost(study: Study) -> Section:
    chart = cost(study.trials)
    caption = (
        f"Wall-clock time of each trial (n = {len(study.trials)}, confirmation below the search) "
        "and its training speed; single measurements, which other work on the machine may slow."
    )
    headings = {
        "phase": "phase",
        "trials": "trials",
        "training_minutes": "training, min",
        "evaluation_minutes": "evaluation, min",
        "pairs_per_second": "pairs/s, median",
        "peak_memory_mb": "peak memory, MB",
    }
    return Section(
        "Cost",
        figures=[Figure("cost", chart.to_dict(), caption)] if chart else [],
        tables=[Table("cost", confirmed.cost_table(study), headings, "Sums over trials.")],
    )


def method(study: Study) -> list[tuple[str, str]]:
    """Say how the figures came about: commands, seeds, data, versions, as recorded.

    Returns:
        (what, value) in the order of the page.
    """
    curve_trials = confirmed.confirmed_trials(study)
    seeds = sorted(map(int, curve_trials[names.SEED])) if len(curve_trials) else []
    hosts = sorted(set(study.trials["host"]) - {""})
    packages = ("altair", "mlflow", "numpy", "pandas")
    return [
        ("study", f"{study.name}, begun {study.started:%Y-%m-%d %H:%M} UTC"),
        ("repeat the study", "python tune/run_sweep.py STUDY.yaml (the file below)"),
        ("repeat this report", f"python analysis/report.py {study.name}"),
        ("MLflow run", f"{study.run_id} in {study.tracking_uri}"),
        ("confirmation seeds", ", ".join(map(str, dict.fromkeys(seeds))) or "none"),
        *((key.removeprefix("hybridir."), value) for key, value in study.provenance.items()),
        *([("hosts", ", ".join(hosts))] if hosts else []),
        (
            "intervals",
            f"95 %, for other seeds and questions (crossed random effects); of the curve by "
            f"hierarchical bootstrap ({inference.DRAWS:,} draws); docs/statistics.md",
        ),
        (
            "report made with",
            ", ".join(
                [f"Python {platform.python_version()}"]
                + [f"{package} {version(package)}" for package in packages]
            ),
        ),
    ]
