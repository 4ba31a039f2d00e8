"""Texts: what is trained on, and the benchmarks that are reported on."""

from hybridir.data.benchmark import Benchmark
from hybridir.data.load import TrainingData, load_benchmarks, load_training
from hybridir.data.pairs import Pairs

__all__ = ["Benchmark", "Pairs", "TrainingData", "load_benchmarks", "load_training"]
