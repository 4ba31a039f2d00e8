"""The section on the variance of the scores, and on the sample that the next study needs."""

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.figures.power_curves import plot_power_curves
from analysis.figures.variance_components import plot_variance_components
from analysis.page import Figure, Section, Table
from analysis.page.model import HIGH, LOW
from analysis.sections.wording import SAMPLE, sample_text
from analysis.study.arrays import Key
from analysis.study.data_parts import group_by_data_part
from hybridir import inference, names
from hybridir.inference.by_cluster import paired_gain
from hybridir.inference.mean_squares import CLUSTER, DATA, RATIO, SEED, SeedsByClusters
from hybridir.inference.power import (
    MOST,
    clusters_needed,
    power_fixed,
    power_random,
    seed_interval,
    seeds_needed,
)
from hybridir.inference.scores import Scores
from hybridir.inference.variance_components import REST, complete_block, estimate_components

DIFFERENCES = (0.001, 0.002, 0.005, 0.01)  # mAP
# mAP; about the differences between published strategies (analysis/sections/literature_figures.py)
RESOLVED = 0.005
_POWERS = (0.8, 0.9)
_SEEDS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)  # points of the power curves
_AXES = ("n_ratios", "n_seeds", "n_clusters")
_AXES_OF_PARTS = ("n_ratios", "n_parts", "n_seeds", "n_clusters")
_FIXED, _RANDOM = "these clusters", "all such clusters"

_COMPONENTS = (
    "The score of a cluster of questions is split into effects of training seed and cluster, "
    "their interactions with the ratio and each other, and a rest, by the mean squares of the "
    "crossed layout. Scores are first averaged over languages or pairs. Ratios are fixed. All "
    "other effects are random and independent and, for the intervals, normal. Estimates are "
    "unbiased, so the estimate of a small variance may be negative."
)
_ALL_DATA = (
    "All trials of this study share one set of training data, so the effect of other data cannot "
    "be seen here. With confirm.data_parts, a study trains on several parts of the data that have "
    "no passage in common, and this section estimates the variance of the data."
)
_DATA_PARTS = (
    "\u201cData\u201d is the effect of the part of the training data. No two parts have a passage "
    "in common, and each seed belongs to one part. In all that follows, a seed stands for a part, "
    "averaged over its training seeds."
)
_POWER = (
    "Power is the probability that a paired t test at level .05 detects a true difference "
    "between the hybrid ratio and a pure strategy, at the variances of this study. For "
    "\u201cthese clusters\u201d the test is over seeds: do the encoders differ on this very "
    "benchmark? For \u201call such clusters\u201d the clusters of questions are a sample as "
    "well. The interval of a number of seeds follows from that of the seed variance, which few "
    "seeds estimate badly: with 4 it reaches from a third to fourteen times the estimate."
)


class VarianceTables(NamedTuple):
    """Variances and the power that follows from them.

    Attributes:
        components: `component_table`.
        needed: seeds and clusters needed, a row per setting, pure strategy, difference and power.
        power: power to detect `RESOLVED`, a row per setting, pure strategy, scope of the test and
            number of seeds.
        with_parts: whether seeds stand for parts of the training data.
    """

    components: pd.DataFrame
    needed: pd.DataFrame
    power: pd.DataFrame
    with_parts: bool


def measure_variance(
    scores: dict[Key, Scores],
    seed_scores: dict[Key, Scores],
    parts: Mapping[int, int],
    generator: np.random.Generator,
) -> VarianceTables | None:
    """Estimate the variance components of mAP and the sample that resolves a difference.

    Args:
        scores: `confirmed.confirmed_scores`.
        seed_scores: the same for every seed, where there are parts of the data.
        parts: `data_parts.data_part_of_seed` the trials.
        generator: source of the draws behind the intervals.

    Returns:
        The tables; None without two seeds and two clusters.
    """
    keys = [(names.AP, setting) for setting in names.SETTINGS if (names.AP, setting) in scores]
    components = component_table({key[1]: seed_scores[key] for key in keys}, parts, generator)
    needed, power = power_tables({key[1]: scores[key] for key in keys})
    if components.empty and needed.empty:
        return None
    return VarianceTables(components, needed, power, bool(parts))


def component_table(
    scores_by_setting: dict[str, Scores],
    parts: Mapping[int, int],
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Tabulate the variance components: a row per setting and source.

    Returns:
        Columns ``setting, source, variance, low, high, share, in_mean, in_mean_low, in_mean_high,
        in_difference, n_ratios, n_seeds, n_clusters``, and ``n_parts`` with parts of the data;
        empty unless there are two or more ratios, seeds and clusters.
    """
    rows = []
    for setting, scores in scores_by_setting.items():
        values, trained = inference.score_by_cluster(scores), scores.trained
        if parts:
            values, trained = group_by_data_part(values, scores, parts)
        values = values[np.ix_(*complete_block(trained))]
        if min(values.shape) < 2:
            continue
        components = estimate_components(values, generator)
        total = sum(max(component.variance, 0.0) for component in components)
        sizes = dict(zip(_AXES_OF_PARTS if parts else _AXES, values.shape, strict=True))
        for component in components:
            factors = [
                factor for factor in (RATIO, DATA, SEED, CLUSTER) if factor in component.source
            ]
            rest = " and rest" if component.source == REST else ""
            rows.append(
                {
                    "setting": setting,
                    "source": " × ".join(factors) + rest,
                    "variance": component.variance,
                    "low": component.low,
                    "high": component.high,
                    "share": max(component.variance, 0.0) / total if total else np.nan,
                    "in_mean": component.in_mean,
                    "in_mean_low": component.in_mean_low,
                    "in_mean_high": component.in_mean_high,
                    "in_difference": "yes" if RATIO in component.source else "no",
                    **sizes,
                }
            )
    return pd.DataFrame(rows)


def power_tables(scores_by_setting: dict[str, Scores]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate the seeds and clusters needed, and the power to detect `RESOLVED`.

    Returns:
        The fields `needed` and `power` of `VarianceTables`.
    """
    needed, power = [], []
    by_cluster = {
        setting: inference.score_by_cluster(scores)
        for setting, scores in scores_by_setting.items()
    }
    for (setting, scores), pure in product(scores_by_setting.items(), inference.PURE):
        hybrid = inference.hybrid_ratio(scores.ratios)
        if hybrid is None or pure not in scores.ratios:
            continue
        gain = paired_gain(by_cluster[setting], scores, hybrid, pure)
        if min(gain.shape) < 2:
            continue
        squares = SeedsByClusters.of(gain)
        contrast = {"setting": setting, "hybrid": hybrid, "pure": pure}
        contrast |= {"n_seeds": squares.n_seeds, "n_clusters": squares.n_clusters}
        needed += [
            {
                **contrast,
                "difference": difference,
                "power": target,
                **_needed(difference, squares, target),
            }
            for difference, target in product(DIFFERENCES, _POWERS)
        ]
        power += [{**contrast, **point} for point in _power_curve(squares)]
    table = pd.DataFrame(needed)
    counts = ["seeds", "seeds_low", "seeds_high", "seeds_random", "clusters"]
    return (table.astype(dict.fromkeys(counts, "Int64")) if needed else table), pd.DataFrame(power)


def _needed(difference: float, squares: SeedsByClusters, power: float) -> dict[str, int | None]:
    low, high = seed_interval(squares)
    return {
        "seeds": seeds_needed(difference, squares, power, random_clusters=False),
        "seeds_low": seeds_needed(difference, low, power, random_clusters=False),
        "seeds_high": seeds_needed(difference, high, power, random_clusters=False),
        "seeds_random": seeds_needed(difference, squares, power, random_clusters=True),
        "clusters": clusters_needed(difference, squares, power),
    }


def _power_curve(squares: SeedsByClusters) -> list[dict[str, float | str]]:
    low_variance, high_variance = seed_interval(squares)
    bounds = (squares, high_variance, low_variance)  # much variance, little power
    points: list[dict[str, float | str]] = []
    for n_seeds in _SEEDS:
        fixed = [power_fixed(RESOLVED, bound, n_seeds) for bound in bounds]
        random = [power_random(RESOLVED, bound, n_seeds, squares.n_clusters) for bound in bounds]
        for scope, (power, low, high) in ((_FIXED, fixed), (_RANDOM, random)):
            points.append(
                {"scope": scope, "seeds": n_seeds, "power": power, "low": low, "high": high}
            )
    return points


def variance_section(benchmark: str, tables: VarianceTables) -> Section:
    """Show the variance components of mAP and the sample that the next study needs.

    Args:
        benchmark: its name.
        tables: `measure_variance`.
    """
    shown = [_component_table(benchmark, tables.components)] if len(tables.components) else []
    paragraphs = [_COMPONENTS, _DATA_PARTS if tables.with_parts else _ALL_DATA]
    if len(tables.needed):
        shown.append(_needed_table(benchmark, tables.needed))
        paragraphs.append(_POWER)
    figures = _figures(benchmark, tables.components, tables.power)
    return Section(f"Variance and power on {benchmark}", paragraphs, figures, shown)


def _figures(benchmark: str, components: pd.DataFrame, power: pd.DataFrame) -> list[Figure]:
    figures = []
    if not components.empty:
        caption = (
            "Contribution of each source to a trial's mAP, as a standard deviation. Effects of "
            "the cluster are averaged over the clusters. Filled dots remain in a difference "
            f"between two ratios, hollow dots cancel. Lines are 95 % intervals. "
            f"{sample_text(components)}"
        )
        chart = partial(plot_variance_components, components)
        figures.append(Figure(f"variance_split-{benchmark}", chart, caption))
    if not power.empty:
        caption = (
            f"Probability of detecting a true difference of {RESOLVED:g} mAP between the hybrid "
            "ratio and a pure strategy, over the number of training seeds. Bands follow from the "
            "95 % interval of the seed variance. Dashed lines mark 80 % and 90 %. Variances from "
            f"{sample_text(power)}"
        )
        chart = partial(plot_power_curves, power)
        figures.append(Figure(f"power_curves-{benchmark}", chart, caption))
    return figures


def _component_table(benchmark: str, components: pd.DataFrame) -> Table:
    columns = {
        "setting": "setting",
        "source": "source",
        "share": "share of the variance",
        "percent": "sd in a trial's mAP × 100",
        "percent_low": LOW,
        "percent_high": HIGH,
        "in_difference": "in a difference of ratios",
        "n_ratios": "ratios",
        **({"n_parts": "parts of the data"} if "n_parts" in components else {}),
        **SAMPLE,
    }
    caption = (
        "Variance components of mAP. An estimate below 0 counts as 0; the CSV file has it as it "
        "is."
    )
    shown = components.assign(
        percent=100 * components["in_mean"],
        percent_low=100 * components["in_mean_low"],
        percent_high=100 * components["in_mean_high"],
    )
    return Table(f"variance_split-{benchmark}", shown, columns, caption)


def _needed_table(benchmark: str, needed: pd.DataFrame) -> Table:
    columns = {
        "setting": "setting",
        "hybrid": "hybrid α",
        "pure": "pure α",
        "difference": "difference",
        "power": "power",
        "seeds": "seeds, these clusters",
        "seeds_low": "95 % from",
        "seeds_high": "95 % to",
        "seeds_random": "seeds, all such clusters",
        "clusters": "clusters, seeds as here",
        "n_seeds": "seeds here",
        "n_clusters": "clusters here",
    }
    caption = (
        "Training seeds that the next study needs to detect a true difference, with as many "
        "clusters of questions as this benchmark has; and clusters that it needs with as many "
        f"seeds as here. Blank: {MOST:,} seeds, or {100 * MOST:,} clusters, are not enough."
    )
    return Table(f"seeds_needed-{benchmark}", needed, columns, caption)
