"""The trials that train nothing: the encoder as it comes, and BM25.

They are a study's floor and its lexical baseline, evaluated as every trial is: on the same
questions and pools, with the same tables.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, TrainingData
from hybridir.encoder import load_encoder, load_tokenizer
from hybridir.evaluation.evaluate import score_bm25
from hybridir.runtime.distributed import Processes
from hybridir.runtime.memory import peak_memory_mb
from hybridir.runtime.precision import accelerator, choose_precision
from hybridir.runtime.seeds import derive_seed
from hybridir.trial.evaluate import Scores, keep_scored
from hybridir.trial.metrics import headline


def score_untrained(
    config: TrialConfig,
    processes: Processes,
    data: TrainingData,
    benchmarks: Sequence[Benchmark],
    workspace: Path,
    cache: Path,
) -> dict[str, float]:
    """Evaluate what a configuration's `retriever` names, without a training step.

    Languages count as seen where the study's other trials are trained on them, so that all rank
    distances over seen languages are over the same ones.

    Args:
        config: of the trial; its batches and training do not matter.
        processes: those of the trial; BM25 is computed by the first one alone.
        data: the development benchmark and the languages that other trials are trained on.
        benchmarks: what is reported on.
        workspace: the trial's folder; gets its tables.
        cache: folder of prepared data.

    Returns:
        The headline figures, at the whole fidelity; none of training.

    Raises:
        InputError: if the encoder cannot be loaded, or bm25s is not installed.
    """
    score = _score_bm25 if config.retriever == names.BM25 else _score_encoder
    metrics, seconds = score(config, processes, data, benchmarks, workspace, cache)
    return {
        names.FIDELITY: 1.0,
        **metrics,
        names.EVALUATION_SECONDS: seconds,
        names.PEAK_MEMORY_MB: max(processes.collect(peak_memory_mb())),
    }


def _score_encoder(
    config: TrialConfig,
    processes: Processes,
    data: TrainingData,
    benchmarks: Sequence[Benchmark],
    workspace: Path,
    cache: Path,
) -> tuple[dict[str, float], float]:
    texts = [*data.pairs.question, *data.pairs.passage]
    tokenizer = load_tokenizer(config.encoder, texts, data.pairs.digest, cache)
    encoder = load_encoder(config.encoder, tokenizer, derive_seed(config.seed, "weights"))
    with accelerator(choose_precision(config.training.precision, encoder.dimension)) as accelerate:
        accelerate.prepare_model(encoder, evaluation_mode=True)
        scores = Scores(config, processes, encoder, tokenizer, data, workspace, cache)
        metrics = headline(scores.on(data.dev), names.DEV, 0) if data.dev else {}
        for benchmark in benchmarks:
            metrics |= headline(scores.on(benchmark), benchmark.name, len(benchmarks))
    return metrics, scores.seconds


def _score_bm25(
    config: TrialConfig,
    processes: Processes,
    data: TrainingData,
    benchmarks: Sequence[Benchmark],
    workspace: Path,
    cache: Path,
) -> tuple[dict[str, float], float]:
    start = time.perf_counter()

    def on(benchmark: Benchmark) -> dict[str, float]:
        scored = score_bm25(benchmark, seen_languages=data.seen_languages)
        keep_scored(scored, benchmark, workspace)
        return scored.summary

    def on_all() -> dict[str, float]:
        metrics = headline(on(data.dev), names.DEV, 0) if data.dev else {}
        for benchmark in benchmarks:
            metrics |= headline(on(benchmark), benchmark.name, len(benchmarks))
        return metrics

    return processes.on_first(on_all), time.perf_counter() - start
