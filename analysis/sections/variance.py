"""The section on what the figures vary with, and how large the next study must be."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd

from analysis.figures.power_curves import power_curves
from analysis.figures.variance_split import variance_split
from analysis.page.model import Figure, Section, Table
from analysis.study.arrays import Key
from analysis.study.data_parts import within_parts
from hybridir import inference, names
from hybridir.inference.mean_squares import MeanSquares, mean_squares, paired_gain
from hybridir.inference.power import (
    MOST,
    power_fixed,
    power_random,
    questions_needed,
    seed_interval,
    seeds_needed,
)
from hybridir.inference.scores import Scores
from hybridir.inference.variance_components import (
    DATA,
    QUESTION,
    RATIO,
    REST,
    SEED,
    complete_block,
    split_variance,
)

DIFFERENCES = (0.001, 0.002, 0.005, 0.01)
# mAP; about what separates the published strategies (analysis/sections/literature_figures.py).
RESOLVED = 0.005
_POWERS = (0.8, 0.9)
_DRAWN_SEEDS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
_N = ("n_ratios", "n_seeds", "n_questions")
_N_PARTS = ("n_ratios", "n_parts", "n_seeds", "n_questions")
_CURVE = ("speaks_of", "seeds", "power", "low", "high")
_FIXED, _RANDOM = "these questions", "all such questions"


def variance_section(
    benchmark: str,
    scores: dict[Key, Scores],
    each_seed: dict[Key, Scores],
    parts: Mapping[int, int],
    generator: np.random.Generator,
) -> Section | None:
    """Split the variance of mAP, and count the seeds that resolve a difference.

    Args:
        benchmark: its name.
        scores: `confirmed.confirmed_scores`.
        each_seed: the same of every seed, where there are parts of the data.
        parts: `parts.parts_of` the trials.
        generator: source of the intervals' draws.

    Returns:
        The section; None without two seeds and two questions.
    """
    keys = [(names.AP, setting) for setting in names.SETTINGS if (names.AP, setting) in scores]
    split = _split_table({key[1]: each_seed[key] for key in keys}, parts, generator)
    needed, power = _power_tables({key[1]: scores[key] for key in keys})
    if split.empty and needed.empty:
        return None
    of_data = _OF_PARTS if parts else _ALL_DATA
    return Section(
        f"Variance and power on {benchmark}",
        [_SPLIT, of_data, _POWER] if len(needed) else [_SPLIT, of_data],
        figures=_figures(benchmark, split, power),
        tables=[
            *([] if split.empty else [_split_shown(benchmark, split)]),
            *([] if needed.empty else [_needed_shown(benchmark, needed)]),
        ],
    )


_SPLIT = (
    "A question's score is split into effects of training seed, question, their ties to the "
    "ratio, and a rest, by the mean squares of the crossed layout. The mean over languages "
    "or pairs is taken first. Ratios are fixed, all other effects random, independent and, for "
    "the intervals, normal. Estimates are unbiased, so that one of a small variance "
    "may be negative."
)
_ALL_DATA = (
    "A study has one set of training data, so that what other data would change cannot be seen "
    "here. With confirm.data_parts a study trains on several parts of the data that have no "
    "passage in common, and this section splits off the variance of the data."
)
_OF_PARTS = (
    "Data is which part of the training data is learnt from; no two parts have a passage in "
    "common, and a seed lies within its part. In all that follows, a seed is one part with the "
    "mean over its training seeds."
)
_POWER = (
    "Power is the chance that a paired t test at level .05 finds a true difference between the "
    "hybrid ratio and a pure strategy, at the variances of this study. \u201cThese "
    "questions\u201d asks whether the encoders differ on this very benchmark: a test over seeds. "
    "\u201cAll such questions\u201d takes the questions as a sample as well. The interval of a "
    "number of seeds follows from that of the seeds' variance, which few seeds tell badly: "
    "with 4 it reaches from a third to fourteen times the estimate."
)


def _split_table(
    found: dict[str, Scores], parts: Mapping[int, int], generator: np.random.Generator
) -> pd.DataFrame:
    """A row per setting and source; empty unless ratios, seeds and questions are several."""
    rows = []
    for setting, measured in found.items():
        values, trained = inference.score_by_question(measured), measured.trained
        if parts:
            values, trained = within_parts(values, measured, parts)
        values = values[np.ix_(*complete_block(trained))]
        if min(values.shape) < 2:
            continue
        components = split_variance(values, generator)
        total = sum(max(component.variance, 0.0) for component in components)
        sizes = dict(zip(_N_PARTS if parts else _N, values.shape, strict=True))
        for component in components:
            told = [one for one in (RATIO, DATA, SEED, QUESTION) if one in component.source]
            rows.append(
                {
                    "setting": setting,
                    "source": " × ".join(told) + (" and rest" if component.source == REST else ""),
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


def _power_tables(found: dict[str, Scores]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Seeds and questions needed, and the power to resolve `RESOLVED` over seeds."""
    needed, power = [], []
    by_question = {
        setting: inference.score_by_question(measured) for setting, measured in found.items()
    }
    for (setting, measured), pure in product(found.items(), inference.PURE):
        hybrid = inference.hybrid_ratio(measured.ratios)
        if hybrid is None or pure not in measured.ratios:
            continue
        gain = paired_gain(by_question[setting], measured, hybrid, pure)
        if min(gain.shape) < 2:
            continue
        squares = mean_squares(gain)
        what = {"setting": setting, "hybrid": hybrid, "pure": pure}
        what |= {"n_seeds": squares.n_seeds, "n_questions": squares.n_questions}
        needed += [
            {**what, "difference": gap, "power": wanted, **_needed(gap, squares, wanted)}
            for gap, wanted in product(DIFFERENCES, _POWERS)
        ]
        power += [{**what, **row} for row in _curve(squares)]
    table = pd.DataFrame(needed)
    counts = ["seeds", "seeds_low", "seeds_high", "seeds_random", "questions"]
    return (table.astype(dict.fromkeys(counts, "Int64")) if needed else table), pd.DataFrame(power)


def _needed(difference: float, squares: MeanSquares, power: float) -> dict[str, int | None]:
    low, high = seed_interval(squares)
    return {
        "seeds": seeds_needed(difference, squares, power, random_questions=False),
        "seeds_low": seeds_needed(difference, low, power, random_questions=False),
        "seeds_high": seeds_needed(difference, high, power, random_questions=False),
        "seeds_random": seeds_needed(difference, squares, power, random_questions=True),
        "questions": questions_needed(difference, squares, power),
    }


def _curve(squares: MeanSquares) -> list[dict[str, float | str]]:
    cautious, hopeful = reversed(seed_interval(squares))
    rows: list[dict[str, float | str]] = []
    for n_seeds in _DRAWN_SEEDS:
        of_seeds = [power_fixed(RESOLVED, one, n_seeds) for one in (squares, cautious, hopeful)]
        of_both = [
            power_random(RESOLVED, one, n_seeds, squares.n_questions)
            for one in (squares, cautious, hopeful)
        ]
        for speaks_of, (power, low, high) in ((_FIXED, of_seeds), (_RANDOM, of_both)):
            row = (speaks_of, n_seeds, power, low, high)
            rows.append(dict(zip(_CURVE, row, strict=True)))
    return rows


def _figures(benchmark: str, split: pd.DataFrame, power: pd.DataFrame) -> list[Figure]:
    figures = []
    if not split.empty:
        caption = (
            "What each source adds to a trial's mAP, as a standard deviation: what varies with "
            "the question is averaged over the questions. Filled: what stays in a difference "
            "between two ratios; hollow: what cancels. Lines are 95 % intervals. "
            f"{_sample(split)}"
        )
        chart = variance_split(split).to_dict()
        figures.append(Figure(f"variance_split-{benchmark}", chart, caption))
    if not power.empty:
        caption = (
            f"Chance to find a true difference of {RESOLVED:g} mAP between the hybrid ratio and "
            "a pure strategy, over the number of training seeds. Bands follow from the 95 % "
            f"interval of the seeds' variance; dashes mark 80 % and 90 %. "
            f"{_sample(power, spread=True)}"
        )
        chart = power_curves(power).to_dict()
        figures.append(Figure(f"power_curves-{benchmark}", chart, caption))
    return figures


def _split_shown(benchmark: str, split: pd.DataFrame) -> Table:
    columns = {
        "setting": "setting",
        "source": "varies with",
        "variance": "variance of a score",
        "low": "95 % from",
        "high": "95 % to",
        "share": "share",
        "in_mean": "sd in a trial's mAP",
        "in_difference": "in a difference of ratios",
        "n_ratios": "ratios",
        **({"n_parts": "parts of the data"} if "n_parts" in split else {}),
        "n_seeds": "seeds",
        "n_questions": "questions",
    }
    caption = "Variance of mAP by source; shares are of the sum without negative estimates."
    return Table(f"variance_split-{benchmark}", split, columns, caption)


def _needed_shown(benchmark: str, needed: pd.DataFrame) -> Table:
    columns = {
        "setting": "setting",
        "hybrid": "hybrid α",
        "pure": "pure α",
        "difference": "difference",
        "power": "power",
        "seeds": "seeds, these questions",
        "seeds_low": "95 % from",
        "seeds_high": "95 % to",
        "seeds_random": "seeds, all such questions",
        "questions": "questions, seeds as here",
        "n_seeds": "seeds here",
        "n_questions": "questions here",
    }
    caption = (
        "Training seeds that the next study needs to find a true difference, with as many "
        "questions as this benchmark has; the last number is that of questions with as many seeds "
        f"as here. Blank: {MOST:,} seeds, or {100 * MOST:,} questions, are not enough."
    )
    return Table(f"seeds_needed-{benchmark}", needed, columns, caption)


def _sample(table: pd.DataFrame, spread: bool = False) -> str:
    n_seeds, n_questions = int(table["n_seeds"].max()), int(table["n_questions"].max())
    sample = f"{n_seeds} seeds × {n_questions:,} questions"
    if "n_parts" in table:
        sample = f"{int(table['n_parts'].max())} parts of the data × {sample}"
    return f"Variances from n = {sample}." if spread else f"n = {sample}."
