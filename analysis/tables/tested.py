"""Tidy tables of the inference: the optimum, the smooth fit, hybrid against pure batches."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.study.arrays import Key
from hybridir import inference, names
from hybridir.inference import Replicates
from hybridir.inference.scores import Scores

FIT, GRID = "fit", "grid"
"""Sources of an optimum's interval: the fitted curve, or the grid of confirmed ratios."""
_POINTS = 101  # ratios at which a fitted curve is tabulated


def optimum_table(
    scores: Mapping[Key, Scores], replicates: Mapping[Key, Replicates]
) -> pd.DataFrame:
    """Tabulate the optimum of each measure: a row per measure and setting.

    The interval is that of the fit, if the fit holds and its interval comes as far as a neighbour
    of the best confirmed ratio. Else it is the range of ratios that may be the best.

    Returns:
        Columns ``measure, setting, optimum, low, high, bounded, rests_on`` (`FIT` or `GRID`);
        ``best, best_low, best_high, share`` of the grid, as `inference.BestRatio`; ``fit_optimum,
        fit_low, fit_high, degree, lack_of_fit``, missing without a fit; ``n_seeds, n_questions``.
    """
    rows = []
    for key, measured in scores.items():
        best = inference.best_ratio(measured, replicates[key])
        ratios = measured.ratios
        row = {
            "measure": measured.measure,
            "setting": measured.setting,
            "optimum": best.ratio,
            "low": best.low,
            "high": best.high,
            "bounded": best.low > ratios[0] or best.high < ratios[-1],
            "rests_on": GRID,
            "best": best.ratio,
            "best_low": best.low,
            "best_high": best.high,
            "share": best.share,
            **dict.fromkeys(("fit_optimum", "fit_low", "fit_high", "degree"), np.nan),
            "lack_of_fit": np.nan,
            "n_seeds": int(measured.trained.sum(axis=1).min()),
            "n_questions": len(measured.questions),
        }
        fit = inference.fit_curve(measured, replicates[key])
        if fit is not None:
            optimum = inference.find_optimum(measured, fit)
            row |= {
                "fit_optimum": optimum.ratio,
                "fit_low": optimum.low,
                "fit_high": optimum.high,
                "degree": fit.degree,
                "lack_of_fit": fit.lack_of_fit,
            }
            if fit.holds and inference.agrees(optimum, best.ratio, ratios):
                row |= {"optimum": optimum.ratio, "low": optimum.low, "high": optimum.high}
                row |= {"bounded": optimum.bounded, "rests_on": FIT}
        rows.append(row)
    return pd.DataFrame(rows)


def fit_table(scores: Mapping[Key, Scores], replicates: Mapping[Key, Replicates]) -> pd.DataFrame:
    """Tabulate the fits that hold, at 101 ratios each.

    Returns:
        Columns ``measure, setting, mixing_ratio, fit, fit_low, fit_high``, the last two the
        pointwise 95 % band.
    """
    tables = []
    for key, measured in scores.items():
        fit = inference.fit_curve(measured, replicates[key])
        if fit is None or not fit.holds:
            continue
        at = np.linspace(fit.ratios[0], fit.ratios[-1], _POINTS)
        weights = fit.weights(at)
        values, halves = fit.means.estimates(weights), fit.means.half_widths(weights)
        columns = {names.MIXING_RATIO: at, "fit": values}
        columns |= {"fit_low": values - halves, "fit_high": values + halves}
        labels = {"measure": measured.measure, "setting": measured.setting}
        tables.append(pd.DataFrame(labels | columns))
    empty = pd.DataFrame(
        columns=["measure", "setting", names.MIXING_RATIO, "fit", "fit_low", "fit_high"]
    )
    return pd.concat(tables, ignore_index=True) if tables else empty


def gain_table(
    scores: Mapping[Key, Scores],
    replicates: Mapping[Key, Replicates],
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Tabulate hybrid minus pure: a row per measure, setting and pure strategy that was trained.

    Returns:
        Columns ``measure, setting`` and the fields of `inference.HybridTest`.
    """
    rows = [
        (*key, *test)
        for key, measured in scores.items()
        for test in inference.compare_hybrid(measured, replicates[key], generator)
    ]
    return pd.DataFrame(rows, columns=["measure", "setting", *inference.HybridTest._fields])


def adjust_p_values(gains: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Adjust the p-values of all benchmarks of a study together, by Holm's method.

    The tests of mAP over benchmarks, settings and pure strategies are one family, those of all
    measures of language bias another, and those of each further measure a family of their own.

    Args:
        gains: `gain_table` of each benchmark.

    Returns:
        The tables in the same order, with a column ``p_holm``.
    """
    if not gains:
        return []
    together = pd.concat(gains, keys=range(len(gains)))
    bias = together["measure"].isin(names.BIAS_MEASURES)
    families = together.groupby(together["measure"].mask(bias, "bias"))["p"]
    together["p_holm"] = families.transform(lambda p: inference.holm(p.to_numpy()))
    benchmark = together.index.get_level_values(0)
    return [together[benchmark == index].droplevel(0) for index in range(len(gains))]
