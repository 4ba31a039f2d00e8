"""The section on the effects of ratio, temperature and batch size in the search."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.effects.importance import LEAST, importance_table
from analysis.effects.response_surface import (
    PARAMETERS,
    Surface,
    coefficient_table,
    fit_surface,
    terms_of,
)
from analysis.figures.search_effects import plot_search_effects
from analysis.figures.search_slices import varied_parameters
from analysis.page import Figure, Section, Table
from analysis.sections.wording import INTERVAL, listed
from analysis.study.mlflow import Study
from hybridir import names

_SPACE_FILLING = ("grid", "quasi-random", "random")
_SURVIVORS = (
    "The scheduler ({scheduler}) stopped trials by their scores. The trials that were left are "
    "survivors: regions that look bad early are missing, so that effects read from them would be "
    "biased, and none are shown. Samplers that look at scores and schedulers serve optimisation. "
    "To learn an effect, cross the parameter with the ratio under confirm, or search with "
    "sampler: grid and scheduler: none."
)


class SearchEffects(NamedTuple):
    """Effects of the searched parameters.

    Attributes:
        n_trials: number of complete search trials at the highest fidelity.
        varied: those of ratio, temperature and batch size that the trials varied.
        others: other parameters that they varied, which no figure here is about.
        n_needed: number of trials that main effects and interactions take.
        surface: response surface of the objective; None with too few trials.
        coefficients: ``measure`` and the columns of `response_surface.coefficient_table`.
        importances: `importance.importance_table`; None with too few trials.
    """

    n_trials: int
    varied: list[str]
    others: list[str]
    n_needed: int
    surface: Surface | None = None
    coefficients: pd.DataFrame | None = None
    importances: pd.DataFrame | None = None


def measure_search_effects(study: Study, generator: np.random.Generator) -> SearchEffects | None:
    """Estimate main effects, interactions and importances over the search trials.

    Args:
        study: the study.
        generator: source of the resamples.

    Returns:
        The effects, as far as the number of trials allows; None where no complete search trials
        vary one of the three parameters.
    """
    objective = study.settings.objective
    trials = search_points(study.trials, objective)
    searched = varied_parameters(trials, study.parameters)
    varied: list[str] = [name for name in PARAMETERS if name in searched]
    if not varied:
        return None
    others = [name for name in searched if name not in varied]
    terms, n_needed = terms_of(trials)
    if not terms:
        return SearchEffects(len(trials), varied, others, n_needed)
    dev_maps = [names.mean_metric(names.DEV, names.AP, setting) for setting in names.SETTINGS]
    measures = dict.fromkeys([objective, *(metric for metric in dev_maps if metric in trials)])
    coefficients = [
        coefficient_table(fit_surface(trials, measure, terms)).assign(measure=measure)
        for measure in measures
        if trials[measure].notna().all()
    ]
    return SearchEffects(
        len(trials),
        varied,
        others,
        n_needed,
        fit_surface(trials, objective, terms),
        pd.concat(coefficients, ignore_index=True),
        importance_table(trials, objective, generator) if len(trials) >= LEAST else None,
    )


def search_points(trials: pd.DataFrame, objective: str) -> pd.DataFrame:
    """Select the complete search trials at the highest fidelity, without missing values."""
    if not {*PARAMETERS, objective} <= set(trials.columns):
        return trials.iloc[:0]
    searched = (trials["phase"] == names.PHASE_SEARCH) & (trials["state"] == names.COMPLETE)
    rows = trials[searched].dropna(subset=[*PARAMETERS, objective])
    if names.FIDELITY in rows and rows[names.FIDELITY].notna().any():
        rows = rows[rows[names.FIDELITY] == rows[names.FIDELITY].max()]
    return rows.reset_index(drop=True)


def search_effects_section(study: Study, effects: SearchEffects) -> Section:
    """Show the effects of the searched parameters, or how many trials they would take.

    Args:
        study: the study.
        effects: `measure_search_effects`.
    """
    objective, n_trials = study.settings.objective, effects.n_trials
    heading = f"Effects of {listed([names.LABELS[name] for name in effects.varied])}"
    scheduler = study.settings.search.scheduler or "none"
    if scheduler != "none":
        return Section(heading, [_SURVIVORS.format(scheduler=scheduler)])
    if effects.surface is None or effects.coefficients is None:
        few = (
            f"{n_trials} search trials were completed at the full budget. They are too few or too "
            f"much alike to estimate effects. Main effects and interactions take "
            f"{effects.n_needed} trials spread over the space, importances {LEAST}."
        )
        return Section(heading, [few])
    paragraphs = [_caveat(study), _model(effects.surface, effects.n_needed)]
    if effects.others:
        labels = [names.LABELS.get(name, name) for name in effects.others]
        paragraphs.append(
            f"The search also varied {listed(labels)}. What this changed counts as error here."
        )
    tables = [_coefficients(effects.coefficients)]
    if effects.importances is not None:
        tables.append(_importances(effects.importances, objective))
    else:
        paragraphs.append(f"Importances take {LEAST} trials; there are {n_trials}.")
    caption = (
        f"The fitted surface of {objective}. Top: one parameter changes, the others stay in the "
        "middle of their ranges. Bottom: the same at the lowest and the highest value of a second "
        f"parameter. Bands are pointwise 95 % intervals of the mean. n = {n_trials} trials, one "
        "seed each."
    )
    chart = partial(plot_search_effects, effects.surface, objective)
    return Section(heading, paragraphs, [Figure("effects", chart, caption)], tables)


def _caveat(study: Study) -> str:
    search = study.settings.search
    sampler = search.sampler
    if sampler in _SPACE_FILLING:
        return f"The sampler ({sampler}) spread the trials without looking at scores."
    return (
        f"The sampler ({sampler or 'not recorded'}) proposed trials by the scores of earlier "
        "ones, so trials crowd where scores are good and depend on each other. Importances and "
        "effects are biased and their intervals too narrow: take them as a description. "
        "Samplers serve optimisation; to learn an effect, cross the parameter with the ratio "
        "under confirm."
    )


def _model(surface: Surface, n_needed: int) -> str:
    text = (
        "A surface was fitted by least squares over the logarithms of temperature and batch size, "
        "each parameter coded from -1 to 1 over its observed range. Intervals and p are those of "
        "t; they assume independent, normal errors of equal variance, and nothing is corrected "
        "for multiple comparisons."
    )
    if any(len(term) > 1 for term in surface.terms):
        return f"{text} It has main effects, curvature and pairwise interactions."
    return (
        f"{text} It has main effects alone: curvature and interactions take {n_needed} trials "
        f"spread over the space, and there are {surface.n_trials}."
    )


def _coefficients(table: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "term": "effect of",
        "coefficient": "change over half a range",
        **INTERVAL,
        "p": "p",
        "n_trials": "trials",
    }
    return Table("effects", table, columns, "Coefficients of the fitted surfaces.")


def _importances(table: pd.DataFrame, objective: str) -> Table:
    columns = {
        "method": "method",
        "parameter": "parameter",
        "importance": "importance",
        **INTERVAL,
        "n_trials": "trials",
    }
    caption = (
        f"Share of each parameter in the variance of {objective} (fANOVA), and in the difference "
        "between the best trials and the rest (PED-ANOVA). Intervals are bootstraps over trials."
    )
    shown = table.assign(parameter=table["parameter"].map(names.LABELS))
    return Table("importances", shown, columns, caption)
