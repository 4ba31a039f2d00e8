"""Tidy tables of the inference: optimum, smooth fit, gains, interactions, design effects."""

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import pandas as pd

from analysis.study.arrays import Key
from hybridir import inference, names
from hybridir.inference import Condition, Replicates
from hybridir.inference.scores import Scores

PRIMARY, EXPLORATORY = "primary", "exploratory"
"""Families of tests: Holm's correction is over the tests of a family."""
_MOST_RATIOS: Final = 10  # that are listed one by one
_POINTS: Final = 101  # ratios at which a fitted curve is tabulated
_TESTED: Final = ("measure", "setting", "pure")


def optimum_table(
    scores: Mapping[Key, Scores], replicates: Mapping[Key, Replicates]
) -> pd.DataFrame:
    """Tabulate the optimum of each measure: a row per measure and setting.

    It rests on the confirmed ratios alone: those that no other one beats, and the interval from
    grid neighbour to grid neighbour. The peak of the smooth curve is a description.

    Returns:
        Columns ``measure, setting, best, may_be_best`` (a set as text)``, low, high, bounded``
        (whether a ratio is left out of the set)``, share`` as in `inference.BestRatio`;
        ``fit_peak, degree, lack_of_fit``, missing without a fit that holds; ``n_seeds,
        n_clusters, n_questions``.
    """
    rows = []
    for key, measured in scores.items():
        best = inference.best_ratio(measured, replicates[key])
        fit = inference.fit_curve(measured, replicates[key])
        smooth = fit is not None and fit.holds
        rows.append(
            {
                "measure": measured.measure,
                "setting": measured.setting,
                "best": best.ratio,
                "may_be_best": set_text(best.may_be_best),
                "low": best.low,
                "high": best.high,
                "bounded": len(best.may_be_best) < len(measured.ratios),
                "share": best.share,
                "fit_peak": fit.peak(measured.lower_is_better) if fit and smooth else np.nan,
                "degree": fit.degree if fit else np.nan,
                "lack_of_fit": fit.lack_of_fit if fit else np.nan,
                "n_seeds": int(measured.trained.sum(axis=1).min()),
                "n_clusters": measured.n_clusters,
                "n_questions": len(measured.questions),
            }
        )
    return pd.DataFrame(rows)


def set_text(ratios: Collection[float]) -> str:
    """Write a set of ratios.

    >>> set_text([0.25, 0.5])
    '{0.25, 0.5}'
    """
    return "{" + listed_ratios(ratios) + "}"


def listed_ratios(ratios: Collection[float]) -> str:
    """Write ratios one by one; of many, the ends and their number.

    >>> listed_ratios([0.0, 0.5, 1.0]), listed_ratios([0.1 * index for index in range(11)])
    ('0, 0.5, 1', '11 ratios from 0 to 1')
    """
    if len(ratios) > _MOST_RATIOS:
        return f"{len(ratios)} ratios from {min(ratios):g} to {max(ratios):g}"
    return ", ".join(f"{ratio:g}" for ratio in ratios)


def fit_table(scores: Mapping[Key, Scores], replicates: Mapping[Key, Replicates]) -> pd.DataFrame:
    """Tabulate the fits that hold, at 101 ratios each.

    Returns:
        Columns ``measure, setting, mixing_ratio, fit, fit_low, fit_high``, the last two the
        pointwise 95 % band, within the measure's range.
    """
    tables = []
    for key, measured in scores.items():
        fit = inference.fit_curve(measured, replicates[key])
        if fit is None or not fit.holds:
            continue
        at = np.linspace(fit.ratios[0], fit.ratios[-1], _POINTS)
        weights = fit.weights(at)
        values, halves = fit.means.estimates(weights), fit.means.half_widths(weights)
        lowest, highest = measured.bounds
        columns = {names.MIXING_RATIO: at, "fit": np.clip(values, lowest, highest)}
        columns["fit_low"] = np.maximum(values - halves, lowest)
        columns["fit_high"] = np.minimum(values + halves, highest)
        labels = {"measure": measured.measure, "setting": measured.setting}
        tables.append(pd.DataFrame(labels | columns))
    empty = pd.DataFrame(
        columns=["measure", "setting", names.MIXING_RATIO, "fit", "fit_low", "fit_high"]
    )
    return pd.concat(tables, ignore_index=True) if tables else empty


def gain_table(
    scores: Mapping[Key, Scores],
    replicates: Mapping[Key, Replicates],
    generators: Mapping[Key, np.random.Generator],
) -> pd.DataFrame:
    """Tabulate hybrid minus pure: a row per measure, setting and pure strategy that was trained.

    Returns:
        Columns ``measure, setting`` and the fields of `inference.HybridTest`.
    """
    rows = [
        (*key, *test)
        for key, measured in scores.items()
        for test in inference.compare_hybrid(measured, replicates[key], generators[key])
    ]
    return pd.DataFrame(rows, columns=["measure", "setting", *inference.HybridTest._fields])


def interaction_table(
    conditions: Mapping[Key, Mapping[Condition, Scores]],
) -> pd.DataFrame:
    """Tabulate how the gain of hybrid batches changes between the levels of crossed parameters.

    Returns:
        Columns ``measure, setting`` and the fields of `inference.Interaction`.
    """
    rows = [
        (*key, *entry)
        for key, of_key in conditions.items()
        for entry in inference.interactions(of_key)
    ]
    return pd.DataFrame(rows, columns=["measure", "setting", *inference.Interaction._fields])


def level_table(
    conditions: Mapping[Key, Mapping[Condition, Scores]],
) -> pd.DataFrame:
    """Tabulate the curve at each level of each crossed parameter.

    Returns:
        Columns ``measure, setting, parameter, level, mixing_ratio, mean, low, high, may_be_best,
        n_seeds, n_clusters``.
    """
    rows = []
    for key, of_key in conditions.items():
        for parameter, levels in inference.levels_of(of_key).items():
            for level in levels:
                scores = inference.average_level(of_key, parameter, level)
                replicates = inference.replicate(scores, inference.generator_of(scores))
                best = inference.best_ratio(scores, replicates)
                curve = inference.mean_curve(scores, replicates.by_cluster)
                for ratio, mean in zip(scores.ratios, curve, strict=True):
                    labels = (*key, parameter, level, ratio, mean.estimate, mean.low, mean.high)
                    may = ratio in best.may_be_best
                    rows.append((*labels, may, mean.n_seeds, mean.n_clusters))
    columns = ["measure", "setting", "parameter", "level", names.MIXING_RATIO, "mean", "low"]
    return pd.DataFrame(rows, columns=[*columns, "high", "may_be_best", "n_seeds", "n_clusters"])


def design_effect_table(scores: Mapping[Key, Scores]) -> pd.DataFrame:
    """Tabulate the design effects: columns ``measure, setting``, `inference.DesignEffect`'s."""
    rows = [
        (*key, *effect)
        for key, measured in scores.items()
        for effect in inference.design_effects(measured)
    ]
    return pd.DataFrame(rows, columns=["measure", "setting", *inference.DesignEffect._fields])


def adjust_p_values(
    tables: list[pd.DataFrame], primary: Collection[tuple[str, Key]]
) -> list[pd.DataFrame]:
    """Adjust the p-values of all benchmarks of a study, by Holm's method.

    The tests of the primary outcomes are one family. All other gains and their changes between
    levels are another one, and exploratory.

    Args:
        tables: tables with the columns ``benchmark, measure, setting, p``.
        primary: (benchmark, (measure, setting)) of the primary outcomes.

    Returns:
        The tables in the same order, with the columns ``family`` and ``p_holm``.
    """
    if not tables:
        return []
    together = pd.concat(tables, keys=range(len(tables)))
    is_primary = [
        (benchmark, (measure, setting)) in primary and not changes
        for benchmark, measure, setting, changes in zip(
            together["benchmark"],
            together["measure"],
            together["setting"],
            together["parameter"].notna() if "parameter" in together else [False] * len(together),
            strict=True,
        )
    ]
    together["family"] = np.where(is_primary, PRIMARY, EXPLORATORY)
    families = together.groupby("family")["p"]
    together["p_holm"] = families.transform(lambda p: inference.holm(p.to_numpy()))
    number = together.index.get_level_values(0)
    return [
        together[number == index].droplevel(0)[[*table.columns, "family", "p_holm"]]
        for index, table in enumerate(tables)
    ]
