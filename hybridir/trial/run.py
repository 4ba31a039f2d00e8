"""One trial: a configuration trained and evaluated once, from one seed.

This and its scoring are the only places that unpack a configuration; everything else takes plain
values.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridir import names
from hybridir.batches import BatchPlan
from hybridir.batches.plan import check_parts
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, TrainingData, load_benchmarks, load_training
from hybridir.encoder import load_encoder, load_tokenizer, save_encoder
from hybridir.encoder.load import tokenise
from hybridir.errors import InputError
from hybridir.runtime.distributed import Processes, joined
from hybridir.runtime.files import replacing
from hybridir.runtime.memory import peak_memory_mb, release_memory, reset_peak_memory
from hybridir.runtime.precision import accelerator, choose_precision
from hybridir.runtime.seeds import derive_seed
from hybridir.training import LoopState, train
from hybridir.trial.evaluate import Scores
from hybridir.trial.metrics import headline, write_training_log
from hybridir.trial.untrained import score_untrained

RESULT = names.ARTIFACT_RESULT
ENCODER = names.ARTIFACT_ENCODER

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class TrialResult:
    """What a trial leaves behind, all under its workspace.

    Attributes:
        metrics: the headline figures, under their names in `hybridir.names`.
        workspace: folder with ``result.json`` (written last), ``config.json``,
            ``per_query/*.parquet``, ``language_pairs/*.csv``, ``top1_languages/*.csv``,
            ``top10_languages/*.csv``, ``rank_correlation/*.csv`` and ``training_log.jsonl``.
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

    Where a launcher started several processes, each of them makes the same call; see
    `runtime.distributed`. All get the same result, and the first one alone writes and reports.

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
    with joined() as processes:
        metrics = processes.on_first(lambda: _finished(config, workspace))
        if metrics is None:
            metrics = _run(
                config,
                workspace,
                cache,
                fidelities=fidelities,
                report=lambda metrics: processes.on_first(lambda: report(metrics)),
                progress=progress if processes.rank == 0 else lambda step, steps: None,
                keep_encoder=keep_encoder,
                processes=processes,
            )
        processes.on_first(lambda: report(metrics))
    return TrialResult(metrics, workspace)


def _finished(config: TrialConfig, workspace: Path) -> dict[str, float] | None:
    """The figures of a trial that has been run already."""
    if not (workspace / RESULT).is_file():
        return None
    _check_same(config, workspace)
    metrics: dict[str, float] = json.loads((workspace / RESULT).read_text())
    return metrics


def _run(
    config: TrialConfig,
    workspace: Path,
    cache: Path,
    *,
    fidelities: Sequence[float],
    report: Report,
    progress: Callable[[int, int], None],
    keep_encoder: bool,
    processes: Processes,
) -> dict[str, float]:
    for what, folder in (("workspace", workspace), ("cache", cache)):
        _check_folder(what, folder)
    check_parts(config.batch.batch_size, processes.count)
    settings = config.model_dump_json(indent=1)

    release_memory()
    reset_peak_memory()
    data = load_training(config.data)
    benchmarks = load_benchmarks(config.data)
    if config.retriever != "trained":
        return _run_untrained(config, processes, data, benchmarks, workspace, cache)
    plan = make_plan(config, data)
    tokenizer = load_tokenizer(
        config.encoder, [*data.pairs.question, *data.pairs.passage], data.pairs.digest, cache
    )
    encoder = load_encoder(config.encoder, tokenizer, derive_seed(config.seed, "weights"))
    questions, passages = tokenise(
        config.encoder,
        tokenizer,
        data.pairs.question,
        data.pairs.passage,
        cache,
        data.pairs.digest,
    )
    # Not earlier: a mistake in the input leaves no half-written workspace behind.
    processes.on_first(lambda: _write(workspace / names.ARTIFACT_CONFIG, settings))
    precision = choose_precision(config.training.precision, encoder.dimension)

    with accelerator(precision) as accelerate:
        scores = Scores(config, processes, encoder, tokenizer, data, workspace, cache)

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
            chunk_tokens=config.training.fixed_chunk,
            checkpoint=workspace / names.TRIAL_CHECKPOINT,
            checkpoint_every=config.training.checkpoint_every,
            fingerprint=_fingerprint(settings, data.pairs.digest, processes.count),
            pauses={
                step: report_at(fidelity)
                for fidelity in fidelities
                if 0 < (step := round(fidelity * plan.steps)) < plan.steps
            },
            on_step=lambda state: progress(state.step, plan.steps),
            processes=processes,
        )
        release_memory()  # training's, before evaluation adds its own
        metrics = scores.on_dev(1.0, state, plan)
        for benchmark in benchmarks:
            metrics |= headline(scores.on(benchmark), benchmark.name, len(benchmarks))
        metrics[names.EVALUATION_SECONDS] = scores.seconds
        metrics[names.PEAK_MEMORY_MB] = max(processes.collect(peak_memory_mb()))

    def keep() -> dict[str, float]:
        write_training_log(workspace / names.ARTIFACT_TRAINING_LOG, state, plan)
        if keep_encoder:
            save_encoder(encoder, tokenizer, config.encoder, workspace / ENCODER)
        _write(workspace / RESULT, json.dumps(metrics, indent=1))
        (workspace / names.TRIAL_CHECKPOINT).unlink(missing_ok=True)
        return metrics

    return processes.on_first(keep)


def _run_untrained(
    config: TrialConfig,
    processes: Processes,
    data: TrainingData,
    benchmarks: Sequence[Benchmark],
    workspace: Path,
    cache: Path,
) -> dict[str, float]:
    metrics = score_untrained(config, processes, data, benchmarks, workspace, cache)

    def keep() -> dict[str, float]:
        _write(workspace / names.ARTIFACT_CONFIG, config.model_dump_json(indent=1))
        _write(workspace / RESULT, json.dumps(metrics, indent=1))
        return metrics

    return processes.on_first(keep)


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text)


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
        data.tables,
        batch_size=config.batch.batch_size,
        mixing_ratio=config.batch.mixing_ratio,
        pairs=config.training.pairs,
        seed=derive_seed(config.seed, "batches"),
        kind=config.batch.kind,
        coin=config.batch.coin,
        language_sampling=config.batch.language_sampling,
        language_exponent=config.batch.language_exponent,
    )


def _fingerprint(settings: str, data_digest: str, processes: int) -> str:
    """What a checkpoint belongs to: these settings on these data, in so many processes."""
    return hashlib.sha256(f"{settings}\n{data_digest}\n{processes}".encode()).hexdigest()
