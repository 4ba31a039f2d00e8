"""The section on what the figures vary with, and how large the next study must be."""

from itertools import product

import numpy as np
import pandas as pd

from analysis import inference
from analysis.contents import Figure, Section, Table
from analysis.contributions import MeanSquares, mean_squares, paired_gain
from analysis.figures.power_curves import power_curves
from analysis.figures.variance_split import variance_split
from analysis.power import (
    MOST,
    power_fixed,
    power_random,
    questions_needed,
    seed_interval,
    seeds_needed,
)
from analysis.scores import Key, Scores
from analysis.split import QUESTION, RATIO, SEED, complete_block, split_variance
from hybridir import names

DIFFERENCES = (0.001, 0.002, 0.005, 0.01)
RESOLVED = 0.005  # mAP; about what separates the published strategies (analysis/published.py)
_POWERS = (0.8, 0.9)
_DRAWN_SEEDS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
_CURVE = ("speaks_of", "seeds", "power", "low", "high")
_FIXED, _RANDOM = "these questions", "all such questions"


def variance_section(
    benchmark: str, scores: dict[Key, Scores], generator: np.random.Generator
) -> Section | None:
    """Split the variance of mAP, and count the seeds that resolve a difference.

    Args:
        benchmark: its name.
        scores: `scores.collect_scores`.
        generator: source of the intervals' draws.

    Returns:
        The section; None without two seeds and two questions.
    """
    found: dict[str, Scores] = {
        setting: scores[names.AP, setting]
        for setting in names.SETTINGS
        if (names.AP, setting) in scores
    }
    split = _split_table(found, generator)
    needed, power = _power_tables(found)
    if split.empty and needed.empty:
        return None
    return Section(
        f"Variance and power on {benchmark}",
        [_SPLIT, _DATA_SEED, _POWER] if len(needed) else [_SPLIT, _DATA_SEED],
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
_DATA_SEED = (
    "A study has one set of training data, so that what other data would change cannot be seen "
    "here. Repeat the study with other data (for the synthetic corpus: another seed) and compare "
    "the reports: the variance of a ratio's mean between them, less that of this table, is that "
    "of the data."
)
_POWER = (
    "Power is the chance that a paired t test at level .05 finds a true difference between the "
    "hybrid ratio and a pure strategy, at the variances of this study. \u201cThese "
    "questions\u201d asks whether the encoders differ on this very benchmark: a test over seeds. "
    "\u201cAll such questions\u201d takes the questions as a sample as well. The interval of a "
    "number of seeds follows from that of the seeds' variance, which few seeds tell badly: "
    "with 4 it reaches from a third to fourteen times the estimate."
)


def _split_table(found: dict[str, Scores], generator: np.random.Generator) -> pd.DataFrame:
    """A row per setting and source; empty unless ratios, seeds and questions are several."""
    rows = []
    for setting, measured in found.items():
        ratios, seeds = complete_block(measured.trained)
        values = inference.score_by_question(measured)[np.ix_(ratios, seeds)]
        if min(values.shape) < 2:
            continue
        components = split_variance(values, generator)
        total = sum(max(component.variance, 0.0) for component in components)
        for component in components:
            size = dict(zip((RATIO, SEED, QUESTION), values.shape, strict=True))
            rows.append(
                {
                    "setting": setting,
                    "source": " × ".join(one for one in size if one in component.source)
                    + (" and rest" if len(component.source) == len(size) else ""),
                    "variance": component.variance,
                    "low": component.low,
                    "high": component.high,
                    "share": max(component.variance, 0.0) / total if total else np.nan,
                    "in_mean": component.in_mean,
                    "in_mean_low": component.in_mean_low,
                    "in_mean_high": component.in_mean_high,
                    "in_difference": "yes" if RATIO in component.source else "no",
                    **{f"n_{name}s": length for name, length in size.items()},
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
    return f"Variances from n = {sample}." if spread else f"n = {sample}."
