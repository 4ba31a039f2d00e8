"""The sections of one benchmark: the confirmed curve, language bias and pairs; the literature."""

import numpy as np
import pandas as pd

from analysis import frames, inference
from analysis.answer import answer
from analysis.contents import Figure, Headline, Section, Table
from analysis.figures.language_bias import language_bias
from analysis.figures.language_pairs import language_pairs
from analysis.figures.ratio_curve import ratio_curve
from analysis.further import more_sections
from analysis.literature import literature_section
from analysis.load import Study
from analysis.scores import Key, Scores
from hybridir import names

_N = {"n_seeds": "seeds", "n_questions": "questions"}
_INTERVAL = {"low": "95 % from", "high": "95 % to"}


def benchmark_sections(
    study: Study, benchmark: str, generator: np.random.Generator
) -> tuple[Headline, list[Section]] | None:
    """Report what the confirmation found on a benchmark.

    Args:
        study: the study.
        benchmark: one of `frames.reported_benchmarks`.
        generator: source of the bootstrap's draws.

    Returns:
        The answer and the sections, that on the literature only where there is some; None if no
        trial recorded a per-query table.
    """
    scores = frames.confirmed_scores(study, benchmark)
    maps = [setting for setting in names.SETTINGS if (names.AP, setting) in scores]
    if not maps:
        return None
    replicates = {key: inference.replicate(found, generator) for key, found in scores.items()}
    curve = frames.curve_table(scores, replicates)
    seeds = frames.seed_table(scores)
    gains = frames.difference_table(scores, replicates)
    best: dict[str, inference.BestRatio] = {
        setting: inference.best_ratio(scores[names.AP, setting], replicates[names.AP, setting])
        for setting in maps
    }
    main = best[names.MULTILINGUAL if names.MULTILINGUAL in best else maps[0]].ratio
    section = Section(
        f"Confirmed on {benchmark}",
        figures=_figures(benchmark, scores, curve, seeds, main),
        tables=[
            _curve(benchmark, curve),
            *([] if gains.empty else [_gains(benchmark, gains)]),
            Table(f"seeds-{benchmark}", seeds, {}, "Every seed's value."),
            Table(
                f"language_pairs-{benchmark}",
                frames.language_table(scores),
                {},
                "mAP by language pair and ratio.",
            ),
        ],
    )
    languages = {query for found in scores.values() for query, _ in found.cells}
    beside = literature_section(study, benchmark, curve, len(languages))
    more = more_sections(study, benchmark, scores, generator)
    return answer(benchmark, curve, gains, best), [section, *more, *([beside] if beside else [])]


def _figures(
    benchmark: str,
    scores: dict[Key, Scores],
    curve: pd.DataFrame,
    seeds: pd.DataFrame,
    main: float,
) -> list[Figure]:
    n = _sample(curve)
    figures = [
        Figure(
            f"ratio_curve-{benchmark}",
            ratio_curve(curve, seeds).to_dict(),
            f"mAP on {benchmark} over the mixing ratio. Lines are means over seeds, bands their "
            "95 % bootstrap intervals over seeds and questions; small dots to the right of a mean "
            f"are single seeds, the large dot is a setting's best ratio. {n}",
        )
    ]
    if (names.RANK_DISTANCE, names.MULTILINGUAL) in scores:
        caption = (
            "Language bias in the pool of all languages. Rank distance: worst minus best rank "
            "among a question's relevant passages, 0 at best; a model that is merely worse also "
            "has a higher one, so read it beside mAP (left). Right: share of questions whose "
            "first hit, and whose first relevant passage, is in their own language. "
            f"Bands: 95 % bootstrap intervals. {n}"
        )
        chart = language_bias(curve, seeds).to_dict()
        figures.append(Figure(f"language_bias-{benchmark}", chart, caption))
    languages = frames.language_table(scores)
    if not languages.empty:
        hybrid = inference.hybrid_ratio(tuple(sorted(set(languages[names.MIXING_RATIO]))))
        caption = (
            "mAP by language of question and pool, means over seeds; the diagonal is the "
            "monolingual setting, the rest the cross-lingual one. The right map takes, per cell, "
            "the higher of the two pure strategies, which flatters them a little; blue is a gain, "
            f"orange a loss. {n} No intervals are drawn for single pairs."
        )
        chart = language_pairs(languages, main, hybrid).to_dict()
        figures.append(Figure(f"language_pairs-{benchmark}", chart, caption))
    return figures


def _curve(benchmark: str, curve: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        **_INTERVAL,
        "sd_seeds": "sd of seeds",
        **_N,
    }
    return Table(f"curve-{benchmark}", curve, columns, "The confirmed curve.")


def _gains(benchmark: str, gains: pd.DataFrame) -> Table:
    columns = {
        "measure": "measure",
        "setting": "setting",
        "hybrid": "hybrid α",
        "pure": "pure α",
        "difference": "difference",
        **_INTERVAL,
        **_N,
    }
    caption = (
        "Hybrid minus pure, paired by seed and question. The hybrid ratio is the one nearest to "
        "0.5, chosen without looking at scores. Not corrected for several comparisons."
    )
    return Table(f"hybrid_gain-{benchmark}", gains, columns, caption)


def _sample(curve: pd.DataFrame) -> str:
    seeds = sorted({int(count) for count in curve["n_seeds"]})
    counts = "–".join(map(str, {seeds[0]: None, seeds[-1]: None}))
    word = "seed" if seeds == [1] else "seeds"
    return f"n = {counts} {word} × {int(curve['n_questions'].max()):,} questions."
