"""Measures a few seconds of a study's work, where its trials would run."""

import math
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, TrainingData, load_benchmarks, load_training
from hybridir.encoder import BiEncoder, load_encoder, load_tokenizer
from hybridir.encoder.load import tokenise
from hybridir.encoder.token_table import TokenTable
from hybridir.retrieval import rank_relevant
from hybridir.retrieval.encode import encode
from hybridir.runtime.memory import peak_memory_mb, release_memory, reset_peak_memory
from hybridir.runtime.precision import accelerator, choose_precision
from hybridir.training import train
from hybridir.trial.run import make_plan
from tune.worker.trial_process import threads

# The first steps are left out: they allocate memory and compile kernels.
_STEPS = 7
_WARM_UP_STEPS = 2
_TEXTS = 128
_QUERIES = 256


@dataclass(frozen=True)
class Point:
    """What one batch size takes.

    Attributes:
        batch_size: pairs of a batch, over all processes.
        train_seconds: of a trial with the whole budget; None if it does not fit into memory.
        memory_mb: peak of one process, of the accelerator if there is one; None likewise.
    """

    batch_size: int
    train_seconds: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class Measured:
    """What a probe found.

    Attributes:
        points: by batch size.
        evaluation_seconds: of each benchmark, once.
        busy_seconds: of the measuring alone, without loading, which a worker does once.
        host: the machine.
        on_gpu: whether memory is the accelerator's.
    """

    points: tuple[Point, ...]
    evaluation_seconds: dict[str, float]
    busy_seconds: float
    host: str
    on_gpu: bool


def measure(
    config: str, batch_sizes: Sequence[int], processes: int, cpu: int, cache: str
) -> Measured:
    """Train some steps of each batch size, then embed and rank some texts of each benchmark.

    One process does here the part of a batch that each of several would do; what they tell each
    other is not measured.

    Args:
        config: configuration of a trial as JSON; its batch size does not matter.
        batch_sizes: which to try.
        processes: of a trial.
        cpu: threads of a process.
        cache: folder of prepared data; what is prepared here is ready for the trials.
    """
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
    return Measured(
        points=tuple(points),
        evaluation_seconds=evaluation,
        busy_seconds=time.perf_counter() - start,
        host=socket.gethostname(),
        on_gpu=torch.cuda.is_available(),
    )


def _point(
    trial: TrialConfig,
    data: TrainingData,
    tokenizer: PreTrainedTokenizerBase,
    tokens: tuple[TokenTable, TokenTable],
    size: int,
    part: int,
) -> Point:
    """Train a few steps on batches of `part` pairs, scaled to a whole training at `size`."""
    settings = trial.model_dump()
    settings["batch"]["batch_size"] = part
    settings["training"]["pairs"] = part * _STEPS
    short = TrialConfig.model_validate(settings)
    release_memory()
    reset_peak_memory()
    ends: list[float] = []
    try:
        encoder = load_encoder(trial.encoder, tokenizer, seed=0)
        with (
            tempfile.TemporaryDirectory() as folder,
            accelerator(_precision(trial, encoder)) as accelerate,
        ):
            train(
                accelerate,
                encoder,
                *tokens,
                make_plan(short, data),
                temperature=1.0,  # time does not depend on these, and nothing may diverge
                learning_rate=1e-6,
                symmetric=trial.training.symmetric,
                weight_decay=trial.training.weight_decay,
                betas=trial.training.betas,
                warmup=0.0,
                clip_norm=trial.training.clip_norm,
                seed=0,
                chunk_tokens=trial.training.fixed_chunk,
                checkpoint=Path(folder) / names.TRIAL_CHECKPOINT,
                checkpoint_every=_STEPS + 1,
                fingerprint="",
                pauses={},
                on_step=lambda state: ends.append(_now()),
            )
    except torch.OutOfMemoryError:
        return Point(size, None, None)
    per_step = float(np.mean(np.diff(ends[_WARM_UP_STEPS - 1 :])))
    return Point(size, per_step * math.ceil(trial.training.pairs / size), peak_memory_mb())


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # it would be the time at which work was handed over
    return time.perf_counter()


def _evaluation(
    trial: TrialConfig,
    benchmarks: Sequence[Benchmark],
    tokenizer: PreTrainedTokenizerBase,
    processes: int,
    cache: Path,
) -> dict[str, float]:
    """Seconds of each benchmark: embedding, shared by the processes, and ranking."""
    release_memory()
    encoder = load_encoder(trial.encoder, tokenizer, seed=0)
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
    """Time some texts, scaled to the tokens of all of them."""
    rows = np.random.default_rng(0).permutation(len(texts))[:_TEXTS]
    chosen = texts.take(rows)
    sample = TokenTable(np.concatenate(chosen), np.cumsum([0, *map(len, chosen)], dtype=np.int64))
    start = time.perf_counter()
    encode(encoder, sample, batch_tokens=batch_tokens)
    return (time.perf_counter() - start) * len(texts.tokens) / len(sample.tokens)


def _ranking_seconds(benchmark: Benchmark, dimension: int) -> float:
    """Time the ranking for some queries with random embeddings, scaled to all of them."""
    rng = np.random.default_rng(0)

    def embeddings(count: int) -> NDArray[np.float32]:
        return rng.standard_normal((count, dimension), dtype=np.float32)

    passages_ND, total = embeddings(len(benchmark.passages)), len(benchmark.queries)
    seconds = 0.0
    for count in (1, _QUERIES):  # the first call compiles
        offsets = benchmark.relevant_offsets[: min(count, total) + 1]
        start = time.perf_counter()
        rank_relevant(
            embeddings(len(offsets) - 1),
            passages_ND,
            benchmark.pools,
            offsets,
            benchmark.relevant[: offsets[-1]],
            benchmark.passage_ids,
        )
        seconds = (time.perf_counter() - start) * total / (len(offsets) - 1)
    return seconds


def _precision(trial: TrialConfig, encoder: BiEncoder) -> str:
    return choose_precision(trial.training.precision, encoder.dimension)
