"""The section on published results, beside those of the study."""

from pathlib import PurePath
from typing import Any

import pandas as pd

from analysis.page import Section, Table
from analysis.sections.literature_figures import (
    CROSS,
    HYBRID,
    LANGUAGES,
    MONO,
    PUBLISHED,
    QUESTIONS,
    RATIOS,
    STRATEGIES,
)
from analysis.sections.wording import INTERVAL, SAMPLE, listed, with_change
from analysis.study.mlflow import Study
from analysis.study.settings import RecordedData
from analysis.tables import confirmed
from hybridir import names

_MEASURES = (
    *((names.AP, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
)
_SOURCES = ("synthetic", "lareqa", "table", "hub")
_BEST = "best ratio, selected"
_THIS_STUDY = "this study"
_OWN_COLUMNS = (*INTERVAL, *SAMPLE)  # empty in published rows


def literature_section(
    study: Study,
    benchmark: str,
    curve: pd.DataFrame,
    n_languages: int,
    gains: pd.DataFrame | None = None,
) -> Section | None:
    """Show published results beside the study's own.

    Args:
        study: names the encoder and the training data.
        benchmark: benchmark of the curve.
        curve: `confirmed.curve_table`.
        n_languages: number of languages behind the means of the curve.
        gains: `tested.gain_table` with ``p_holm``; None leaves out the table of gains.

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
        "Published results, and this study's at both pure strategies, at the published ratio of "
        "0.5, and at the best ratio for each measure. The best ratio is selected by the same "
        "scores that are shown, which favours it a little. Intervals are those of the confirmed "
        "curve."
    )
    tables = [Table(f"published-{benchmark}", _table(benchmark, curve), headings, caption)]
    if gains is not None and not gains.empty:
        tables.insert(0, _gains(benchmark, curve, gains, n_languages))
    return Section(f"Published results on {benchmark}", paragraphs, tables=tables)


def _gains(benchmark: str, curve: pd.DataFrame, gains: pd.DataFrame, n_languages: int) -> Table:
    """Show the gains of hybrid batches, published and measured, with their sample sizes."""
    published = {
        (row.encoder, row.source, row.measure, row.setting, row.strategy): row.value
        for row in PUBLISHED
        if row.benchmark == benchmark
    }
    rows: list[dict[str, Any]] = []
    for encoder, source, measure, setting, strategy in published:
        if strategy == HYBRID:
            continue
        of_strategy = published[encoder, source, measure, setting, strategy]
        hybrid = published.get((encoder, source, measure, setting, HYBRID))
        if hybrid is None or strategy not in RATIOS:
            continue
        rows.append(
            {
                **{"measure": measure, "setting": setting, "pure": RATIOS[strategy]},
                **{"encoder": encoder, "hybrid": RATIOS[HYBRID], "gain": hybrid - of_strategy},
                **{"seeds": "not stated", "questions": QUESTIONS[benchmark]},
                **{"languages": LANGUAGES[benchmark], "source": source},
            }
        )
    n_questions = int(curve["n_questions"].max())
    for own in with_change(gains).to_dict("records"):
        if (own["measure"], own["setting"]) in _MEASURES:
            rows.append(
                {
                    **{name: own[name] for name in ("measure", "setting", "pure", "hybrid")},
                    **{"encoder": _THIS_STUDY, "gain": own["difference"], "low": own["low"]},
                    **{"high": own["high"], "change": own["change"]},
                    **{"seeds": str(own["n_seeds"]), "clusters": str(own["n_clusters"])},
                    **{"questions": n_questions, "languages": n_languages},
                    "source": _THIS_STUDY,
                }
            )
    for row in rows:
        row.setdefault("change", "no interval")
    order = [(*key, pure) for key in _MEASURES for pure in (0.0, 1.0)]
    rows.sort(key=lambda row: order.index((row["measure"], row["setting"], row["pure"])))
    columns = ["measure", "setting", "pure", "encoder", "hybrid", "gain", "low", "high", "change"]
    columns += ["seeds", "clusters", "questions", "languages", "source"]
    table = pd.DataFrame(rows, columns=columns)
    headings = {
        **{"measure": "measure", "setting": "setting", "pure": "over α =", "encoder": "encoder"},
        **{"hybrid": "hybrid α", "gain": "gain", **INTERVAL, "change": "the change is"},
        **{"seeds": "seeds", "questions": "questions", "languages": "languages"},
    }
    caption = (
        "What hybrid batches gain over either pure strategy: published, and in this study. "
        "Published gains are differences of published means; neither seeds nor intervals were "
        "published."
    )
    return Table(f"published_gains-{benchmark}", table, headings, caption)


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
            HYBRID: points[points[names.MIXING_RATIO] == RATIOS[HYBRID]],
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
    """Describe the encoder, the training data and the budget, as far as they were recorded.

    Files and folders go by their own names, without the folders of a machine. Budgets are those
    of the confirmation, or the study file's where it confirmed nothing.
    """
    encoder = study.settings.encoder
    new = "its encoder" if encoder.from_scratch is None else "a new encoder"
    folder = encoder.path and PurePath(encoder.path).name
    model = (encoder.hub and encoder.hub.id) or folder or new
    sources = [_source(data) for data in study.settings.train.mix or (study.settings.train,)]
    data = "its data" if "" in sources else listed([*dict.fromkeys(sources)])
    return f"{model} on {data}{_budget(study)}"


def _source(data: RecordedData) -> str:
    """Name a data set; "" if the study file does not."""
    for key in _SOURCES:
        source = getattr(data, key)
        if source is not None:
            return source.name or (source.path and PurePath(source.path).name) or source.id or key
    return ""


def _budget(study: Study) -> str:
    design = confirmed.design_of(study)
    if names.PAIRS in design.by_ratio:
        return " with a number of pairs for each mixing ratio"
    budgets = design.crossed.get(names.PAIRS) or [design.fixed.get(names.PAIRS)]
    known = [f"{budget:,}" for budget in budgets if budget]
    return f" with {listed(known)} pairs" if known else ""
