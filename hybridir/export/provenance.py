"""Facts about a trained encoder, read from the folder of its trial and the report of its run."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hybridir import names
from hybridir.config import EncoderConfig, ResolvedEncoderConfig, TrialConfig, validate
from hybridir.encoder.third_party import folder_digest, resolve
from hybridir.evaluation.summary import summarise
from hybridir.export.select import read_metrics
from hybridir.runtime.files import read_json

# In the order of the card; the first two answer the question of a study.
_MEASURES = dict.fromkeys((names.AP, names.SET_F1, *names.MEASURES, *names.READER_MEASURES))


@dataclass(frozen=True)
class SeedMean:
    """A score's mean over the study's seeds at the encoder's mixing ratio, from its report.

    Attributes:
        mean: the mean.
        low: lower end of its 95 % interval, for other seeds and clusters of questions.
        high: upper end.
        n_seeds: number of seeds.
        n_questions: number of questions.
        n_conditions: number of conditions that the mean is over, such as temperatures.
    """

    mean: float
    low: float
    high: float
    n_seeds: int
    n_questions: int
    n_conditions: int = 1


@dataclass(frozen=True)
class EncoderScore:
    """One score of the encoder on a benchmark.

    Attributes:
        benchmark: its name.
        measure: as in `hybridir.names`.
        setting: as in `hybridir.names`.
        value: the score.
        n_questions: number of distinct questions; 0 without a per-query table.
        seed_mean: the study's mean; None if its report has none.
    """

    benchmark: str
    measure: str
    setting: str
    value: float
    n_questions: int
    seed_mean: SeedMean | None

    @property
    def is_bias(self) -> bool:
        """Whether the score measures language bias rather than effectiveness."""
        return self.measure in names.BIAS_MEASURES


@dataclass(frozen=True)
class Facts:
    """All facts on a model card.

    Attributes:
        trial: the trial's name.
        study: name of the study; empty for a trial without one.
        run: name of its run's folder; empty for a trial without one.
        config: the trial's configuration.
        metrics: the trial's metrics.
        scores: the scores on the reported benchmarks; without any, on the development data.
        languages: benchmark -> languages of its questions.
        weights_digest: digest of the local folder of the initial weights; empty if training did
            not begin from a folder, or the folder is gone.
        environment: versions and machine of the run's driver; empty if they were not recorded.
        encoder: the settings of the trained encoder, with nothing left open.
    """

    trial: str
    study: str
    run: str
    config: TrialConfig
    metrics: dict[str, float]
    scores: list[EncoderScore]
    languages: dict[str, list[str]]
    weights_digest: str
    environment: dict[str, str]
    encoder: ResolvedEncoderConfig


def read_facts(trial: Path) -> Facts:
    """Read the facts about a finished trial.

    Args:
        trial: its folder. In the run of a study, the run's report is read as well.

    Raises:
        InputError: if this version cannot read the trial's configuration.
    """
    path = trial / names.ARTIFACT_CONFIG
    content = read_json(path, dict[str, Any], "train again, or export another trial")
    config = validate(TrialConfig, content, str(path))
    run = trial.parent.parent
    in_study = trial.parent.name == names.RUN_TRIALS and (run / names.ARTIFACT_STUDY).is_file()
    metrics = read_metrics(trial)
    scores: list[EncoderScore] = []
    languages = {}
    benchmarks = [report.name for report in config.data.report_on]
    if not benchmarks and (path := _per_query(trial, names.DEV)).is_file():
        # MLflow has few of these figures; they all follow from the table.
        benchmarks, metrics = [names.DEV], metrics | summarise(pd.read_parquet(path))
    for benchmark in benchmarks:
        table = _questions(_per_query(trial, benchmark))
        languages[benchmark] = sorted(set(table[names.QUERY_LANGUAGE]))
        seed_means = dict(_seed_means(run, benchmark, config)) if in_study else {}
        for measure, setting, metric in _possible_metrics(benchmark):
            if metric in metrics:
                rows = table[table[names.SETTING] == setting]
                scores.append(
                    EncoderScore(
                        benchmark=benchmark,
                        measure=measure,
                        setting=setting,
                        value=metrics[metric],
                        n_questions=rows[names.QUESTION_ID].nunique(),
                        seed_mean=seed_means.get((measure, setting)),
                    )
                )
    weights = config.encoder.path
    return Facts(
        trial=trial.name,
        study=run.parent.name if in_study else "",
        run=run.name if in_study else "",
        config=config,
        metrics=metrics,
        scores=scores,
        languages=languages,
        weights_digest=folder_digest(weights) if weights and weights.is_dir() else "",
        environment=_environment(run) if in_study else {},
        encoder=_settings(config.encoder, trial / names.ARTIFACT_ENCODER),
    )


def _settings(config: EncoderConfig, folder: Path) -> ResolvedEncoderConfig:
    """The encoder's settings: those of its trial, and else those that it was saved with."""
    if not folder.is_dir():
        return config.or_defaults()
    saved = {"path": folder, "hub": None, "from_scratch": None}
    return resolve(config.model_copy(update=saved))


def _possible_metrics(benchmark: str) -> Iterator[tuple[str, str, str]]:
    """List the metrics that a benchmark may have: measure, setting, name of the metric."""
    for measure in _MEASURES:
        for setting in names.SETTINGS:
            yield measure, setting, names.mean_metric(benchmark, measure, setting)
    for measure in names.BIAS_MEASURES:
        yield measure, names.MULTILINGUAL, names.bias_metric(benchmark, measure)


def _per_query(trial: Path, benchmark: str) -> Path:
    return trial / names.ARTIFACT_PER_QUERY / f"{benchmark}.parquet"


def _questions(path: Path) -> pd.DataFrame:
    columns = [names.SETTING, names.QUERY_LANGUAGE, names.QUESTION_ID]
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    return pd.read_parquet(path, columns=columns).astype(str)


def _seed_means(
    run: Path, benchmark: str, config: TrialConfig
) -> Iterator[tuple[tuple[str, str], SeedMean]]:
    """Read the rows of the encoder's condition from the confirmed curve, by measure and setting.

    The condition is the mixing ratio, and the other parameters for which the table has a column.
    """
    tables = run / names.ARTIFACT_REPORT / names.REPORT_TABLES
    path = tables / f"{names.curve_table_name(benchmark)}.csv"
    if not path.is_file():
        return
    sections = (config.encoder, config.batch, config.training)
    values = {
        name: getattr(section, name) for section in sections for name in section.model_dump()
    }
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if all(_same(row[name], values[name]) for name in row.keys() & values.keys()):
                mean, low, high = (float(row[key]) for key in ("mean", "low", "high"))
                n_seeds, n_questions = (int(row[key]) for key in ("n_seeds", "n_questions"))
                key = (row["measure"], row["setting"])
                n_conditions = int(row.get("n_conditions") or 1)
                yield key, SeedMean(mean, low, high, n_seeds, n_questions, n_conditions)


def _same(cell: str, value: object) -> bool:
    """Whether a cell of a table holds a value of a setting."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return cell == str(value)
    try:
        return float(cell) == value
    except ValueError:
        return False


def _environment(run: Path) -> dict[str, str]:
    path = run / names.RUN_ENVIRONMENT
    remedy = "delete it, and the card has no versions"
    kind = list[dict[str, Any]]
    entries: list[dict[str, Any]] = read_json(path, kind, remedy) if path.is_file() else []
    return dict(entries[-1]["environment"]) if entries else {}
