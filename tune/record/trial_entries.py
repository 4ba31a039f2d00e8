"""A trial's folder -> parameters and metrics of its run in MLflow.

The time of every entry is the trial's own, in ms, so that an entry sent twice is stored once.
"""

import json
import math
from collections.abc import Collection
from pathlib import Path

from mlflow.entities import Metric, Param

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.errors import InputError
from tune.folders import Outcome, TrialFolder
from tune.space.parameters import settings_of


def trial_params(trial: TrialFolder, searched: Collection[str] = ()) -> list[Param]:
    """Settings in which trials of a study differ, under their own names.

    Args:
        trial: the trial.
        searched: names of the parameters that the study searches.
    """
    config = TrialConfig.model_validate(trial.read(names.ARTIFACT_CONFIG))
    values: dict[str, object] = {names.SEED: config.seed}
    if config.retriever == "trained":
        values |= settings_of(config, searched)
    if config.data.data_part is not None:
        values[names.DATA_PART] = config.data.data_part.number
    if trial.baseline:
        values[names.BASELINE] = trial.baseline
    return [Param(name, str(value)) for name, value in values.items()]


def trial_metrics(trial: TrialFolder, outcome: Outcome, ended: int) -> list[Metric]:
    """The headline figures; the loss, and figures on development data, over the steps."""
    figures = {key: v for key, v in outcome.metrics.items() if key != names.TRAIN_LOSS}
    points = {(key, 0): value for key, value in figures.items()}
    if reached := trial.development:
        steps = _steps(TrialConfig.model_validate(trial.read(names.ARTIFACT_CONFIG)))
        end = round(outcome.metrics.get(names.FIDELITY, 1.0) * steps)
        for key in [key for key in figures if key.startswith(f"{names.DEV}/")]:
            points[key, end] = points.pop((key, 0))
        for share, earlier in reached.items():
            points |= {(key, round(share * steps)): value for key, value in earlier.items()}
    log = trial.path / names.ARTIFACT_TRAINING_LOG
    if log.is_file():
        points |= _losses(log)
    elif names.TRAIN_LOSS in outcome.metrics:
        points[names.TRAIN_LOSS, 0] = outcome.metrics[names.TRAIN_LOSS]
    return [Metric(key, value, ended, step) for (key, step), value in points.items()]


def _losses(log: Path) -> dict[tuple[str, int], float]:
    try:
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        return {(names.TRAIN_LOSS, int(entry["step"])): float(entry["loss"]) for entry in entries}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{log}: is damaged ({type(error).__name__}: {error}); delete it and --resume, which "
            "records the trial without its curve of the loss"
        ) from None


def _steps(config: TrialConfig) -> int:
    return math.ceil(config.training.pairs / config.batch.batch_size)


def headline_metrics(outcome: Outcome, ended: int) -> list[Metric]:
    """Figures of the trial as a whole, without its loss."""
    figures = outcome.metrics.items()
    return [Metric(key, value, ended, 0) for key, value in figures if key != names.TRAIN_LOSS]
