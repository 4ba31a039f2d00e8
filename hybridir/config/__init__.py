"""The settings of a trial, with units, legal values and defaults."""

from hybridir.config.base import StrictModel
from hybridir.config.benchmarks import BenchmarkConfig
from hybridir.config.data_sources import TrainDataConfig
from hybridir.config.problems import describe_problems
from hybridir.config.trial import (
    BatchConfig,
    DataConfig,
    DataPart,
    EncoderConfig,
    EvaluationConfig,
    FromScratchConfig,
    ReaderConfig,
    ResolvedEncoderConfig,
    TrainingConfig,
    TrialConfig,
)
from hybridir.config.yaml import read_data, read_settings, read_trial, read_yaml, validate

__all__ = [
    "BatchConfig",
    "BenchmarkConfig",
    "DataConfig",
    "DataPart",
    "EncoderConfig",
    "EvaluationConfig",
    "FromScratchConfig",
    "ReaderConfig",
    "ResolvedEncoderConfig",
    "StrictModel",
    "TrainDataConfig",
    "TrainingConfig",
    "TrialConfig",
    "describe_problems",
    "read_data",
    "read_settings",
    "read_trial",
    "read_yaml",
    "validate",
]
