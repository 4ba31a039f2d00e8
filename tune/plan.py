"""``--plan``: what a study will take, from a measured probe."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from transformers import PreTrainedTokenizerBase

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data.prepare import prepare_tokens
from hybridir.data.sources import load_reported, load_training
from hybridir.encoder import BiEncoder
from hybridir.evaluation import encode
from hybridir.loading import load_encoder, load_tokenizer
from hybridir.training import accelerator, choose_precision
from hybridir.trial import make_plan, run_trial
from tune.folders import cache_folder
from tune.narrator import duration
from tune.study import StudyConfig, Value

# The first steps of the probe are left out: they allocate memory and compile kernels.
_PROBE_STEPS = 8
_WARM_UP_STEPS = 3
_PROBE_TEXTS = 256


@dataclass(frozen=True)
class Estimate:
    """What one kind of trial takes.

    Attributes:
        what: phase and batch size.
        trials: how many.
        train_seconds: of one trial's training.
        evaluation_seconds: of one trial's evaluation.
        memory_mb: peak of the process so far.
    """

    what: str
    trials: int
    train_seconds: float
    evaluation_seconds: float
    memory_mb: float

    @property
    def seconds(self) -> float:
        """All trials of this kind, one after the other."""
        return self.trials * (self.train_seconds + self.evaluation_seconds)


def check_study(study: StudyConfig) -> list[tuple[str, str, str]]:
    """Load all data and try the batches of every extreme, before anything is written.

    Returns:
        (name, digest, role) of each data set.

    Raises:
        InputError: if the data or weights cannot be used, or a batch cannot be filled.
    """
    data = load_training(study.data)
    reported = load_reported(study.data)
    for parameters in _extremes(study):
        make_plan(study.trial(parameters, seed=0, report=False), data)
    _tokenizer_and_weights(study.trial({}, seed=0, report=False))
    found = [("train", data.pairs.digest, "training")]
    if data.dev:
        found.append((names.DEV, data.dev.digest, "tuning"))
    return found + [(benchmark.name, benchmark.digest, "reporting") for benchmark in reported]


def estimate(study: StudyConfig) -> list[Estimate]:
    """Measure a few steps for each batch size, and the encoding of some texts.

    Batch sizes of a search are weighted alike; a range is probed at its ends.
    """
    estimates = []
    search_points = list(_batch_sizes(study))
    if study.search:
        share, rest = divmod(study.search.trials, len(search_points))
        for index, point in enumerate(search_points):
            config = study.trial(point, seed=0, report=False)
            count = share + (index < rest)
            estimates.append(_probe(config, f"search, {_point(config)}", count, study.storage))
    if study.confirm:
        at = study.confirm.at if isinstance(study.confirm.at, dict) else search_points[-1]
        config = study.trial(at, seed=0, report=True)
        count = len(study.confirm.mixing_ratio) * study.confirm.seeds
        estimates.append(_probe(config, f"confirmation, {_point(config)}", count, study.storage))
    return estimates


def render(study: StudyConfig, estimates: list[Estimate], workers: int) -> Table:
    """The plan as a table; times are for that many trials at once."""
    total = sum(item.seconds for item in estimates)
    price = study.resources.hourly_price
    cost = "" if price is None else f", cost {total / 3600 * price:.2f}"
    table = Table(
        title=f"{study.name}: about {duration(total / workers)} with {workers} trials at a time"
        f"{cost} (search trials that are stopped early take less)",
        title_justify="left",
    )
    for column in ("trials", "number", "training", "evaluation", "memory"):
        table.add_column(column, justify="left" if column == "trials" else "right")
    for item in estimates:
        table.add_row(
            item.what,
            str(item.trials),
            duration(item.train_seconds),
            duration(item.evaluation_seconds),
            f"{item.memory_mb:.0f} MB",
        )
    return table


def disk_mb(study: StudyConfig, workers: int) -> float:
    """Disk at most, in MB: a checkpoint (weights, two moments) a worker, one encoder a ratio."""
    _, encoder = _tokenizer_and_weights(study.trial({}, seed=0, report=False))
    weights = sum(weight.numel() for weight in encoder.parameters()) * 4 / 1e6
    kept = len(study.confirm.mixing_ratio) if study.confirm else 0
    return weights * (3 * workers + kept)


def _probe(config: TrialConfig, what: str, trials: int, storage: Path) -> Estimate:
    batch_size = config.batch.batch_size
    short = config.model_copy(
        update={
            "data": config.data.model_copy(update={"report_on": (), "tune_on": None}),
            "training": config.training.model_copy(update={"pairs": batch_size * _PROBE_STEPS}),
        }
    )
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        result = run_trial(
            short,
            Path(folder),
            cache_folder(storage),
            progress=lambda step, steps: ends.append(time.perf_counter()),
        )
    steps = len(make_plan(config, load_training(config.data)))
    per_step = float(np.mean(np.diff(ends[_WARM_UP_STEPS:])))
    return Estimate(
        what=what,
        trials=trials,
        train_seconds=per_step * steps,
        evaluation_seconds=_evaluation_seconds(config, storage),
        memory_mb=result.metrics[names.PEAK_MEMORY_MB],
    )


def _evaluation_seconds(config: TrialConfig, storage: Path) -> float:
    """Time the encoding of some texts of each benchmark, scaled to all of them."""
    data = load_training(config.data)
    benchmarks = [*([data.dev] if data.dev else []), *load_reported(config.data)]
    tokenizer, encoder = _tokenizer_and_weights(config)
    encoder.eval()
    total = 0.0
    rng = np.random.default_rng(0)
    with accelerator(choose_precision(config.training.precision, encoder.dimension)) as accelerate:
        model = accelerate.prepare(encoder)
        for benchmark in benchmarks:
            texts = [*benchmark.queries, *benchmark.passages]
            sample = rng.choice(len(texts), size=min(_PROBE_TEXTS, len(texts)), replace=False)
            tokens = prepare_tokens(
                [texts[row] for row in sorted(sample)],
                tokenizer,
                prefix="",
                max_length=config.encoder.passage_length,
                cache=cache_folder(storage),
            )
            start = time.perf_counter()
            encode(
                model,
                tokens,
                pad_token=encoder.pad_token,
                batch_tokens=config.evaluation.batch_tokens,
            )
            total += (time.perf_counter() - start) / len(tokens) * len(texts)
    return total


def _tokenizer_and_weights(config: TrialConfig) -> tuple[PreTrainedTokenizerBase, BiEncoder]:
    with tempfile.TemporaryDirectory() as folder:
        pairs = load_training(config.data).pairs
        texts = [*pairs.question, *pairs.passage]
        tokenizer = load_tokenizer(config.encoder, texts, pairs.digest, Path(folder))
        return tokenizer, load_encoder(config.encoder, tokenizer, seed=0)


def _extremes(study: StudyConfig) -> Iterator[dict[str, Value]]:
    """Parameters that are legal together only if all of the study's are."""
    ratios: list[Value] = [study.batch.mixing_ratio]
    if names.MIXING_RATIO in study.space:
        ratios = list(study.space[names.MIXING_RATIO].extremes)
    if study.confirm:
        ratios += study.confirm.mixing_ratio
    for point in _batch_sizes(study):
        for ratio in sorted(set(ratios)):
            yield {**point, names.MIXING_RATIO: ratio}


def _batch_sizes(study: StudyConfig) -> Iterator[dict[str, Value]]:
    if names.BATCH_SIZE in study.space:
        for size in study.space[names.BATCH_SIZE].extremes:
            yield {names.BATCH_SIZE: size}
    elif study.confirm and isinstance(study.confirm.at, dict):
        yield dict(study.confirm.at)
    else:
        yield {}


def _point(config: TrialConfig) -> str:
    return f"batch {config.batch.batch_size}"
