"""The sections on single trials: the search, and a table of all trials."""

from functools import partial

import numpy as np
import pandas as pd

from analysis.figures.search_front import front_table, plot_search_front
from analysis.figures.search_history import plot_search_history, search_trials
from analysis.figures.search_slices import plot_search_slices, varied_parameters
from analysis.figures.search_trials import plot_search_trials
from analysis.page import Figure, Section, Table
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names


def search_section(study: Study) -> Section:
    """Show the search: its history, a slice per parameter, and the front of several objectives."""
    trials = search_trials(study.trials)
    objectives = [name for name in study.settings.objectives if name in trials]
    complete = trials[trials["outcome"] == "complete"]
    if complete.empty or not objectives:
        return Section("Search", ["No search trial was completed."])
    figures = [_history(trials, objectives)]
    tables = []
    if len(objectives) > 1:
        front = front_table(trials, objectives)
        figures.append(_front(front, objectives))
        columns = {
            "trial": "trial",
            **{name: name for name in objectives},
            "front": "on the front",
        }
        tables.append(Table("search_front", front, columns, "The points of the front's figure."))
    parameters = {
        name: study.settings.is_logarithmic(name)
        for name in varied_parameters(trials, study.parameters)
    }
    figures += [_slices(trials, parameters, objective) for objective in objectives]
    chart = plot_search_trials(study.trials, objectives[0])
    if chart is not None:
        caption = (
            f"Complete search trials (n = {len(complete)} of {len(trials)}) by mixing ratio, "
            f"temperature and batch size, coloured by {objectives[0]}."
        )
        figures.append(Figure("search_trials", lambda: chart, caption))
    return Section("Search", [_CHOICE], [figure for figure in figures if figure], tables)


_CHOICE = (
    "These trials choose the other parameters; they are not evidence about the mixing ratio. Each "
    "trial has one seed, so there are no intervals. A pruned trial was stopped early by its "
    "scores, and its last score was taken with less training than a complete trial has."
)


def _history(trials: pd.DataFrame, objectives: list[str]) -> Figure | None:
    chart = plot_search_history(trials, objectives)
    counts = ", ".join(
        f"{outcome}: {count}" for outcome, count in trials["outcome"].value_counts().items()
    )
    caption = (
        f"The search trials in their order ({counts}). The line is the best complete trial so "
        "far. A failed trial has no score, and lies at the foot of the figure."
    )
    return Figure("search_history", lambda: chart, caption) if chart else None


def _slices(trials: pd.DataFrame, parameters: dict[str, bool], objective: str) -> Figure | None:
    chart = plot_search_slices(trials, parameters, objective)
    caption = (
        f"{objective} over each parameter of the search, the others as they were. Of a parameter "
        "with a few values, bars are means of the complete trials of a value: its effect where "
        "trials were spread without looking at scores, else a description."
    )
    name = f"search_slices-{objective.rpartition('/')[2]}"
    return Figure(name, lambda: chart, caption) if chart else None


def _front(front: pd.DataFrame, objectives: list[str]) -> Figure:
    first, second = objectives[:2]
    caption = (
        f"The complete search trials by {first} and {second}. Filled dots are on the front: no "
        f"other trial is as good in all {len(objectives)} objectives and better in one. One seed "
        "a trial, no intervals."
    )
    return Figure("search_front", partial(plot_search_front, front, (first, second)), caption)


def trials_section(study: Study) -> Section:
    """Show a table of all trials."""
    objective = study.settings.objective
    searched = study.trials[study.trials["phase"] == names.PHASE_SEARCH]
    shown = {names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE}
    varied = [name for name in varied_parameters(searched, study.parameters) if name not in shown]
    trials = study.trials.assign(duration=_seconds_of_work(study.trials).round(1))
    means = [
        names.mean_metric(benchmark, names.AP, setting)
        for benchmark in confirmed.reported_benchmarks(study)
        for setting in names.SETTINGS
    ]
    headings = {
        "trial": "trial",
        "state": "state",
        names.MIXING_RATIO: "α",
        names.TEMPERATURE: "temperature",
        names.BATCH_SIZE: "batch",
        **{name: names.LABELS.get(name, name) for name in varied},
        objective: objective,
        **{metric: metric for metric in means},
        "duration": "work, s",
        "reason": "reason",
    }
    columns = {
        column: heading
        for column, heading in headings.items()
        if column in trials and trials[column].replace("", np.nan).notna().any()
    }
    caption = f"All {len(study.trials)} trials. The CSV file holds every parameter and metric."
    return Section("Trials", tables=[Table("trials", trials, columns, caption)])


def _seconds_of_work(trials: pd.DataFrame) -> pd.Series:
    """Sum training and evaluation, without the time for which a trial was interrupted.

    A trial that recorded neither has the time between its start and its end.
    """
    stages = trials.reindex(columns=[names.TRAIN_SECONDS, names.EVALUATION_SECONDS])
    return stages.sum(axis=1, min_count=1).fillna(trials["seconds"])
