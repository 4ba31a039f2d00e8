"""One trial: a configuration trained and evaluated once, from one seed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hybridir import names
from hybridir.batches import BatchPlan
from hybridir.batches.plan import check_shards
from hybridir.config import TrialConfig
from hybridir.data import TrainingData, load_benchmarks, load_training
from hybridir.encoder import LoadedEncoder, load_bi_encoder, load_tokenizer, save_encoder
from hybridir.encoder.load import tokenise
from hybridir.encoder.third_party import resolve
from hybridir.errors import InputError
from hybridir.runtime.distributed import Distributed, init_distributed
from hybridir.runtime.files import atomic_write, check_folder, read_json
from hybridir.runtime.memory import peak_memory_mb, release_memory, reset_peak_memory
from hybridir.runtime.precision import accelerator, choose_precision
from hybridir.runtime.seeds import derive_seed
from hybridir.training import LoopState, train
from hybridir.trial.evaluate import TrialEvaluator, TrialSetup
from hybridir.trial.metrics import write_training_log
from hybridir.trial.reading import TrialReader
from hybridir.trial.untrained import untrained_metrics

RESULT = names.ARTIFACT_RESULT
ENCODER = names.ARTIFACT_ENCODER

_REMEDY = "choose another folder, or delete this one and train again"

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class TrialResult:
    """The outcome of a trial; all its files are in its workspace.

    Attributes:
        metrics: the headline figures, under their names in `hybridir.names`.
        workspace: folder with ``result.json`` (written last), ``config.json``,
            ``per_query/*.parquet``, ``language_pairs/*.csv``, ``top1_languages/*.csv``,
            ``top10_languages/*.csv``, ``rank_correlation/*.csv``, ``training_log.jsonl``, and with
            a reader ``reader/*.parquet``.
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

    Where a launcher started several processes, each of them makes the same call, see
    `hybridir.runtime.distributed`. All get the same result; rank 0 alone writes and reports.

    Args:
        config: all settings.
        workspace: folder of this trial alone; a finished trial in it is not repeated.
        cache: folder of prepared data, shared by the trials of a machine.
        fidelities: shares of the budget after which the development benchmark is evaluated and
            `report` is called, rising; the last is 1.
        report: receives the metrics known so far; may raise to stop the trial.
        progress: called after every step with (steps done, steps in all).
        keep_encoder: save the trained encoder under ``encoder/``.

    Returns:
        The result.

    Raises:
        InputError: if the configuration or the data cannot be used.
        TrialError: if training diverges.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from hybridir import TrialConfig, run_trial
    >>> sizes = {"layers": 1, "hidden_size": 16, "intermediate_size": 16, "vocabulary": 300}
    >>> config = TrialConfig.model_validate(
    ...     {
    ...         "data": {
    ...             "train": {"synthetic": {"languages": 2, "entities": 60}},
    ...             "report_on": ["synthetic-test"],
    ...         },
    ...         "encoder": {"from_scratch": sizes},
    ...         "batch": {"mixing_ratio": 0.5, "batch_size": 8},
    ...         "training": {"pairs": 80},
    ...     }
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     result = run_trial(config, Path(folder, "trial"), Path(folder, "cache"))
    >>> 0 < result.metrics["synthetic-test/map_multilingual"] < 1
    True
    """
    with init_distributed() as distributed:
        metrics = distributed.on_rank_zero(lambda: _finished_metrics(config, workspace))
        if metrics is None:
            setup = _set_up(config, workspace, cache, distributed)
            if config.retriever == "trained":
                metrics = _train_and_evaluate(
                    setup,
                    fidelities,
                    lambda metrics: distributed.on_rank_zero(lambda: report(metrics)),
                    progress if distributed.rank == 0 else lambda step, steps: None,
                    keep_encoder,
                )
            else:
                metrics = _evaluate_untrained(setup)
        distributed.on_rank_zero(lambda: report(metrics))
    return TrialResult(metrics, workspace)


def _finished_metrics(config: TrialConfig, workspace: Path) -> dict[str, float] | None:
    """The figures of a finished trial in the workspace; None if it holds none."""
    if not (workspace / RESULT).is_file():
        return None
    _check_same(config, workspace)
    metrics: dict[str, float] = read_json(workspace / RESULT, dict[str, int | float], _REMEDY)
    return metrics


def _set_up(
    config: TrialConfig, workspace: Path, cache: Path, distributed: Distributed
) -> TrialSetup:
    """Check folders, batches and the reader, and load the data."""
    for role, folder in (("workspace", workspace), ("cache", cache)):
        check_folder(role, folder)
    if config.retriever != names.BM25:
        # So that the trial's record has the settings that the encoder's own folder decides.
        config = config.model_copy(update={"encoder": resolve(config.encoder)})
    check_shards(config.batch.batch_size, distributed.world_size)
    release_memory()
    reset_peak_memory()
    data, benchmarks = load_training(config.data), load_benchmarks(config.data)
    reader = TrialReader(config, cache)
    distributed.on_rank_zero(reader.check)
    return TrialSetup(config, data, benchmarks, workspace, cache, distributed, reader)


def _train_and_evaluate(
    setup: TrialSetup,
    fidelities: Sequence[float],
    report: Report,
    progress: Callable[[int, int], None],
    keep_encoder: bool,
) -> dict[str, float]:
    config, data, distributed = setup.config, setup.data, setup.distributed
    workspace, cache = setup.workspace, setup.cache
    settings = config.model_dump_json(indent=1)

    plan = build_batch_plan(config, data)
    texts = [*data.pairs.question, *data.pairs.passage]
    tokenizer = load_tokenizer(config.encoder, texts, data.pairs.digest, cache)
    encoder = load_bi_encoder(config.encoder, tokenizer, derive_seed(config.seed, "weights"))
    questions, passages = tokenise(
        config.encoder,
        tokenizer,
        data.pairs.question,
        data.pairs.passage,
        cache,
        data.pairs.digest,
    )
    # Not earlier: a mistake in the input leaves no half-written workspace behind.
    distributed.on_rank_zero(lambda: _write(workspace / names.ARTIFACT_CONFIG, settings))
    precision = choose_precision(config.training.precision, encoder.width)

    with accelerator(precision) as accelerate:
        evaluator = TrialEvaluator(setup, LoadedEncoder(encoder, tokenizer, config.encoder))

        def report_at(fidelity: float) -> Callable[[LoopState], None]:
            return lambda state: report(evaluator.training_and_dev_metrics(fidelity, state, plan))

        state = train(
            config.training,
            accelerate,
            encoder,
            questions,
            passages,
            plan,
            seed=derive_seed(config.seed, "dropout"),
            checkpoint=workspace / names.TRIAL_CHECKPOINT,
            fingerprint=_fingerprint(config, data.pairs.digest, distributed.world_size),
            evaluations={
                step: report_at(fidelity)
                for fidelity in fidelities
                if 0 < (step := round(fidelity * plan.steps)) < plan.steps
            },
            on_step=lambda state: progress(state.step, plan.steps),
            distributed=distributed,
        )
        release_memory()  # training's, before evaluation adds its own
        metrics = evaluator.training_and_dev_metrics(1.0, state, plan)
        metrics |= evaluator.reported_metrics()
        metrics[names.EVALUATION_SECONDS] = evaluator.seconds
        metrics[names.PEAK_MEMORY_MB] = max(distributed.all_gather_object(peak_memory_mb()))

    def write_result() -> dict[str, float]:
        write_training_log(workspace / names.ARTIFACT_TRAINING_LOG, state, plan)
        if keep_encoder:
            save_encoder(encoder, tokenizer, config.encoder, workspace / ENCODER)
        _write(workspace / RESULT, json.dumps(metrics, indent=1))
        (workspace / names.TRIAL_CHECKPOINT).unlink(missing_ok=True)
        return metrics

    return distributed.on_rank_zero(write_result)


def _evaluate_untrained(setup: TrialSetup) -> dict[str, float]:
    metrics = untrained_metrics(setup)

    def write_result() -> dict[str, float]:
        settings = setup.config.model_dump_json(indent=1)
        _write(setup.workspace / names.ARTIFACT_CONFIG, settings)
        _write(setup.workspace / RESULT, json.dumps(metrics, indent=1))
        return metrics

    return setup.distributed.on_rank_zero(write_result)


def build_batch_plan(config: TrialConfig, data: TrainingData) -> BatchPlan:
    """The batch plan of a trial.

    Raises:
        InputError: if the data cannot fill the batches.
    """
    return BatchPlan(
        data.tables,
        config.batch,
        pairs=config.training.pairs,
        seed=derive_seed(config.seed, "batches"),
    )


def _fingerprint(config: TrialConfig, data_digest: str, world_size: int) -> str:
    """Identifies the settings, data and number of processes of a checkpoint, then its data alone.

    Settings that decide no figure and are newer than version 0.2 are left out, so that its
    checkpoints are continued.
    """
    newer = {"training": {"checkpoint_minutes", "checkpoint_share"}}
    settings = config.model_dump_json(indent=1, exclude=newer)
    whole = hashlib.sha256(f"{settings}\n{data_digest}\n{world_size}".encode()).hexdigest()
    return f"{whole} {data_digest}"


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as partial:
        partial.write_text(text)


def _check_same(config: TrialConfig, workspace: Path) -> None:
    """Refuse a finished trial of other settings, whose figures would pass for this trial's."""
    finished = read_json(workspace / names.ARTIFACT_CONFIG, dict[str, Any], _REMEDY)
    with suppress(ValidationError):
        # A setting that is newer than the trial has its default there.
        finished = TrialConfig.model_validate(finished).model_dump(mode="json")
    requested = config.model_dump(mode="json")
    encoder = finished.get("encoder", {})
    # What is left open was filled in from the encoder's folder.
    unset = [name for name, value in requested["encoder"].items() if value is None]
    requested["encoder"] |= {name: encoder.get(name) for name in unset}
    different = sorted(
        key for key in requested if requested[key] != finished.get(key, requested[key])
    )
    if different:
        raise InputError(
            f"workspace {str(workspace)!r} holds a finished trial with other settings "
            f"({', '.join(different)} differ); choose another folder or delete this one"
        )
