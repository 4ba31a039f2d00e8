"""Evaluation of a trial's encoder: its embeddings become tables, files and headline figures."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridir import names
from hybridir.batches import BatchPlan
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, TrainingData
from hybridir.encoder import LoadedEncoder
from hybridir.evaluation.evaluate import Evaluation, evaluate
from hybridir.evaluation.language_bias import top1_languages
from hybridir.evaluation.per_query import write_per_query
from hybridir.evaluation.summary import every_figure, language_matrix
from hybridir.retrieval import encode_benchmark
from hybridir.runtime.distributed import Distributed
from hybridir.runtime.files import atomic_write
from hybridir.training import LoopState
from hybridir.trial.metrics import headline_metrics, training_metrics
from hybridir.trial.reading import TrialReader


@dataclass(frozen=True)
class TrialSetup:
    """Settings, data, folders and processes of one trial.

    Attributes:
        config: all settings.
        data: training data and the development benchmark.
        benchmarks: the reported benchmarks.
        workspace: folder of this trial alone.
        cache: folder of prepared data.
        distributed: the processes of the trial; rank 0 scores and writes.
        reader: reads answers from the first passages, if the configuration names a reader.
    """

    config: TrialConfig
    data: TrainingData
    benchmarks: Sequence[Benchmark]
    workspace: Path
    cache: Path
    distributed: Distributed
    reader: TrialReader


class TrialEvaluator:
    """Evaluates the encoder of one trial and writes tables into its workspace.

    Args:
        setup: of the trial.
        encoder: weights may change between calls.

    Attributes:
        seconds: time spent so far.
    """

    def __init__(self, setup: TrialSetup, encoder: LoadedEncoder) -> None:
        self._setup = setup
        self._encoder = encoder
        self.seconds = 0.0

    def dev_metrics(self) -> dict[str, float]:
        """Headline figures on the development benchmark, and those that the settings name.

        None without such a benchmark. A figure that the benchmark cannot have is left out.
        """
        dev, named = self._setup.data.dev, self._setup.config.evaluation.development_figures
        if dev is None:
            return {}
        figures = self.summary_on(dev, every=bool(named))
        chosen = {name: figures[name] for name in named if name in figures}
        return headline_metrics(figures, names.DEV, 0) | chosen

    def reported_metrics(self) -> dict[str, float]:
        """Headline figures on all reported benchmarks."""
        benchmarks, metrics = self._setup.benchmarks, dict[str, float]()
        for benchmark in benchmarks:
            summary = self.summary_on(benchmark)
            metrics |= headline_metrics(summary, benchmark.name, len(benchmarks))
        return metrics

    def training_and_dev_metrics(
        self, fidelity: float, state: LoopState, plan: BatchPlan
    ) -> dict[str, float]:
        """Figures after a share of the budget: training's, and those on the dev benchmark."""
        metrics = {names.FIDELITY: fidelity, **training_metrics(state, plan)}
        return metrics | self.dev_metrics()

    def summary_on(self, benchmark: Benchmark, *, every: bool = False) -> dict[str, float]:
        """Evaluate on a benchmark, write its tables and return its summary, or every figure."""
        start = time.perf_counter()
        setup = self._setup
        folder = setup.workspace / names.TRIAL_EMBEDDINGS / benchmark.name
        embeddings = encode_benchmark(
            self._encoder,
            benchmark,
            setup.config.evaluation,
            cache=setup.cache,
            folder=folder,
            distributed=setup.distributed,
        )

        def score() -> dict[str, float]:
            evaluation = evaluate(
                embeddings,
                benchmark,
                seen_languages=setup.data.seen_languages,
                settings=setup.config.evaluation,
            )
            figures = write_evaluation(evaluation, benchmark, setup)
            if every:
                figures = every_figure(evaluation.table) | figures
            # Gigabytes that only an interrupted trial needs again.
            shutil.rmtree(folder.parent, ignore_errors=True)
            return figures

        summary = setup.distributed.on_rank_zero(score)
        self.seconds += time.perf_counter() - start
        return summary


def write_evaluation(
    evaluation: Evaluation, benchmark: Benchmark, setup: TrialSetup
) -> dict[str, float]:
    """Write a benchmark's per-query tables and its matrices by language into a trial's folder.

    Returns:
        The evaluation's summary, with the reader's F1 if a reader reads the benchmark.
    """
    table, rankings, workspace = evaluation.table, evaluation.full_rankings, setup.workspace
    write_per_query(table, workspace / names.ARTIFACT_PER_QUERY / f"{benchmark.name}.parquet")
    for artifact, matrix in (
        (names.ARTIFACT_LANGUAGE_PAIRS, language_matrix(table, names.AP)),
        (names.ARTIFACT_TOP1_LANGUAGES, top1_languages(table)),
        (names.ARTIFACT_TOP_LANGUAGES, rankings.top_languages()),
        (names.ARTIFACT_RANK_CORRELATION, rankings.rank_correlation()),
    ):
        with atomic_write(workspace / artifact / f"{benchmark.name}.csv") as partial:
            matrix.to_csv(partial)
    return evaluation.summary | setup.reader.metrics_on(benchmark, evaluation.ranks, workspace)
