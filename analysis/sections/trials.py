"""The sections on single trials: the search, and a table of all trials."""

import numpy as np

from analysis.figures.search_trials import plot_search_trials
from analysis.page import Figure, Section, Table
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names


def search_section(study: Study) -> Section:
    """Show the complete search trials in the space of the parameters."""
    objective = study.settings.objective
    chart = plot_search_trials(study.trials, objective)
    if chart is None:
        return Section("Search", ["No search trial was completed."])
    searched = study.trials[study.trials["phase"] == names.PHASE_SEARCH]
    complete = int((searched["state"] == names.COMPLETE).sum())
    caption = (
        f"Complete search trials (n = {complete} of {len(searched)}) by mixing ratio, temperature "
        f"and batch size, coloured by {objective}. Each trial has one seed, so there are no "
        "intervals. These trials choose the other parameters; they are not evidence about the "
        "mixing ratio. Pruned and failed trials are left out, since their scores were taken at "
        "another fidelity."
    )
    return Section("Search", figures=[Figure("search_trials", lambda: chart, caption)])


def trials_section(study: Study) -> Section:
    """Show a table of all trials."""
    objective = study.settings.objective
    means = [
        names.mean_metric(benchmark, names.AP, setting)
        for benchmark in (names.DEV, *confirmed.reported_benchmarks(study))
        for setting in names.SETTINGS
    ]
    headings = {
        "trial": "trial",
        "state": "state",
        names.MIXING_RATIO: "α",
        names.TEMPERATURE: "temperature",
        names.BATCH_SIZE: "batch",
        names.SEED: "seed",
        objective: objective,
        **{metric: metric for metric in means},
        "seconds": "seconds",
        "reason": "reason",
    }
    columns = {
        column: heading
        for column, heading in headings.items()
        if column in study.trials and study.trials[column].replace("", np.nan).notna().any()
    }
    caption = (
        f"All {len(study.trials)} trials. Click a heading to sort. The CSV file holds every "
        "parameter and metric."
    )
    return Section("Trials", tables=[Table("trials", study.trials, columns, caption)])
