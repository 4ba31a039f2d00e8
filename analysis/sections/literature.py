"""The section on published results, beside those of the study."""

from typing import Any

import pandas as pd

from analysis.page import Section, Table
from analysis.sections.literature_figures import (
    CROSS,
    LANGUAGES,
    MONO,
    PUBLISHED,
    RATIOS,
    STRATEGIES,
)
from analysis.sections.wording import INTERVAL, SAMPLE
from analysis.study.mlflow import Study
from hybridir import names

_MEASURES = (
    *((names.AP, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
)
_SOURCES = ("synthetic", "lareqa", "table", "hub")
_BEST = "best ratio"
_THIS_STUDY = "this study"
_OWN_COLUMNS = (*INTERVAL, *SAMPLE)  # empty in published rows


def literature_section(
    study: Study, benchmark: str, curve: pd.DataFrame, n_languages: int
) -> Section | None:
    """Show published results beside the study's own.

    Args:
        study: names the encoder and the training data.
        benchmark: benchmark of the curve.
        curve: `confirmed.curve_table`.
        n_languages: number of languages behind the means of the curve.

    Returns:
        The section; None for a benchmark without published results.
    """
    if benchmark not in LANGUAGES:
        return None
    paragraphs = [
        "This is not a comparison of methods: encoder, data and budget differ, and no intervals "
        "were published. arXiv 2408.10536 fine-tuned XLM-R and LaBSE on mMARCO, Mr. TyDi, MFAQ "
        "and six translated question answering sets, with an unstated budget. arXiv 2004.05484 "
        "fine-tuned mBERT on SQuAD and its translations. This study trained "
        f"{trained_on(study)}."
    ]
    if n_languages < LANGUAGES[benchmark]:
        paragraphs.append(
            f"Published means are over {LANGUAGES[benchmark]} languages, this study's over "
            f"{n_languages}, so its pool of all languages is smaller and easier."
        )
    headings = {
        "measure": "measure",
        "setting": "setting",
        "strategy": "batches",
        "encoder": "encoder",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        **INTERVAL,
        **SAMPLE,
        "source": "source",
    }
    caption = (
        "Published results, and this study's at both pure strategies and at the best ratio for "
        "each measure. The best ratio is chosen by the same scores that are shown, which favours "
        "it a little. Intervals are those of the confirmed curve."
    )
    table = Table(f"published-{benchmark}", _table(benchmark, curve), headings, caption)
    return Section(f"Published results on {benchmark}", paragraphs, tables=[table])


def _table(benchmark: str, curve: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the rows by measure, setting and strategy, the study's last."""
    rows: list[dict[str, Any]] = [
        {
            "measure": published.measure,
            "setting": published.setting,
            "strategy": published.strategy,
            "encoder": published.encoder,
            names.MIXING_RATIO: published.mixing_ratio,
            "mean": published.value,
            "source": published.source,
        }
        for published in PUBLISHED
        if published.benchmark == benchmark
    ]
    columns = ["measure", "setting", names.MIXING_RATIO, "mean", *_OWN_COLUMNS]
    for (measure, _), points in curve.groupby(["measure", "setting"], sort=False):
        sign = -1 if measure == names.RANK_DISTANCE else 1
        best = (sign * points["mean"]).idxmax()
        by_strategy = {
            MONO: points[points[names.MIXING_RATIO] == RATIOS[MONO]],
            CROSS: points[points[names.MIXING_RATIO] == RATIOS[CROSS]],
            _BEST: points.loc[[best]],
        }
        for strategy, chosen in by_strategy.items():
            for point in chosen[columns].to_dict("records"):
                origin = {"strategy": strategy, "encoder": _THIS_STUDY, "source": _THIS_STUDY}
                rows.append({str(key): value for key, value in point.items()} | origin)
    order = [(*key, strategy) for key in _MEASURES for strategy in (*STRATEGIES, _BEST)]
    rows = [row for row in rows if (row["measure"], row["setting"]) in _MEASURES]
    rows.sort(key=lambda row: order.index((row["measure"], row["setting"], row["strategy"])))
    table = pd.DataFrame(rows, columns=[*rows[0], *_OWN_COLUMNS])
    return table.astype({"n_seeds": "Int64", "n_clusters": "Int64"})


def trained_on(study: Study) -> str:
    """Describe the encoder and the training data, as far as the study file names them."""
    encoder, train = study.settings.encoder, study.settings.train
    new = "its encoder" if encoder.from_scratch is None else "a new encoder"
    model = (encoder.hub and encoder.hub.id) or encoder.path or new
    data = "its data"
    for key in _SOURCES:
        source = getattr(train, key)
        if source is not None:
            data = source.name or source.path or source.id or key
    pairs = study.settings.training.pairs
    return f"{model} on {data}" + (f" with {pairs:,} pairs" if pairs else "")
