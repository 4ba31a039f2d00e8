"""Importance of each searched parameter, by fANOVA and PED-ANOVA.

Both come from Optuna and see the parameters as they are searched: temperature and batch size by
their logarithms. Intervals are percentile bootstraps over trials, which assumes independent
trials: after an adaptive sampler they are not.

Source: Hutter, Hoos and Leyton-Brown, An Efficient Approach for Assessing Hyperparameter
Importance, ICML 2014 (fANOVA); arXiv 2304.10255 (PED-ANOVA).
"""

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from analysis.effects.response_surface import PARAMETERS, transformed
from hybridir import names
from hybridir.inference import LEVEL

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

LEAST: Final = 20  # trials; with fewer, hardly any two importances differ
_RESAMPLES: Final = 60
_TREES: Final = 16
_TOP = 5  # trials in PED-ANOVA's best part at least, as Optuna's documentation advises


def importance_table(
    trials: pd.DataFrame, measure: str, generator: np.random.Generator
) -> pd.DataFrame:
    """Estimate the importances with their intervals.

    Args:
        trials: columns `PARAMETERS` and `measure`, without gaps; `LEAST` rows or more.
        measure: column to explain.
        generator: source of the resamples.

    Returns:
        Columns ``method, parameter, importance, low, high, n_trials``; a method's importances add
        up to 1. Parameters that do not vary are left out.
    """
    inside = transformed(trials)
    varied = [name for name in PARAMETERS if inside[name].nunique() > 1]
    points, values = inside[varied], trials[measure].to_numpy(dtype=np.float64)
    if names.lower_is_better(measure):
        values = -values  # PED-ANOVA compares the best trials with the rest
    seed = int(generator.integers(2**31))
    importances = _importances(points, values, seed)
    picks = generator.integers(len(points), size=(_RESAMPLES, len(points)))
    drawn = [_importances(points.iloc[pick], values[pick], seed) for pick in picks]
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    rows = []
    for (method, name), share in importances.items():
        low, high = np.quantile([resample[method, name] for resample in drawn], tails)
        rows.append((method, name, share, float(low), float(high), len(points)))
    columns = ["method", "parameter", "importance", "low", "high", "n_trials"]
    return pd.DataFrame(rows, columns=columns)


def _importances(
    points: pd.DataFrame, values: np.ndarray, seed: int
) -> dict[tuple[str, str], float]:
    import optuna  # takes a second to import, and nothing else of the analysis needs it
    from optuna.distributions import BaseDistribution, FloatDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, BaseDistribution] = {
        str(name): FloatDistribution(float(column.min()), float(column.max()))
        for name, column in points.items()
    }
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(zip(space, row, strict=True)), distributions=space, value=value
            )
            for row, value in zip(points.to_numpy().tolist(), values.tolist(), strict=True)
        ]
    )
    quantile = max(0.1, _TOP / len(points))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        methods: dict[str, BaseImportanceEvaluator] = {
            "fANOVA": optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=seed),
            "PED-ANOVA": optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile),
        }
        return {
            (method, name): share
            for method, evaluator in methods.items()
            for name, share in optuna.importance.get_param_importances(
                study, evaluator=evaluator
            ).items()
        }
