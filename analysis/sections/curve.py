"""The sections of one benchmark: the confirmed curve, language bias and pairs; the literature."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.figures.language_bias import language_bias
from analysis.figures.language_pairs import language_pairs
from analysis.figures.ratio_curve import ratio_curve
from analysis.page.model import Figure, Headline, Section, Table
from analysis.sections.answer import answer
from analysis.sections.languages import gains_section
from analysis.sections.literature import literature_section
from analysis.sections.tradeoff import tradeoff_section
from analysis.sections.variance import variance_section
from analysis.study.arrays import Key
from analysis.study.data_parts import parts_of
from analysis.study.mlflow import Study
from analysis.tables import confirmed, tested
from hybridir import inference, names
from hybridir.inference.scores import Scores

_N = {"n_seeds": "seeds", "n_questions": "questions"}
_CURVE = (
    "The confirmed curve. Intervals: hierarchical bootstrap over seeds and questions. How far a "
    "ratio lies below the best has a 95 % bound that holds for all ratios together."
)
_INTERVAL = {"low": "95 % from", "high": "95 % to"}


class Measured(NamedTuple):
    """What the confirmation found on a benchmark, as tables of `frames` and `findings`.

    Attributes:
        benchmark: its name.
        curve: `confirmed.curve_table`.
        seeds: `confirmed.seed_table`.
        languages: `confirmed.language_table`.
        optima: `tested.optimum_table`.
        fits: `tested.fit_table`.
        gains: `tested.gain_table`; with ``p_holm`` once all benchmarks are there.
        more: the sections of `further.more_sections`.
        n_languages: of the questions.
    """

    benchmark: str
    curve: pd.DataFrame
    seeds: pd.DataFrame
    languages: pd.DataFrame
    optima: pd.DataFrame
    fits: pd.DataFrame
    gains: pd.DataFrame
    more: list[Section]
    n_languages: int


def measure_benchmarks(study: Study, generator: np.random.Generator) -> list[Measured]:
    """Analyse what the confirmation scored, one benchmark in memory at a time.

    Args:
        study: the study.
        generator: source of all draws.

    Returns:
        Those of `confirmed.reported_benchmarks` for which a trial recorded a per-query table.
    """
    found = []
    for benchmark in confirmed.reported_benchmarks(study):
        measured = _measure(study, benchmark, generator)
        if measured is not None:
            found.append(measured)
    corrected = tested.corrected([measured.gains for measured in found])
    return [
        measured._replace(gains=gains) for measured, gains in zip(found, corrected, strict=True)
    ]


def _measure(study: Study, benchmark: str, generator: np.random.Generator) -> Measured | None:
    scores = confirmed.confirmed_scores(study, benchmark)
    if not any(measure == names.AP for measure, _ in scores):
        return None
    replicates = {key: inference.replicate(found, generator) for key, found in scores.items()}
    return Measured(
        benchmark,
        confirmed.curve_table(scores, replicates),
        confirmed.seed_table(scores),
        confirmed.language_table(scores),
        tested.optimum_table(scores, replicates),
        tested.fit_table(scores, replicates),
        tested.gain_table(scores, replicates, generator),
        more_sections(study, benchmark, scores, generator),
        len({query for found in scores.values() for query, _ in found.cells}),
    )


def benchmark_sections(study: Study, measured: Measured) -> tuple[Headline, list[Section]]:
    """Report what the confirmation found on a benchmark.

    Args:
        study: the study.
        measured: one of `measure_benchmarks`.

    Returns:
        The answer and the sections, that on the literature only where there is some.
    """
    benchmark, curve = measured.benchmark, measured.curve
    tables = [
        _curve(benchmark, curve),
        _optima(benchmark, measured.optima),
        *([] if measured.gains.empty else [_gains(benchmark, measured.gains)]),
        Table(f"fits-{benchmark}", measured.fits, {}, "The smooth curves with their bands."),
        Table(f"seeds-{benchmark}", measured.seeds, {}, "Every seed's value."),
        Table(
            f"language_pairs-{benchmark}",
            measured.languages,
            {},
            "mAP by language pair and ratio.",
        ),
    ]
    section = Section(f"Confirmed on {benchmark}", figures=_figures(measured), tables=tables)
    beside = literature_section(study, benchmark, curve, measured.n_languages)
    headline = answer(benchmark, curve, measured.gains, measured.optima)
    return headline, [section, *measured.more, *([beside] if beside else [])]


def _figures(measured: Measured) -> list[Figure]:
    benchmark, curve, seeds = measured.benchmark, measured.curve, measured.seeds
    n = _sample(curve)
    figures = [
        Figure(
            f"ratio_curve-{benchmark}",
            ratio_curve(curve, seeds, measured.fits, measured.optima).to_dict(),
            f"mAP on {benchmark} over the mixing ratio. Points are means over seeds with their 95 "
            "% intervals for other seeds and questions; small dots to the right of a mean are "
            "single seeds, the large dot is a setting's best ratio. Where a smooth curve fits it "
            "is drawn with its pointwise 95 % band, elsewhere means are joined. The bar above a "
            f"curve is the 95 % interval of its best ratio. {n}",
        )
    ]
    if (curve["measure"] == names.RANK_DISTANCE).any():
        caption = (
            "Language bias in the pool of all languages. Rank distance: worst minus best rank "
            "among a question's relevant passages, 0 at best; a model that is merely worse also "
            "has a higher one, so read it beside mAP (left). Right: share of questions whose "
            "first hit, and whose first relevant passage, is in their own language. "
            f"Bands: 95 % bootstrap intervals. {n}"
        )
        chart = language_bias(curve, seeds).to_dict()
        figures.append(Figure(f"language_bias-{benchmark}", chart, caption))
    if not measured.languages.empty:
        hybrid = inference.hybrid_ratio(tuple(sorted(set(measured.languages[names.MIXING_RATIO]))))
        caption = (
            "mAP by language of question and pool, means over seeds; the diagonal is the "
            "monolingual setting, the rest the cross-lingual one. The right map takes, per cell, "
            "the higher of the two pure strategies, which flatters them a little; blue is a gain, "
            f"orange a loss. {n} Intervals of single pairs stand in their table."
        )
        main = _main(measured.optima)
        chart = language_pairs(measured.languages, main, hybrid).to_dict()
        figures.append(Figure(f"language_pairs-{benchmark}", chart, caption))
    return figures


def _main(optima: pd.DataFrame) -> float:
    """Choose the ratio whose languages are drawn: the best of the multilingual setting, if any."""
    best = optima[optima["measure"] == names.AP].set_index("setting")["best"]
    return float(best.get(names.MULTILINGUAL, best.iloc[0]))


def _curve(benchmark: str, curve: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        **_INTERVAL,
        "sd_seeds": "sd of seeds",
        "loss": "below the best",
        "loss_at_most": "at most",
        **_N,
    }
    return Table(names.curve_table(benchmark), curve, columns, _CURVE)


def _optima(benchmark: str, optima: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "optimum": "best α",
        **_INTERVAL,
        "rests_on": "rests on",
        "degree": "degree of fit",
        "lack_of_fit": "lack of fit, p",
        "best": "best of grid",
        "best_low": "may be best from",
        "best_high": "may be best to",
        "share": "share of draws",
        **_N,
    }
    caption = (
        "Where each measure is best. A polynomial whose degree follows from the number of ratios "
        "gives the optimum and its interval (every ratio at which its slope may be 0 and it is "
        "not significantly below its best), unless the means contradict it (lack of fit, p below "
        "0.2); then the ratios do that no other one beats (multiple comparisons with the best)."
    )
    return Table(f"optimum-{benchmark}", optima, columns, caption)


_TESTED = {
    "hybrid": "hybrid α",
    "pure": "pure α",
    "difference": "difference",
    **_INTERVAL,
    "relative": "relative",
    "d_questions": "d, questions",
    "d_seeds": "d, seeds",
    "p": "p",
    "p_holm": "p, Holm",
}


def _gains(benchmark: str, gains: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        **_TESTED,
        "p_crossed": "p, seeds and questions",
        "p_questions": "p, swaps of questions",
        "p_seeds": "p, swaps of seeds",
        **_N,
    }
    caption = (
        "Hybrid minus pure, paired by seed and question. The hybrid ratio is the one nearest to "
        "0.5, chosen without looking at scores. p is the larger of that for other seeds and "
        "questions (seed effects taken to be normal) and that of a permutation test over "
        f"questions ({inference.SWAPS:,} swaps); swaps of whole seeds cannot give less than "
        "2 / 2^seeds and are shown only. Holm: corrected over benchmarks, settings and pure "
        "strategies, within mAP, the measures of language bias, and each further measure. d is "
        "the difference in standard deviations."
    )
    return Table(f"hybrid_gain-{benchmark}", gains, columns, caption)


def _sample(curve: pd.DataFrame) -> str:
    seeds = sorted({int(count) for count in curve["n_seeds"]})
    counts = "–".join(map(str, {seeds[0]: None, seeds[-1]: None}))
    word = "seed" if seeds == [1] else "seeds"
    return f"n = {counts} {word} × {int(curve['n_questions'].max()):,} questions."


def more_sections(
    study: Study, benchmark: str, scores: dict[Key, Scores], generator: np.random.Generator
) -> list[Section]:
    """Report who gains, and what the figures vary with.

    Args:
        study: the study.
        benchmark: its name.
        scores: `scores.collect_scores`, with mAP in one setting at least.
        generator: source of the draws.

    Returns:
        The sections for which there are enough trials.
    """
    parts = parts_of(confirmed.confirmed_trials(study))
    each = confirmed.confirmed_scores(study, benchmark, each_seed=True) if parts else scores
    sections = [
        tradeoff_section(benchmark, scores),
        gains_section(study, benchmark, scores),
        variance_section(benchmark, scores, each, parts, generator),
    ]
    return [section for section in sections if section is not None]
