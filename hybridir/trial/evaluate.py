"""The scores of one trial: its encoder's embeddings to per-query tables and headline figures.

Notation: Q queries, N passages, D dimensions.
"""

import shutil
import time
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from hybridir import names
from hybridir.batches import BatchPlan
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, TrainingData
from hybridir.encoder import BiEncoder
from hybridir.evaluation.evaluate import Scored, score_embeddings
from hybridir.evaluation.language_bias import top1_languages
from hybridir.evaluation.per_query import write_per_query
from hybridir.evaluation.summary import language_matrix
from hybridir.retrieval import encode_benchmark
from hybridir.runtime.distributed import Processes
from hybridir.runtime.files import replacing
from hybridir.training import LoopState
from hybridir.trial.metrics import headline, training_metrics

_EMBEDDINGS = "embeddings"


class Scores:
    """Evaluates the encoder of one trial, and keeps what is found in its workspace.

    Args:
        config: of the trial.
        processes: those that encode; the first one scores and writes.
        encoder: what is evaluated.
        tokenizer: the encoder's.
        data: the development benchmark, and the languages that were trained on.
        workspace: the trial's folder.
        cache: folder of prepared data.

    Attributes:
        seconds: spent so far.
    """

    def __init__(
        self,
        config: TrialConfig,
        processes: Processes,
        encoder: BiEncoder,
        tokenizer: PreTrainedTokenizerBase,
        data: TrainingData,
        workspace: Path,
        cache: Path,
    ) -> None:
        self._config = config
        self._processes = processes
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._data = data
        self._workspace = workspace
        self._cache = cache
        self.seconds = 0.0

    def on(self, benchmark: Benchmark) -> dict[str, float]:
        """Score a benchmark, write its per-query table and return its summary."""
        start = time.perf_counter()
        memory_mb = self._config.evaluation.memory_mb
        folder = self._workspace / _EMBEDDINGS / benchmark.name
        queries_QD, passages_ND = encode_benchmark(
            self._encoder,
            benchmark,
            self._tokenizer,
            self._config.encoder,
            batch_tokens=self._config.evaluation.batch_tokens,
            cache=self._cache,
            processes=self._processes,
            memory_mb=memory_mb,
            folder=folder,
        )

        def keep() -> dict[str, float]:
            scored = score_embeddings(
                benchmark, queries_QD, passages_ND, self._data.seen_languages, memory_mb
            )
            keep_scored(scored, benchmark, self._workspace)
            # Gigabytes that only an interrupted trial needs again.
            shutil.rmtree(folder.parent, ignore_errors=True)
            return scored.summary

        summary = self._processes.on_first(keep)
        self.seconds += time.perf_counter() - start
        return summary

    def on_dev(self, fidelity: float, state: LoopState, plan: BatchPlan) -> dict[str, float]:
        """The figures known after a share of the budget: training's, and the dev benchmark's."""
        metrics = {names.FIDELITY: fidelity, **training_metrics(state, plan)}
        if self._data.dev is not None:
            metrics |= headline(self.on(self._data.dev), names.DEV, 0)
        return metrics


def keep_scored(scored: Scored, benchmark: Benchmark, workspace: Path) -> None:
    """Write a benchmark's per-query table and its matrices by language into a trial's folder."""
    table, whole = scored.table, scored.whole
    write_per_query(table, workspace / names.ARTIFACT_PER_QUERY / f"{benchmark.name}.parquet")
    for artifact, matrix in (
        (names.ARTIFACT_LANGUAGE_PAIRS, language_matrix(table, names.AP)),
        (names.ARTIFACT_TOP1_LANGUAGES, top1_languages(table)),
        (names.ARTIFACT_TOP_LANGUAGES, whole.top_languages()),
        (names.ARTIFACT_RANK_CORRELATION, whole.rank_correlation()),
    ):
        with replacing(workspace / artifact / f"{benchmark.name}.csv") as part:
            matrix.to_csv(part)
