"""Measures a few seconds of a study's work on the resources of a trial."""

import math
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, TrainingData, load_benchmarks, load_training
from hybridir.data.judgements import Judgements
from hybridir.encoder import BiEncoder, load_bi_encoder, load_tokenizer
from hybridir.encoder.load import tokenise
from hybridir.encoder.token_table import TokenTable
from hybridir.retrieval import rank_embeddings
from hybridir.retrieval.encode import encode
from hybridir.runtime.memory import (
    limit_gpu_memory,
    peak_memory_mb,
    release_memory,
    reset_peak_memory,
)
from hybridir.runtime.precision import accelerator, choose_precision
from hybridir.training import train
from hybridir.training.schedule import write_seconds
from hybridir.trial.run import build_batch_plan
from tune.worker.trial_process import threads

# The first steps are not timed: they allocate memory and compile kernels.
_STEPS = 7
_WARM_UP_STEPS = 2
_TEXTS = 128
_QUERIES = 256
_NO_CHECKPOINT = 1e-9  # share of the time
_SAMPLE_MB = 4


@dataclass(frozen=True)
class BatchSizeCost:
    """Time and memory of training at one batch size.

    Attributes:
        batch_size: pairs per batch, over all processes.
        train_seconds: training time with the whole budget; None if memory is too small.
        memory_mb: peak memory of one process, the accelerator's if there is one; None if memory
            is too small.
    """

    batch_size: int
    train_seconds: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class ProbeResult:
    """Measurements of a probe.

    Attributes:
        points: one entry per batch size.
        evaluation_seconds: time of one evaluation, by benchmark.
        busy_seconds: time of the measurements, without loading, which a worker does once.
        host: name of the machine.
        on_gpu: whether memory is the accelerator's.
        write_seconds_per_mb: time to write to the storage of prepared data, and flush it.
    """

    points: tuple[BatchSizeCost, ...]
    evaluation_seconds: dict[str, float]
    busy_seconds: float
    host: str
    on_gpu: bool
    write_seconds_per_mb: float = 0.0


def measure(
    config: str, batch_sizes: Sequence[int], processes: int, cpu: int, gpu: float, cache: str
) -> ProbeResult:
    """Time a few training steps at each batch size, and some texts of each benchmark.

    One process computes the share of a batch that each of several processes would; communication
    between them is not measured.

    Args:
        config: configuration of a trial as JSON; its batch size is ignored.
        batch_sizes: batch sizes to measure.
        processes: processes of a trial.
        cpu: threads of a process.
        gpu: GPUs of a process.
        cache: folder of prepared data, which the trials reuse.
    """
    limit_gpu_memory(gpu)
    trial = TrialConfig.model_validate_json(config)
    data, reported = load_training(trial.data), load_benchmarks(trial.data)
    pairs = data.pairs
    texts = [*pairs.question, *pairs.passage]
    tokenizer = load_tokenizer(trial.encoder, texts, pairs.digest, Path(cache))
    tokens = tokenise(
        trial.encoder, tokenizer, pairs.question, pairs.passage, Path(cache), pairs.digest
    )
    benchmarks = [*([data.dev] if data.dev else []), *reported]
    start = time.perf_counter()
    with threads(cpu):
        points = [
            _point(trial, data, tokenizer, tokens, size, max(2, size // processes))
            for size in batch_sizes
        ]
        evaluation = _evaluation(trial, benchmarks, tokenizer, processes, Path(cache))
    return ProbeResult(
        points=tuple(points),
        evaluation_seconds=evaluation,
        busy_seconds=time.perf_counter() - start,
        host=socket.gethostname(),
        on_gpu=torch.cuda.is_available(),
        write_seconds_per_mb=write_seconds(Path(cache), _SAMPLE_MB * 1_000_000) / _SAMPLE_MB,
    )


def _point(
    trial: TrialConfig,
    data: TrainingData,
    tokenizer: PreTrainedTokenizerBase,
    tokens: tuple[TokenTable, TokenTable],
    size: int,
    share: int,
) -> BatchSizeCost:
    """Time a few steps on batches of `share` pairs, scaled to a whole training at `size`."""
    settings = trial.model_dump()
    settings["batch"]["batch_size"] = share
    # Time does not depend on temperature and learning rate, and nothing may diverge.
    settings["training"] |= {
        "pairs": share * _STEPS,
        "temperature": 1.0,
        "learning_rate": 1e-6,
        "warmup": 0.0,
        "checkpoint_share": _NO_CHECKPOINT,
    }
    short = TrialConfig.model_validate(settings)
    release_memory()
    reset_peak_memory()
    ends: list[float] = []
    try:
        encoder = load_bi_encoder(trial.encoder, tokenizer, seed=0)
        with (
            tempfile.TemporaryDirectory() as folder,
            accelerator(_precision(trial, encoder)) as accelerate,
        ):
            train(
                short.training,
                accelerate,
                encoder,
                *tokens,
                build_batch_plan(short, data),
                seed=0,
                checkpoint=Path(folder) / names.TRIAL_CHECKPOINT,
                fingerprint="",
                on_step=lambda state: ends.append(_now()),
            )
    except torch.OutOfMemoryError:
        return BatchSizeCost(size, None, None)
    per_step = float(np.mean(np.diff(ends[_WARM_UP_STEPS - 1 :])))
    return BatchSizeCost(size, per_step * math.ceil(trial.training.pairs / size), peak_memory_mb())


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # otherwise the time at which work was queued
    return time.perf_counter()


def _evaluation(
    trial: TrialConfig,
    benchmarks: Sequence[Benchmark],
    tokenizer: PreTrainedTokenizerBase,
    processes: int,
    cache: Path,
) -> dict[str, float]:
    """Seconds by benchmark: embedding, shared by the processes, and ranking."""
    release_memory()
    encoder = load_bi_encoder(trial.encoder, tokenizer, seed=0)
    with accelerator(_precision(trial, encoder)) as accelerate:
        accelerate.prepare_model(encoder, evaluation_mode=True)
        encoder.eval()
        return {
            benchmark.name: sum(
                _embedding_seconds(encoder, table, trial.evaluation.batch_tokens) / processes
                for table in tokenise(
                    trial.encoder,
                    tokenizer,
                    benchmark.queries,
                    benchmark.passages,
                    cache,
                    benchmark.digest,
                )
            )
            + _ranking_seconds(benchmark, encoder.dimension)
            for benchmark in benchmarks
        }


def _embedding_seconds(encoder: BiEncoder, texts: TokenTable, batch_tokens: int) -> float:
    """Time to embed some texts, scaled to the tokens of all texts."""
    rows = np.random.default_rng(0).permutation(len(texts))[:_TEXTS]
    chosen = texts.take(rows)
    sample = TokenTable(np.concatenate(chosen), np.cumsum([0, *map(len, chosen)], dtype=np.int64))
    start = time.perf_counter()
    encode(encoder, sample, batch_tokens=batch_tokens)
    return (time.perf_counter() - start) * len(texts.tokens) / len(sample.tokens)


def _ranking_seconds(benchmark: Benchmark, dimension: int) -> float:
    """Time to rank some queries with random embeddings, scaled to all queries."""
    rng = np.random.default_rng(0)

    def embeddings(count: int) -> NDArray[np.float32]:
        return rng.standard_normal((count, dimension), dtype=np.float32)

    passages_ND, total = embeddings(len(benchmark.passages)), len(benchmark.queries)
    seconds = 0.0
    for count in (1, _QUERIES):  # the first call compiles
        few = _first_queries(benchmark, min(count, total))
        queries_QD = embeddings(len(few.queries))
        start = time.perf_counter()
        rank_embeddings(few, queries_QD, passages_ND)
        seconds = (time.perf_counter() - start) * total / len(few.queries)
    return seconds


def _first_queries(benchmark: Benchmark, count: int) -> Benchmark:
    """The same passages with the first queries alone."""
    offsets = benchmark.relevant_offsets[: count + 1]
    return replace(
        benchmark,
        question_ids=benchmark.question_ids[:count],
        query_languages=benchmark.query_languages[:count],
        queries=benchmark.queries[:count],
        relevant_offsets=offsets,
        relevant=benchmark.relevant[: offsets[-1]],
        clusters=benchmark.clusters[:count],
        judgements=Judgements(),
    )


def _precision(trial: TrialConfig, encoder: BiEncoder) -> str:
    return choose_precision(trial.training.precision, encoder.width)
