"""The figures of the literature beside those of a study."""

from typing import Any

import pandas as pd
import yaml

from analysis.page.model import Section, Table
from analysis.sections.literature_figures import (
    CROSS,
    LANGUAGES,
    MONO,
    PUBLISHED,
    RATIOS,
    STRATEGIES,
)
from analysis.study.mlflow import Study
from hybridir import names

_MEASURES = (
    *((names.AP, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
)
_SOURCES = ("synthetic", "lareqa", "table", "hub")
_BEST = "best ratio"
_OWN = "this study"
# What only the study's own rows have.
_RESTS_ON = ("low", "high", "n_seeds", "n_questions")


def literature_section(
    study: Study, benchmark: str, curve: pd.DataFrame, languages: int
) -> Section | None:
    """Show published figures beside the study's own.

    Args:
        study: says what was trained.
        benchmark: what the curve was measured on.
        curve: `confirmed.curve_table`.
        languages: how many languages its means are over.

    Returns:
        The section; None where the literature has nothing on this benchmark.
    """
    if benchmark not in LANGUAGES:
        return None
    paragraphs = [
        "Not a comparison of methods, since encoder, data and budget differ and no interval was "
        "published: arXiv 2408.10536 fine-tuned XLM-R and LaBSE on mMARCO, Mr. TyDi, MFAQ and six "
        "translated question answering sets, at a budget that it does not state, and arXiv "
        "2004.05484 mBERT on SQuAD and its translations; this study trained "
        f"{_trained(study)}."
    ]
    if languages < LANGUAGES[benchmark]:
        paragraphs.append(
            f"Published means are over {LANGUAGES[benchmark]} languages, this study's over "
            f"{languages}, so that its pool of all languages is smaller and easier."
        )
    headings = {
        "measure": "measure",
        "setting": "setting",
        "strategy": "batches",
        "encoder": "encoder",
        names.MIXING_RATIO: "α",
        "mean": "mean",
        "low": "95 % from",
        "high": "95 % to",
        "n_seeds": "seeds",
        "n_questions": "questions",
        "source": "source",
    }
    caption = (
        "Published figures and this study's, at both pure strategies and at its own best ratio of "
        "each row's measure; a best ratio is chosen by the figures that it is shown with, which "
        "flatters it a little. Intervals are those of the confirmed curve."
    )
    table = Table(f"published-{benchmark}", _table(benchmark, curve), headings, caption)
    return Section(f"Beside the literature on {benchmark}", paragraphs, tables=[table])


def _table(benchmark: str, curve: pd.DataFrame) -> pd.DataFrame:
    """Rows of one measure, setting and strategy side by side, the study's last."""
    rows: list[dict[str, Any]] = [
        {
            "measure": found.measure,
            "setting": found.setting,
            "strategy": found.strategy,
            "encoder": found.encoder,
            names.MIXING_RATIO: found.mixing_ratio,
            "mean": found.value,
            "source": found.source,
        }
        for found in PUBLISHED
        if found.benchmark == benchmark
    ]
    kept = ["measure", "setting", names.MIXING_RATIO, "mean", *_RESTS_ON]
    for (measure, _), points in curve.groupby(["measure", "setting"], sort=False):
        sign = -1 if measure == names.RANK_DISTANCE else 1
        best = (sign * points["mean"]).idxmax()
        chosen = {
            MONO: points[points[names.MIXING_RATIO] == RATIOS[MONO]],
            CROSS: points[points[names.MIXING_RATIO] == RATIOS[CROSS]],
            _BEST: points.loc[[best]],
        }
        for strategy, found in chosen.items():
            for point in found[kept].to_dict("records"):
                own = {"strategy": strategy, "encoder": _OWN, "source": _OWN}
                rows.append({str(key): value for key, value in point.items()} | own)
    order = [(*key, strategy) for key in _MEASURES for strategy in (*STRATEGIES, _BEST)]
    rows = [row for row in rows if (row["measure"], row["setting"]) in _MEASURES]
    rows.sort(key=lambda row: order.index((row["measure"], row["setting"], row["strategy"])))
    table = pd.DataFrame(rows, columns=[*rows[0], *_RESTS_ON])
    return table.astype({"n_seeds": "Int64", "n_questions": "Int64"})


def _trained(study: Study) -> str:
    """What the study says that it trained, as far as its file does."""
    settings = yaml.safe_load(study.text) or {}
    encoder = settings.get("encoder") or {}
    hub, new = encoder.get("hub") or {}, encoder.get("from_scratch") is not None
    what = hub.get("id") or encoder.get("path") or ("a new encoder" if new else "its encoder")
    train = settings.get("train") or {}
    given = {key: train[key] for key in _SOURCES if train.get(key) is not None}
    data = "its data"
    for key, source in given.items():
        data = source.get("name") or source.get("path") or source.get("id") or key
    pairs = (settings.get("training") or {}).get("pairs")
    return f"{what} on {data}" + (f" with {pairs:,} pairs" if pairs else "")
