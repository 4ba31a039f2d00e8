"""One trial: a configuration trained and evaluated once, from one seed.

This is the only place that unpacks a configuration; everything it calls takes plain values.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedTokenizerBase

from hybridir import names
from hybridir.batching import BatchPlan
from hybridir.bias import top1_languages
from hybridir.checkpoint import LoopState
from hybridir.config import TrialConfig
from hybridir.data.benchmark import Benchmark
from hybridir.data.sources import TrainingData, load_reported, load_training
from hybridir.encoder import BiEncoder
from hybridir.errors import InputError
from hybridir.evaluation import evaluate
from hybridir.files import replacing
from hybridir.loading import load_encoder, load_tokenizer, tokenise
from hybridir.memory import peak_memory_mb, release_memory, reset_peak_memory
from hybridir.per_query import write_per_query
from hybridir.saving import save_encoder
from hybridir.seeds import derive_seed
from hybridir.summary import language_matrix, summarise
from hybridir.training import accelerator, choose_precision, train
from hybridir.trial_metrics import (
    headline,
    training_metrics,
    write_training_log,
)

RESULT = "result.json"
CHECKPOINT = "checkpoint.pt"
ENCODER = "encoder"

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class TrialResult:
    """What a trial leaves behind, all under its workspace.

    Attributes:
        metrics: the headline figures, under their names in `hybridir.names`.
        workspace: folder with ``result.json`` (written last), ``config.json``,
            ``per_query/*.parquet``, ``language_pairs/*.csv``, ``top1_languages/*.csv`` and
            ``training_log.jsonl``.
    """

    metrics: dict[str, float]
    workspace: Path


def run_trial(
    config: TrialConfig,
    workspace: Path,
    cache: Path,
    *,
    fidelities: Sequence[float] = (1.0,),
    report: Report = lambda metrics: None,
    progress: Callable[[int, int], None] = lambda step, steps: None,
    keep_encoder: bool = False,
) -> TrialResult:
    """Train and evaluate one configuration; continue where an earlier call was interrupted.

    Args:
        config: what to do.
        workspace: folder of this trial alone; a finished trial found there is not repeated.
        cache: folder of prepared data, shared by the trials of a machine.
        fidelities: shares of the budget after which the development benchmark is evaluated and
            `report` is called, rising; the last one is 1.
        report: receives the metrics known at that point; may raise to stop the trial.
        progress: called after every step with (steps done, steps in all).
        keep_encoder: save the trained encoder under ``encoder/``.

    Returns:
        The result.

    Raises:
        InputError: if the configuration or the data cannot be used.
        TrialError: if training diverges.
    """
    if (workspace / RESULT).is_file():
        _check_same(config, workspace)
        metrics = json.loads((workspace / RESULT).read_text())
        report(metrics)
        return TrialResult(metrics, workspace)
    for what, folder in (("workspace", workspace), ("cache", cache)):
        _check_folder(what, folder)
    settings = config.model_dump_json(indent=1)

    release_memory()
    reset_peak_memory()
    data = load_training(config.data)
    plan = make_plan(config, data)
    benchmarks = load_reported(config.data)
    tokenizer = load_tokenizer(
        config.encoder, [*data.pairs.question, *data.pairs.passage], data.pairs.digest, cache
    )
    encoder = load_encoder(config.encoder, tokenizer, derive_seed(config.seed, "weights"))
    questions, passages = tokenise(
        config.encoder, tokenizer, data.pairs.question, data.pairs.passage, cache
    )
    # Not earlier: a mistake in the input leaves no half-written workspace behind.
    with replacing(workspace / names.ARTIFACT_CONFIG) as part:
        part.write_text(settings)
    precision = choose_precision(config.training.precision, encoder.dimension)

    with accelerator(precision) as accelerate:
        scores = _Scores(config, accelerate, encoder, tokenizer, data, workspace, cache)

        def report_at(fidelity: float) -> Callable[[LoopState], None]:
            return lambda state: report(scores.on_dev(fidelity, state, plan))

        state = train(
            accelerate,
            encoder,
            questions,
            passages,
            plan,
            temperature=config.training.temperature,
            symmetric=config.training.symmetric,
            learning_rate=config.training.learning_rate,
            weight_decay=config.training.weight_decay,
            betas=config.training.betas,
            warmup=config.training.warmup,
            clip_norm=config.training.clip_norm,
            seed=derive_seed(config.seed, "dropout"),
            checkpoint=workspace / CHECKPOINT,
            checkpoint_every=config.training.checkpoint_every,
            fingerprint=_fingerprint(settings, data.pairs.digest),
            pauses={
                step: report_at(fidelity)
                for fidelity in fidelities
                if 0 < (step := round(fidelity * plan.steps)) < plan.steps
            },
            on_step=lambda state: progress(state.step, plan.steps),
        )
        release_memory()  # training's, before evaluation adds its own
        metrics = scores.on_dev(1.0, state, plan)
        for benchmark in benchmarks:
            metrics |= headline(scores.on(benchmark), benchmark.name, len(benchmarks))
        metrics[names.EVALUATION_SECONDS] = scores.seconds
        metrics[names.PEAK_MEMORY_MB] = peak_memory_mb()

    write_training_log(workspace / names.ARTIFACT_TRAINING_LOG, state, plan)
    if keep_encoder:
        save_encoder(encoder, tokenizer, config.encoder, workspace / ENCODER)
    with replacing(workspace / RESULT) as part:
        part.write_text(json.dumps(metrics, indent=1))
    (workspace / CHECKPOINT).unlink(missing_ok=True)
    report(metrics)
    return TrialResult(metrics, workspace)


def _check_folder(what: str, folder: Path) -> None:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(
            f"{what} {str(folder)!r}: {str(existing)!r} is not a folder that can be written to; "
            "choose another one"
        )


def _check_same(config: TrialConfig, workspace: Path) -> None:
    """Refuse a finished trial of other settings, whose figures would pass for this one's."""
    finished = json.loads((workspace / names.ARTIFACT_CONFIG).read_text())
    asked = config.model_dump(mode="json")
    different = sorted(key for key in asked if asked[key] != finished.get(key, asked[key]))
    if different:
        raise InputError(
            f"workspace {str(workspace)!r} holds a finished trial with other settings "
            f"({', '.join(different)} differ); choose another folder or delete this one"
        )


def make_plan(config: TrialConfig, data: TrainingData) -> BatchPlan:
    """The batch plan of a trial.

    Raises:
        InputError: if the data cannot fill the batches.
    """
    return BatchPlan(
        [data.pairs],
        batch_size=config.batch.batch_size,
        mixing_ratio=config.batch.mixing_ratio,
        pairs=config.training.pairs,
        seed=derive_seed(config.seed, "batches"),
        kind=config.batch.kind,
        coin=config.batch.coin,
        language_sampling=config.batch.language_sampling,
        language_exponent=config.batch.language_exponent,
    )


class _Scores:
    """Evaluates the encoder of one trial, and keeps what is found in its workspace."""

    def __init__(
        self,
        config: TrialConfig,
        accelerate: Accelerator,
        encoder: BiEncoder,
        tokenizer: PreTrainedTokenizerBase,
        data: TrainingData,
        workspace: Path,
        cache: Path,
    ) -> None:
        self._config = config
        self._accelerate = accelerate
        self._encoder: nn.Module = encoder
        self._tokenizer = tokenizer
        self._data = data
        self._workspace = workspace
        self._cache = cache
        self.seconds = 0.0

    def on(self, benchmark: Benchmark) -> dict[str, float]:
        """Score a benchmark, write its per-query table and return its summary."""
        start = time.perf_counter()
        table = evaluate(
            self._encoder,
            benchmark,
            self._tokenizer,
            self._config.encoder,
            batch_tokens=self._config.evaluation.batch_tokens,
            seen_languages=self._data.seen_languages,
            cache=self._cache,
        )
        folder = self._workspace / names.ARTIFACT_PER_QUERY
        write_per_query(table, folder / f"{benchmark.name}.parquet")
        for artifact, matrix in (
            (names.ARTIFACT_LANGUAGE_PAIRS, language_matrix(table, names.AP)),
            (names.ARTIFACT_TOP1_LANGUAGES, top1_languages(table)),
        ):
            with replacing(self._workspace / artifact / f"{benchmark.name}.csv") as part:
                matrix.to_csv(part)
        self.seconds += time.perf_counter() - start
        return summarise(table)

    def on_dev(self, fidelity: float, state: LoopState, plan: BatchPlan) -> dict[str, float]:
        """The figures known after a share of the budget: training's, and the dev benchmark's."""
        metrics = {names.FIDELITY: fidelity, **training_metrics(state, plan)}
        if self._data.dev is not None:
            metrics |= headline(self.on(self._data.dev), names.DEV, 0)
        return metrics


def _fingerprint(settings: str, data_digest: str) -> str:
    """What a checkpoint belongs to: these settings on these data."""
    return hashlib.sha256(f"{settings}\n{data_digest}".encode()).hexdigest()
