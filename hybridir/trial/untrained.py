"""Trials that train nothing: the encoder with its initial weights, and BM25.

They are a study's floor and its lexical baseline, evaluated as every trial is: on the same
questions and pools, with the same tables.
"""

import time

from hybridir import names
from hybridir.data import Benchmark
from hybridir.encoder import LoadedEncoder, load_bi_encoder, load_tokenizer
from hybridir.evaluation.evaluate import evaluate
from hybridir.retrieval import bm25_scorer
from hybridir.runtime.memory import peak_memory_mb
from hybridir.runtime.precision import accelerator, choose_precision
from hybridir.runtime.seeds import derive_seed
from hybridir.trial.evaluate import TrialEvaluator, TrialSetup, write_evaluation
from hybridir.trial.metrics import headline_metrics


def untrained_metrics(setup: TrialSetup) -> dict[str, float]:
    """Evaluate a configuration's `retriever` without a training step, and write its tables.

    Languages count as seen if the study's other trials are trained on them, so that all rank
    distances over seen languages are over the same languages.

    Args:
        setup: of the trial; settings of batches and training have no effect. Rank 0 alone
            computes BM25.

    Returns:
        The headline figures at full fidelity, without those of training.

    Raises:
        InputError: if the encoder cannot be loaded, or bm25s is not installed.
    """
    score = _bm25_metrics if setup.config.retriever == names.BM25 else _encoder_metrics
    metrics, seconds = score(setup)
    return {
        names.FIDELITY: 1.0,
        **metrics,
        names.EVALUATION_SECONDS: seconds,
        names.PEAK_MEMORY_MB: max(setup.distributed.all_gather_object(peak_memory_mb())),
    }


def _encoder_metrics(setup: TrialSetup) -> tuple[dict[str, float], float]:
    """Headline figures and seconds of the encoder with its initial weights."""
    config, pairs = setup.config, setup.data.pairs
    texts = [*pairs.question, *pairs.passage]
    tokenizer = load_tokenizer(config.encoder, texts, pairs.digest, setup.cache)
    model = load_bi_encoder(config.encoder, tokenizer, derive_seed(config.seed, "weights"))
    with accelerator(choose_precision(config.training.precision, model.width)) as accelerate:
        accelerate.prepare_model(model, evaluation_mode=True)
        evaluator = TrialEvaluator(setup, LoadedEncoder(model, tokenizer, config.encoder))
        metrics = evaluator.dev_metrics() | evaluator.reported_metrics()
    return metrics, evaluator.seconds


def _bm25_metrics(setup: TrialSetup) -> tuple[dict[str, float], float]:
    """Headline figures and seconds of BM25."""
    start = time.perf_counter()

    def summary_on(benchmark: Benchmark) -> dict[str, float]:
        scorer = bm25_scorer(benchmark)
        evaluation = evaluate(scorer, benchmark, seen_languages=setup.data.seen_languages)
        return write_evaluation(evaluation, benchmark, setup)

    def metrics_on_all() -> dict[str, float]:
        dev, benchmarks = setup.data.dev, setup.benchmarks
        metrics = headline_metrics(summary_on(dev), names.DEV, 0) if dev else {}
        for benchmark in benchmarks:
            summary = summary_on(benchmark)
            metrics |= headline_metrics(summary, benchmark.name, len(benchmarks))
        return metrics

    return setup.distributed.on_rank_zero(metrics_on_all), time.perf_counter() - start
