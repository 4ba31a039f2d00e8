"""The section on the confirmed curve: the optimum, gains, language bias and language pairs."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.figures.language_bias import plot_language_bias
from analysis.figures.language_pairs import plot_language_pairs
from analysis.figures.ratio_curve import plot_ratio_curve
from analysis.page import Figure, Section, Table
from analysis.sections.wording import INTERVAL, SAMPLE, sample_text
from analysis.study.arrays import Key
from analysis.tables import confirmed, tested
from hybridir import inference, names
from hybridir.inference.scores import Scores


class CurveTables(NamedTuple):
    """The confirmed curve of a benchmark.

    Attributes:
        curve: `confirmed.curve_table`.
        seeds: `confirmed.seed_table`.
        pairs: `confirmed.language_table`.
        optima: `tested.optimum_table`.
        fits: `tested.fit_table`.
        gains: `tested.gain_table`; `tested.adjust_p_values` adds the column ``p_holm``.
    """

    curve: pd.DataFrame
    seeds: pd.DataFrame
    pairs: pd.DataFrame
    optima: pd.DataFrame
    fits: pd.DataFrame
    gains: pd.DataFrame


def measure_curve(scores: dict[Key, Scores], generator: np.random.Generator) -> CurveTables:
    """Tabulate the confirmed curve.

    Args:
        scores: `confirmed.confirmed_scores`.
        generator: source of the draws.
    """
    replicates = {key: inference.replicate(scores[key], generator) for key in scores}
    return CurveTables(
        confirmed.curve_table(scores, replicates),
        confirmed.seed_table(scores),
        confirmed.language_table(scores),
        tested.optimum_table(scores, replicates),
        tested.fit_table(scores, replicates),
        tested.gain_table(scores, replicates, generator),
    )


def curve_section(benchmark: str, tables: CurveTables) -> Section:
    """Show the confirmed curve.

    Args:
        benchmark: its name.
        tables: `measure_curve`, with corrected gains.
    """
    shown = [_curve(benchmark, tables.curve), _optima(benchmark, tables.optima)]
    if not tables.gains.empty:
        shown.append(_gains(benchmark, tables.gains))
    in_files = (
        ("fits", tables.fits, "The smooth curves with their bands."),
        ("seeds", tables.seeds, "The value of every seed."),
        ("language_pairs", tables.pairs, "mAP by language pair and ratio."),
    )
    shown += [Table(f"{name}-{benchmark}", data, {}, text) for name, data, text in in_files]
    return Section(
        f"Confirmed curve on {benchmark}", figures=_figures(benchmark, tables), tables=shown
    )


def _figures(benchmark: str, tables: CurveTables) -> list[Figure]:
    n = sample_text(tables.curve)
    chart = plot_ratio_curve(tables.curve, tables.seeds, tables.fits, tables.optima).to_dict()
    caption = (
        f"mAP on {benchmark} over the mixing ratio. Points are means over seeds with 95 % "
        "intervals for other seeds and questions. Small dots to the right of a mean are single "
        "seeds, the large dot is the best ratio of a setting. Where a smooth curve fits, it is "
        "drawn with its pointwise 95 % band; elsewhere lines join the means. The bar above a "
        f"curve is the 95 % interval of its best ratio. {n}"
    )
    figures = [Figure(f"ratio_curve-{benchmark}", chart, caption)]
    if (tables.curve["measure"] == names.RANK_DISTANCE).any():
        caption = (
            "Language bias in the pool of all languages. Middle: rank distance, the worst minus "
            "the best rank among the relevant passages of a question, 0 at best. A model that is "
            "merely worse also has a higher rank distance, so read it beside mAP (left). Right: "
            "share of questions whose first hit, and whose first relevant passage, is in their "
            f"own language. Bands are 95 % bootstrap intervals. {n}"
        )
        chart = plot_language_bias(tables.curve, tables.seeds).to_dict()
        figures.append(Figure(f"language_bias-{benchmark}", chart, caption))
    if not tables.pairs.empty:
        ratios = tuple(sorted(set(tables.pairs[names.MIXING_RATIO])))
        caption = (
            "mAP by question language and pool language, means over seeds. The diagonal is the "
            "monolingual setting, the rest the cross-lingual one. Right: the gain over the higher "
            "of the two pure strategies, chosen per cell, which favours them a little; blue is a "
            f"gain, orange a loss. {n} The table of gains by pair has their intervals."
        )
        best = _best_ratio(tables.optima)
        chart = plot_language_pairs(tables.pairs, best, inference.hybrid_ratio(ratios)).to_dict()
        figures.append(Figure(f"language_pairs-{benchmark}", chart, caption))
    return figures


def _best_ratio(optima: pd.DataFrame) -> float:
    """Choose the best ratio of the multilingual setting, or of the first setting without it."""
    best = optima[optima["measure"] == names.AP].set_index("setting")["best"]
    return float(best.get(names.MULTILINGUAL, best.iloc[0]))


def _curve(benchmark: str, curve: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        **INTERVAL,
        "sd_seeds": "sd over seeds",
        "loss": "below the best",
        "loss_at_most": "at most",
        **SAMPLE,
    }
    caption = (
        "The confirmed curve. Intervals are hierarchical bootstraps over seeds and questions. "
        "\u201cAt most\u201d is a 95 % bound on the loss against the best ratio; it holds for all "
        "ratios together."
    )
    return Table(names.curve_table_name(benchmark), curve, columns, caption)


def _optima(benchmark: str, optima: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "optimum": "best α",
        **INTERVAL,
        "rests_on": "based on",
        "degree": "degree of fit",
        "lack_of_fit": "lack of fit, p",
        "best": "best of grid",
        "best_low": "may be best from",
        "best_high": "may be best to",
        "share": "share of draws",
        **SAMPLE,
    }
    caption = (
        "The best ratio for each measure. \u201cFit\u201d: a polynomial, whose degree follows "
        "from the number of ratios, gives the optimum and its interval: every ratio at which its "
        "slope may be 0 and it is not significantly below its best. \u201cGrid\u201d: where the "
        "means contradict the polynomial (lack of fit, p below 0.2), the interval spans the "
        "confirmed ratios that no other ratio beats (multiple comparisons with the best)."
    )
    return Table(f"optimum-{benchmark}", optima, columns, caption)


def _gains(benchmark: str, gains: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "hybrid": "hybrid α",
        "pure": "pure α",
        "difference": "difference",
        **INTERVAL,
        "relative": "relative",
        "d_questions": "d, questions",
        "d_seeds": "d, seeds",
        "p": "p",
        "p_holm": "p, Holm",
        "p_crossed": "p, seeds and questions",
        "p_questions": "p, swaps of questions",
        "p_seeds": "p, swaps of seeds",
        **SAMPLE,
    }
    caption = (
        "Hybrid minus pure, paired by seed and question. The hybrid ratio is the one nearest to "
        "0.5, chosen without the scores. p is the larger of two: p for other seeds and questions, "
        "which assumes normal seed effects, and p of a permutation test over questions "
        f"({inference.SWAPS:,} swaps). Swaps of whole seeds cannot give less than 2 / 2^seeds, so "
        "they are shown only. Holm's correction is over benchmarks, settings and pure strategies, "
        "within mAP, within the measures of language bias, and within each further measure. d is "
        "the difference in standard deviations."
    )
    return Table(f"hybrid_gain-{benchmark}", gains, columns, caption)
