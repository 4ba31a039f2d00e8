"""Everything that a trial can be told, with units, legal values and defaults."""

from hybridir.config.base import Model
from hybridir.config.benchmarks import ReportConfig
from hybridir.config.data_sources import TrainConfig
from hybridir.config.trial import (
    BatchConfig,
    DataConfig,
    DataPart,
    EncoderConfig,
    EvaluationConfig,
    TrainingConfig,
    TrialConfig,
)
from hybridir.config.yaml import read_trial, read_yaml, validate

__all__ = [
    "BatchConfig",
    "DataConfig",
    "DataPart",
    "EncoderConfig",
    "EvaluationConfig",
    "Model",
    "ReportConfig",
    "TrainConfig",
    "TrainingConfig",
    "TrialConfig",
    "read_trial",
    "read_yaml",
    "validate",
]
