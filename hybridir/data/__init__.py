"""Texts: training tables and benchmarks."""

from hybridir.data.benchmark import Benchmark
from hybridir.data.load import TrainingData, load_benchmarks, load_training
from hybridir.data.pairs import Pairs

__all__ = ["Benchmark", "Pairs", "TrainingData", "load_benchmarks", "load_training"]
