"""The section on the confirmed curve: the optimum, gains, language bias and language pairs."""

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import pandas as pd

from analysis.figures.first_hits import plot_first_hits
from analysis.figures.language_bias import plot_language_bias
from analysis.figures.language_pairs import plot_language_pairs
from analysis.figures.ratio_curve import plot_ratio_curve
from analysis.page import Figure, Section, Table
from analysis.sections.wording import INTERVAL, SAMPLE, others, sample_text, with_change
from analysis.study.arrays import Key
from analysis.tables import confirmed, tested
from hybridir import inference, names
from hybridir.evaluation.summary import ABSENT
from hybridir.inference.scores import Scores

_CURVES = {names.AP: "ratio_curve", names.SET_F1: "f1_curve"}
_MEANING = {
    names.AP: "",
    names.SET_F1: (
        " F1 of the first R passages, of which R are relevant (R-precision; hit@1 where R is 1)."
    ),
}


class CurveTables(NamedTuple):
    """The confirmed curve of a benchmark.

    Attributes:
        curve: `confirmed.curve_table`, with the number of conditions that each mean is over in
            ``n_conditions``; ``all_or_nothing`` says whether each question has 0 or 1, as with F1
            at R where one passage is relevant.
        seeds: `confirmed.seed_table`.
        pairs: `confirmed.language_table`.
        optima: `tested.optimum_table`.
        fits: `tested.fit_table`.
        gains: `tested.gain_table`; `tested.adjust_p_values` adds ``family`` and ``p_holm``.
        effects: `tested.design_effect_table`.
    """

    curve: pd.DataFrame
    seeds: pd.DataFrame
    pairs: pd.DataFrame
    optima: pd.DataFrame
    fits: pd.DataFrame
    gains: pd.DataFrame
    effects: pd.DataFrame


def measure_curve(scores: dict[Key, Scores]) -> CurveTables:
    """Tabulate the confirmed curve.

    Args:
        scores: `confirmed.confirmed_scores`.
    """
    generators = {key: inference.generator_of(scores[key]) for key in scores}
    # NumPy draws without Python's lock; each measure has a generator of its own.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        drawn = threads.map(lambda key: inference.replicate(scores[key], generators[key]), scores)
        replicates = dict(zip(scores, drawn, strict=True))
    return CurveTables(
        confirmed.curve_table(scores, replicates),
        confirmed.seed_table(scores),
        confirmed.language_table(scores),
        tested.optimum_table(scores, replicates),
        tested.fit_table(scores, replicates),
        tested.gain_table(scores, replicates, generators),
        tested.design_effect_table(scores),
    )


def answer_figure(
    benchmark: str, tables: CurveTables, primary: Collection[Key]
) -> tuple[str, Figure]:
    """Show the curve and the gains of the measure that the answer is about.

    Args:
        benchmark: its name.
        tables: `measure_curve`, with corrected gains.
        primary: (measure, setting) of the primary outcomes.

    Returns:
        The measure of the first primary outcome that has such a figure, or mAP; and the figure.
    """
    measured = set(tables.curve["measure"])
    drawn = (measure for measure, _ in primary if measure in _CURVES and measure in measured)
    measure = next(drawn, names.AP)
    return measure, _curve_figure(benchmark, tables, measure)


def curve_section(benchmark: str, tables: CurveTables, shown_above: str = "") -> Section:
    """Show the confirmed curve.

    Args:
        benchmark: its name.
        tables: `measure_curve`, with corrected gains.
        shown_above: measure whose `answer_figure` opens the page.
    """
    shown = [_curve(benchmark, tables.curve)]
    if not confirmed.is_one_ratio(tables.curve):
        shown.append(_optima(benchmark, tables.optima))
    if not tables.gains.empty:
        shown.append(_gains(benchmark, tables.gains))
    if not tables.effects.empty:
        shown.append(_effects(benchmark, tables.effects, sample_text(tables.curve)))
    in_files = (
        ("fits", tables.fits, "The smooth curves with their bands."),
        ("seeds", tables.seeds, "The value of every seed."),
        ("language_pairs", tables.pairs, "mAP by language pair and ratio."),
    )
    shown += [Table(f"{name}-{benchmark}", data, {}, text) for name, data, text in in_files]
    return Section(
        f"Confirmed curve on {benchmark}",
        figures=_figures(benchmark, tables, shown_above),
        tables=shown,
    )


def _curve_figure(benchmark: str, tables: CurveTables, measure: str) -> Figure:
    drawn = (tables.curve, tables.seeds, tables.fits, tables.optima, tables.gains)
    ratios = "at one ratio" if confirmed.is_one_ratio(tables.curve) else "over the mixing ratio"
    caption = (
        f"{names.LABELS[measure]} on {benchmark} {ratios}, each setting on an axis of its own."
        f"{_MEANING[measure]} Means over seeds with 95 % intervals for "
        f"{others(tables.curve)}; small dots to the right of a mean are single seeds."
    )
    if not confirmed.is_one_ratio(tables.curve):
        caption += (
            " The large dot is the best confirmed ratio. A smooth curve with its pointwise 95 % "
            "band is a description, drawn where it fits. The bar spans from the grid neighbour "
            "below to that above the ratios that may be best (95 %)."
        )
    if not tables.gains.empty:
        caption += (
            " Below: the gain of hybrid batches over each pure strategy, paired by seed and "
            "question, with its 95 % interval; blue is a gain, orange a loss, grey not "
            "distinguished after correction."
        )
    caption += f" {sample_text(tables.curve)}"
    chart = partial(plot_ratio_curve, *drawn, measure=measure)
    return Figure(f"{_CURVES[measure]}-{benchmark}", chart, caption)


def _figures(benchmark: str, tables: CurveTables, shown_above: str) -> list[Figure]:
    n = sample_text(tables.curve)
    figures = [
        _curve_figure(benchmark, tables, measure)
        for measure in _CURVES
        if measure != shown_above and (tables.curve["measure"] == measure).any()
    ]
    if (tables.curve["measure"] == names.RANK_DISTANCE).any():
        caption = (
            "Language bias in the pool of all languages. Middle: rank distance, the worst minus "
            "the best rank among the relevant passages of a question; at best their number less "
            "one. A model that is merely worse also has a higher rank distance, so read it beside "
            "mAP (left). Right: share of questions whose first hit, and whose first relevant "
            f"passage, is in their own language. Bands are 95 % intervals. {n}"
        )
        chart = partial(plot_language_bias, tables.curve, tables.seeds)
        figures.append(Figure(f"language_bias-{benchmark}", chart, caption))
    if tables.curve["measure"].isin(names.FIRST_HITS).any():
        caption = (
            "The first hit in the pool of all languages: the right passage or a wrong one, in the "
            "question's language or in another one; shares of the questions with relevant "
            "passages in their own and in another language (arXiv 2605.07249). Intervals are in "
            f"the table of the curve. {n}"
        )
        chart = partial(plot_first_hits, tables.curve)
        figures.append(Figure(f"first_hits-{benchmark}", chart, caption))
    if not tables.pairs.empty:
        ratios = tuple(sorted(set(tables.pairs[names.MIXING_RATIO])))
        best, setting = _best_ratio(tables.optima)
        hybrid = inference.hybrid_ratio(ratios)
        two_maps = hybrid is not None and {0.0, 1.0} <= set(ratios)
        caption = (
            "mAP by question language and pool language, means over seeds. The diagonal is the "
            "monolingual setting, the rest the cross-lingual one. "
        )
        caption += (
            f"At α = {best:g}, the only confirmed ratio."
            if len(ratios) == 1
            else f"{'Left' if two_maps else 'Here'}: at the confirmed ratio with the best mAP in "
            f"the {setting} setting."
        )
        if two_maps:
            caption += (
                " Right: the gain of hybrid batches over the higher of the two pure strategies, "
                "chosen per cell, which favours them a little; blue is a gain, orange a loss. The "
                "table of gains by pair has their intervals."
            )
        caption += f" {n}"
        chart = partial(plot_language_pairs, tables.pairs, best, hybrid)
        figures.append(Figure(f"language_pairs-{benchmark}", chart, caption))
    return figures


def _best_ratio(optima: pd.DataFrame) -> tuple[float, str]:
    """The best ratio of the multilingual setting, or of the first one, and which it is."""
    best = optima[optima["measure"] == names.AP].set_index("setting")["best"]
    setting = names.MULTILINGUAL if names.MULTILINGUAL in best.index else str(best.index[0])
    return float(best[setting]), names.LABELS[setting]


def _curve(benchmark: str, curve: pd.DataFrame) -> Table:
    compared = not confirmed.is_one_ratio(curve)
    columns = {
        "measure": "measure",
        "setting": "setting",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        **INTERVAL,
        "sd_seeds": "sd over seeds",
        **({"loss": "below the best", "loss_at_most": "at most"} if compared else {}),
        **SAMPLE,
    }
    caption = (
        f"The confirmed curve. Intervals are for {others(curve)}: t "
        "intervals, near an end of the measure's range score intervals, which stay within it. F1 "
        "at R is R-precision, this project's own name; with one relevant passage a pool it is "
        "hit@1."
    )
    if compared:
        caption += (
            " \u201cAt most\u201d is a 95 % bound on the loss against the best ratio; it holds "
            "for all ratios together, with a critical value from a bootstrap."
        )
    caption += _absent(curve)
    return Table(names.curve_table_name(benchmark), curve, columns, caption)


def _absent(curve: pd.DataFrame) -> str:
    """Why a benchmark has no figures across languages, or none of language bias."""
    settings = set(curve.loc[curve["measure"] == names.AP, "setting"])
    kinds: list[str] = [setting for setting in names.SETTINGS if setting not in settings]
    if not (curve["measure"] == names.RANK_DISTANCE).any():
        kinds.append(names.LANGUAGE_BIAS)
    return "".join(
        f" No figures of the {names.LABELS[kind]} setting: {ABSENT[kind]}."
        if kind in names.SETTINGS
        else f" No {names.LABELS[kind]}: {ABSENT[kind]}."
        for kind in kinds
        if kind in ABSENT
    )


def _optima(benchmark: str, optima: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "best": "best confirmed α",
        "may_be_best": "may be best",
        **INTERVAL,
        "share": "share of draws",
        "fit_peak": "peak of fit",
        **SAMPLE,
    }
    caption = (
        "The best ratio for each measure: the confirmed ratios that no other one beats (multiple "
        "comparisons with the best, one-sided at .05, which may leave out a ratio although the "
        "two-sided interval of its difference reaches 0), and the interval of the optimum, from "
        "the confirmed ratio below them to that above, if the curve rises up to its optimum and "
        "falls behind it. The share of draws is how often the best ratio was the best in "
        f"{inference.DRAWS:,} bootstrap draws of seeds and clusters, which also give the critical "
        "value. The peak of a smooth curve through the means is a description; blank where they "
        "contradict the curve (lack of fit, p below 0.2)."
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
        "change": "the change is",
        "relative": "relative",
        "d_clusters": "d",
        "p_planned": "p of planned tests",
        **SAMPLE,
    }
    caption = (
        "Hybrid minus pure, paired by seed and question. The hybrid ratio is the one nearest to "
        "0.5, chosen without the scores. A change is called better or worse where its p, "
        "corrected by Holm's method, is below .05; where a measure has no good side, higher or "
        "lower. The planned tests, of the primary outcomes, are corrected together, and all "
        "others, which are exploratory, together with their changes between levels. d is the "
        "difference in standard deviations over clusters. The CSV file has every p."
    )
    return Table(f"hybrid_gain-{benchmark}", with_change(gains), columns, caption)


def _effects(benchmark: str, effects: pd.DataFrame, sample: str) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "quantity": "quantity",
        names.MIXING_RATIO: "α",
        "value": "design effect",
        "standard_error": "standard error over clusters",
    }
    paired = "difference" in set(effects["quantity"])
    difference = " A difference is the hybrid ratio minus the pure one shown." if paired else ""
    caption = (
        "Design effects: the variance over clusters of questions, divided by that of independent "
        f"questions (Kish 1965).{difference} The standard error is for these seeds, with the "
        f"factor G / (G - 1) for G clusters. {sample}"
    )
    return Table(f"design_effect-{benchmark}", effects, columns, caption)
