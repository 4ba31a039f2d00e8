"""What is known about a trained encoder, read from its trial's folder and its run's report."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.config.trial import describe_problems
from hybridir.encoder.third_party import folder_digest
from hybridir.export.select import figures_of


@dataclass(frozen=True)
class Curve:
    """What the study's report holds for a figure: the mean over its seeds at this mixing ratio.

    Attributes:
        mean: over seeds.
        low: lower end of its 95 % interval, bootstrapped over seeds and questions.
        high: upper end.
        seeds: how many.
        questions: how many.
    """

    mean: float
    low: float
    high: float
    seeds: int
    questions: int


@dataclass(frozen=True)
class Figure:
    """One figure of this encoder on a benchmark.

    Attributes:
        benchmark: its name.
        measure: as in `hybridir.names`.
        setting: as in `hybridir.names`.
        value: of this encoder.
        questions: distinct questions behind it; 0 if no table of them is there.
        curve: the study's mean, where its report has one.
    """

    benchmark: str
    measure: str
    setting: str
    value: float
    questions: int
    curve: Curve | None

    @property
    def is_bias(self) -> bool:
        """Whether it tells about language bias, not about how much is found."""
        return self.measure in names.BIAS_MEASURES


@dataclass(frozen=True)
class Facts:
    """All that a card says.

    Attributes:
        trial: the trial's name.
        study: name of the study; empty for a trial without one.
        run: name of its run's folder; empty for a trial without one.
        config: the trial's configuration.
        metrics: its headline figures.
        figures: those on what was reported on.
        languages: benchmark -> languages of its questions.
        weights: digest of the local folder that training began from; empty if it is not there or
            there was none.
        environment: versions and machine of the run's driver; empty if nobody noted them.
    """

    trial: str
    study: str
    run: str
    config: TrialConfig
    metrics: dict[str, float]
    figures: list[Figure]
    languages: dict[str, list[str]]
    weights: str
    environment: dict[str, str]


def read_facts(trial: Path) -> Facts:
    """Read what is known about a finished trial.

    Args:
        trial: its folder. Where it lies in a run of a study, the run's report is read as well.

    Raises:
        InputError: if its configuration is not one that this version knows.
    """
    path = trial / names.ARTIFACT_CONFIG
    try:
        config = TrialConfig.model_validate_json(path.read_text())
    except ValidationError as error:
        raise describe_problems(str(path), error) from None
    run = trial.parent.parent
    of_study = trial.parent.name == names.RUN_TRIALS and (run / names.ARTIFACT_STUDY).is_file()
    metrics = figures_of(trial)
    figures: list[Figure] = []
    languages = {}
    for report in config.data.report_on:
        table = _questions(trial / names.ARTIFACT_PER_QUERY / f"{report.name}.parquet")
        languages[report.name] = sorted(set(table[names.QUERY_LANGUAGE]))
        curves = dict(_curves(run, report.name, config.batch.mixing_ratio)) if of_study else {}
        for measure, setting, name in _named(report.name):
            if name in metrics:
                asked = table[table[names.SETTING] == setting][names.QUESTION_ID].nunique()
                curve = curves.get((measure, setting))
                figures.append(Figure(report.name, measure, setting, metrics[name], asked, curve))
    weights = config.encoder.path
    return Facts(
        trial=trial.name,
        study=run.parent.name if of_study else "",
        run=run.name if of_study else "",
        config=config,
        metrics=metrics,
        figures=figures,
        languages=languages,
        weights=folder_digest(weights) if weights and weights.is_dir() else "",
        environment=_environment(run) if of_study else {},
    )


def _named(benchmark: str) -> Iterator[tuple[str, str, str]]:
    """The headline figures that a benchmark may have: measure, setting, name."""
    for measure in names.MEASURES:
        for setting in names.SETTINGS:
            yield measure, setting, names.mean_metric(benchmark, measure, setting)
    for measure in names.BIAS_MEASURES:
        yield measure, names.MULTILINGUAL, names.bias_metric(benchmark, measure)


def _questions(path: Path) -> pd.DataFrame:
    columns = [names.SETTING, names.QUERY_LANGUAGE, names.QUESTION_ID]
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    return pd.read_parquet(path, columns=columns).astype(str)


def _curves(run: Path, benchmark: str, ratio: float) -> Iterator[tuple[tuple[str, str], Curve]]:
    """Rows of the report's table of the confirmed curve, by measure and setting."""
    tables = run / names.ARTIFACT_REPORT / names.REPORT_TABLES
    path = tables / f"{names.curve_table(benchmark)}.csv"
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if float(row[names.MIXING_RATIO]) == ratio:
                mean, low, high = (float(row[key]) for key in ("mean", "low", "high"))
                seeds, questions = (int(row[key]) for key in ("n_seeds", "n_questions"))
                key = (row["measure"], row["setting"])
                yield key, Curve(mean, low, high, seeds, questions)


def _environment(run: Path) -> dict[str, str]:
    path = run / names.RUN_ENVIRONMENT
    entries: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return dict(entries[-1]["environment"]) if entries else {}
