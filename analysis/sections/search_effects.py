"""The section on how ratio, temperature and batch size act in the search."""

import numpy as np
import pandas as pd
import yaml

from analysis.effects.importance import LEAST, importance_table
from analysis.effects.response_surface import PARAMETERS, coefficient_table, fit_surface, terms_of
from analysis.figures.effects import effects
from analysis.page.model import Figure, Section, Table
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names

_SPACE_FILLING = ("grid", "quasi-random", "random")
_HEADING = "Effects of ratio, temperature and batch size"


def effects_section(study: Study, generator: np.random.Generator) -> Section | None:
    """Show main effects, interactions and importances over the search trials.

    Args:
        study: the study.
        generator: source of the resamples.

    Returns:
        The section, which says how many trials it would take where there are too few; None
        without complete search trials.
    """
    objective = confirmed.objective_of(study)
    trials = search_points(study.trials, objective)
    if trials.empty:
        return None
    terms, needed = terms_of(trials)
    if not terms:
        few = (
            f"{len(trials)} search trials were completed at the full budget: too few, or too much "
            f"alike, to tell effects. Main effects and interactions take {needed} trials spread "
            f"over the space, importances {LEAST}."
        )
        return Section(_HEADING, [few])
    surface = fit_surface(trials, objective, terms)
    settings = [names.mean_metric(names.DEV, names.AP, one) for one in names.SETTINGS]
    measures = dict.fromkeys([objective, *(one for one in settings if one in trials)])
    tables = [
        coefficient_table(fit_surface(trials, measure, terms)).assign(measure=measure)
        for measure in measures
        if trials[measure].notna().all()
    ]
    words = [_caveat(study), _model(len(trials), needed, any(len(term) > 1 for term in terms))]
    shown = [_coefficients(pd.concat(tables, ignore_index=True))]
    if len(trials) >= LEAST:
        shown.append(_importances(importance_table(trials, objective, generator), objective))
    else:
        words.append(f"Importances take {LEAST} trials; there are {len(trials)}.")
    caption = (
        f"What the fitted surface says of {objective}: above, one parameter moves and the others "
        "stay in the middle of their ranges; below, at the lowest and the highest value of a "
        f"second one. Bands are 95 % intervals of the mean, point by point. n = {len(trials)} "
        "trials, one seed each."
    )
    figure = Figure("effects", effects(surface, objective).to_dict(), caption)
    return Section(_HEADING, words, figures=[figure], tables=shown)


def search_points(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    """Keep the search trials that were completed at the highest fidelity and have all values."""
    if not {*PARAMETERS, objective} <= set(trials.columns):
        return trials.iloc[:0]
    searched = (trials["phase"] == names.PHASE_SEARCH) & (trials["state"] == names.COMPLETE)
    rows = trials[searched].dropna(subset=[*PARAMETERS, objective])
    if names.FIDELITY in rows and rows[names.FIDELITY].notna().any():
        rows = rows[rows[names.FIDELITY] == rows[names.FIDELITY].max()]
    return rows.reset_index(drop=True)


def _caveat(study: Study) -> str:
    search = (yaml.safe_load(study.text) or {}).get("search") or {}
    sampler, scheduler = search.get("sampler"), search.get("scheduler") or "none"
    said = []
    if sampler in _SPACE_FILLING:
        said.append(f"The sampler ({sampler}) spread the trials without looking at scores.")
    else:
        said.append(
            f"The sampler ({sampler or 'not recorded'}) proposed trials by the scores of earlier "
            "ones, so that they crowd where scores are good and depend on each other: importances "
            "and effects are biased and their intervals too narrow. Take them as description."
        )
    if scheduler != "none":
        said.append(
            f"The scheduler ({scheduler}) stopped trials by their scores; those that were stopped "
            "are left out, since their scores are of another budget, which hides bad regions."
        )
    return " ".join(said)


def _model(n_trials: int, needed: int, whole: bool) -> str:
    text = (
        "A surface was fitted by least squares over the logarithms of temperature and batch size, "
        "each parameter coded from -1 to 1 over the values that occur. Intervals and p are those "
        "of t and take errors as independent, normal and of one variance; nothing is corrected "
        "for several comparisons."
    )
    if whole:
        return f"{text} It has main effects, bends and interactions of two."
    return (
        f"{text} It has main effects alone: bends and interactions take {needed} trials spread "
        f"over the space, and there are {n_trials}."
    )


def _coefficients(table: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "term": "effect of",
        "coefficient": "half a range changes",
        "low": "95 % from",
        "high": "95 % to",
        "p": "p",
        "n_trials": "trials",
    }
    return Table("effects", table, columns, "Coefficients of the fitted surfaces.")


def _importances(table: pd.DataFrame, objective: str) -> Table:
    columns = {
        "method": "method",
        "parameter": "parameter",
        "importance": "importance",
        "low": "95 % from",
        "high": "95 % to",
        "n_trials": "trials",
    }
    caption = (
        f"Share of each parameter in the spread of {objective} (fANOVA) and in what sets the best "
        "trials apart (PED-ANOVA). Intervals: bootstrap over trials."
    )
    shown = table.assign(parameter=table["parameter"].map(names.LABELS))
    return Table("importances", shown, columns, caption)
