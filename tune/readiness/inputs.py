"""Loads the data and the encoder of a study once, before anything is written.

What was read is recorded in the study's folder, so that all of its trials read the same.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, load_benchmarks, load_training
from hybridir.encoder import load_bi_encoder, load_tokenizer
from hybridir.errors import InputError
from hybridir.evaluation.evaluate import evaluate
from hybridir.evaluation.summary import every_figure
from hybridir.retrieval.bm25 import check_installed
from hybridir.retrieval.encode import Embeddings, fits
from hybridir.runtime.commands import script
from hybridir.runtime.files import atomic_write, read_json
from hybridir.trial.identity import changed_inputs, input_digests, weight_folders
from hybridir.trial.reading import TrialReader
from hybridir.trial.run import build_batch_plan
from tune.folders import RunFolder
from tune.space.parameters import Value
from tune.space.ranges import corners
from tune.space.settings import DEFAULT_OBJECTIVE
from tune.study.baselines import baselines_to_run
from tune.study.file import StudyConfig

_FEW = 8  # dimensions of embeddings that stand for any
# Parameters that decide whether batches can be drawn.
_BATCHES = (names.MIXING_RATIO, names.BATCH_SIZE, "kind")


@dataclass(frozen=True)
class Inputs:
    """Size and identity of the data and the encoder of a study.

    Attributes:
        data: (name, digest, role) of each data set, the training table first.
        parameters: number of weights of the encoder.
        characters: number of characters of all texts, training and benchmarks.
        rows: largest number of rows of a trial's per-query tables, by phase.
        contamination: allowed overlaps of reported data with training or development data.
        judgements: reported benchmark -> what was met in its files, and how it counts.
        stored_mb: largest file of embeddings of a trial, which stores one benchmark at a time.
        digests: see `hybridir.trial.identity.input_digests`.
    """

    data: Annotated[list[tuple[str, str, str]], Field(min_length=1)]
    parameters: int
    characters: int
    rows: dict[str, int]
    contamination: str
    judgements: dict[str, str] = field(default_factory=dict)
    stored_mb: float = 0.0
    digests: Annotated[dict[str, str], Field(min_length=1)] = field(default_factory=dict)

    @property
    def training_digest(self) -> str:
        """Digest of the training table."""
        return self.data[0][1]


def check_study(study: StudyConfig) -> Inputs:
    """Load all data and build the batches of every extreme, before anything is written.

    Raises:
        InputError: if the data or weights cannot be used, or a batch cannot be filled.
    """
    if names.BM25 in study.baselines:
        check_installed()
    training = load_training(study.data)
    reported = load_benchmarks(study.data)
    problems: dict[str, None] = {}
    data_parts = dict.fromkeys(r.data_part for r in study.repeats if r.data_part is not None)
    for data_part in (study.data_part, *data_parts):
        part = load_training(study.data.model_copy(update={names.DATA_PART: data_part}))
        for parameters in _extremes(study):
            config = study.trial(parameters, seed=0, report=False)
            try:
                build_batch_plan(config, part)
            except InputError as error:
                problems[str(error)] = None
    problems |= dict.fromkeys(_unmeasured(study, training.dev))
    if problems:
        raise InputError.collect(f"study {study.name}", problems)
    pairs, dev = training.pairs, [training.dev] if training.dev else []
    benchmarks = [*dev, *reported]
    texts = [*pairs.question, *pairs.passage]
    data = [("train", pairs.digest, "training")]
    data += [(names.DEV, benchmark.digest, "tuning") for benchmark in dev]
    data += [(benchmark.name, benchmark.digest, "reporting") for benchmark in reported]
    weights, dimension = _encoder(
        study.trial(study.dearest, seed=0, report=False), texts, pairs.digest
    )
    _check_reader(study.trial({}, seed=0, report=study.reports))
    largest = max((len(benchmark.passages) for benchmark in benchmarks), default=0)
    stored_mb = largest * dimension * 4 / 1e6
    return Inputs(
        data=data,
        parameters=weights,
        characters=sum(map(len, texts))
        + sum(len(text) for b in benchmarks for text in (*b.queries, *b.passages)),
        rows={
            names.PHASE_SEARCH: sum(map(_rows, dev)),
            names.PHASE_CONFIRM: sum(map(_rows, benchmarks)),
            names.PHASE_BASELINE: sum(map(_rows, benchmarks)),
        },
        contamination="; ".join(map(str, training.overlaps)) or names.NO_CONTAMINATION,
        judgements={
            benchmark.name: ". ".join(notes)
            for benchmark in reported
            if (notes := benchmark.judgements.notes())
        },
        stored_mb=0.0 if fits(largest, dimension, study.evaluation.memory_mb) else stored_mb,
        digests=input_digests(study.data, weight_folders(study.encoder, study.evaluation)),
    )


def input_paths(study: StudyConfig) -> list[str]:
    """The files and folders that trials read, as the study names them."""
    data = study.data
    paths = [data.data_root / name for name in data.train.folders if data.data_root]
    paths += [path for report in data.report_on for path in report.paths(data.data_root)]
    for source in data.train.sources:
        paths += [source.table.path] if source.table else []
        paths += [Path(source.hub.id)] if source.hub and Path(source.hub.id).is_dir() else []
    return [str(path) for path in (*paths, *weight_folders(study.encoder, study.evaluation))]


def record_inputs(inputs: Inputs, folder: RunFolder) -> None:
    """Record what the trials of a run read; a run that has a record keeps it."""
    if not folder.inputs.is_file():
        with atomic_write(folder.inputs) as unfinished:
            unfinished.write_text(json.dumps(asdict(inputs), indent=1))


def recorded_inputs(folder: RunFolder) -> Inputs | None:
    """What the trials of a run read; None if its version did not record it.

    Raises:
        InputError: if somebody has damaged the record.
    """
    if not folder.inputs.is_file():
        return None
    remedy = "delete it, and the data count as they are"
    inputs: Inputs = read_json(folder.inputs, Inputs, remedy)
    return inputs


def check_same_inputs(config: TrialConfig | StudyConfig, folder: RunFolder) -> None:
    """Refuse data or weights that are not those of a run's earlier trials.

    Without a record any pass.

    Raises:
        InputError: with each data set and each folder of weights that has changed.
    """
    recorded = recorded_inputs(folder)
    folders = weight_folders(config.encoder, config.evaluation)
    if recorded and (changed := changed_inputs(config.data, folders, recorded.digests)):
        raise InputError(
            f"{'; '.join(changed)}: changed since {folder.path} began, so that its trials cannot "
            f"be compared; put the files back, or {start_anew(folder)}"
        )


def start_anew(folder: RunFolder) -> str:
    """The advice to start a run's study under another name, with the data as they are."""
    renamed = f"name={folder.path.parent.name}-anew"
    command = script("tune/run_sweep.py", str(folder.study_file), "--set", renamed)
    return f"start anew under another name: {command}"


def batch_sizes(study: StudyConfig) -> dict[str, tuple[int, ...]]:
    """The batch sizes that each phase may use: all values of a choice, the ends of a range."""
    own = study.batch.batch_size
    searched: tuple[Value, ...] = (own,)
    if study.search and (values := study.space.get(names.BATCH_SIZE)):
        searched = values.extremes + ((own,) if values.when else ())
    by_phase = {names.PHASE_SEARCH: searched} if study.search else {}
    later = searched
    if confirm := study.confirm:
        confirmed = confirm.values_of(names.BATCH_SIZE, own, searched)
        by_phase[names.PHASE_CONFIRM] = confirmed
        at_own = searched if confirm.per_ratio else confirmed
        later = confirmed[:1] if names.BATCH_SIZE in confirm.levels else at_own
    if baselines_to_run(study):
        by_phase[names.PHASE_BASELINE] = later
    return {
        phase: tuple(sorted({int(size) for size in sizes})) for phase, sizes in by_phase.items()
    }


def _extremes(study: StudyConfig) -> Iterator[dict[str, Value]]:
    """Extreme parameters: if these can be drawn from the data, so can all of the study's."""
    searched = list(corners(study.space, [n for n in _BATCHES if n in study.space]))
    if study.search:
        yield from searched
    points = searched if study.search else [{}]
    if confirm := study.confirm:
        for condition in _distinct(confirm.design, _BATCHES):
            own = confirm.point(float(condition[names.MIXING_RATIO]))
            for point in points if own is None else [own]:
                yield {**point, **condition}
        at = [confirm.at] if isinstance(confirm.at, dict) else points
        points = [{**point, **confirm.first} for point in at]
    distinct = {str(trial.batches): trial.batches for trial in baselines_to_run(study)}
    for batches in distinct.values():
        for point in points if batches else ():
            yield {**point, **batches}


def _distinct(conditions: Sequence[dict[str, Value]], of: Sequence[str]) -> list[dict[str, Value]]:
    """The distinct values of some parameters among conditions that vary more."""
    chosen = [{name: c[name] for name in of if name in c} for c in conditions]
    return list({str(condition): condition for condition in chosen}.values())


def _unmeasured(study: StudyConfig, dev: Benchmark | None) -> Iterator[str]:
    """The objectives that the development benchmark cannot have, as any embeddings tell."""
    objectives = study.search.objectives if study.search and dev else ()
    if dev is None or set(objectives) <= {DEFAULT_OBJECTIVE}:
        return
    rng = np.random.default_rng(0)
    queries_QD, passages_ND = (
        rng.standard_normal((len(texts), _FEW), dtype=np.float32)
        for texts in (dev.queries, dev.passages)
    )
    evaluation = evaluate(Embeddings(queries_QD, passages_ND), dev)
    measured = every_figure(evaluation.table) | evaluation.summary
    for objective in objectives:
        if objective not in measured:
            yield (
                f"search.objective: the development data cannot have {objective}; they have "
                f"{', '.join(sorted(measured))}"
            )


def _encoder(config: TrialConfig, texts: list[str], digest: str) -> tuple[int, int]:
    """Number of weights of the encoder, and dimension of its embeddings."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(config.encoder, texts, digest, Path(folder))
        encoder = load_bi_encoder(config.encoder, tokenizer, seed=0)
    return sum(weight.numel() for weight in encoder.parameters()), encoder.dimension


def _check_reader(config: TrialConfig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        TrialReader(config, Path(folder)).check()


def _rows(benchmark: Benchmark) -> int:
    """Rows of a per-query table: by query, one per pool with a relevant passage, and one more."""
    absent = len(benchmark.judgements.absent_queries)
    return len(benchmark.relevant) + absent + len(benchmark.queries)
