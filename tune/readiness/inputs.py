"""Loads all that a study is made of, once, before anything is written."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, load_benchmarks, load_training
from hybridir.encoder import load_encoder, load_tokenizer
from hybridir.errors import InputError
from hybridir.retrieval.bm25 import check_installed
from hybridir.retrieval.encode import fits
from hybridir.trial.run import make_plan
from tune.space.parameters import Value
from tune.space.ranges import corners
from tune.study.baselines import baselines_to_run
from tune.study.file import StudyConfig

# What decides whether batches can be drawn.
_BATCHES = (names.MIXING_RATIO, names.BATCH_SIZE, "kind")


@dataclass(frozen=True)
class Inputs:
    """What the driver found when it loaded data and weights.

    Attributes:
        data: (name, digest, role) of each data set; the training table is the first.
        parameters: numbers in the encoder.
        characters: of all texts, training and benchmarks.
        rows: of a trial's per-query tables at most, by phase.
        contamination: what is reported on and was trained or tuned on as well, as allowed.
        stored_mb: embeddings that a trial keeps in a file at most, one benchmark at a time.
    """

    data: list[tuple[str, str, str]]
    parameters: int
    characters: int
    rows: dict[str, int]
    contamination: str
    stored_mb: float = 0.0

    @property
    def training_digest(self) -> str:
        """Digest of the training table."""
        return self.data[0][1]


def check_study(study: StudyConfig) -> Inputs:
    """Load all data and try the batches of every extreme, before anything is written.

    Raises:
        InputError: if the data or weights cannot be used, or a batch cannot be filled.
    """
    if names.BM25 in study.baselines:
        check_installed()
    training = load_training(study.data)
    reported = load_benchmarks(study.data)
    problems: dict[str, None] = {}
    parts = [each.data_part for each in study.repeats if each.data_part is not None]
    for part in (study.data_part, *dict.fromkeys(parts)):
        learnt = load_training(study.data.model_copy(update={names.DATA_PART: part}))
        for parameters in _extremes(study):
            config = study.trial(parameters, seed=0, report=False)
            try:
                make_plan(config, learnt)
            except InputError as error:
                problems[str(error)] = None
    if problems:
        raise InputError.collect(f"study {study.name}", problems)
    pairs, dev = training.pairs, [training.dev] if training.dev else []
    benchmarks = [*dev, *reported]
    texts = [*pairs.question, *pairs.passage]
    data = [("train", pairs.digest, "training")]
    data += [(names.DEV, benchmark.digest, "tuning") for benchmark in dev]
    data += [(benchmark.name, benchmark.digest, "reporting") for benchmark in reported]
    weights, dimension = _encoder(study.trial({}, seed=0, report=False), texts, pairs.digest)
    most = max((len(each.passages) for each in benchmarks), default=0)
    stored_mb = most * dimension * 4 / 1e6
    return Inputs(
        data=data,
        parameters=weights,
        characters=sum(map(len, texts))
        + sum(len(text) for each in benchmarks for text in (*each.queries, *each.passages)),
        rows={
            names.PHASE_SEARCH: sum(map(_rows, dev)),
            names.PHASE_CONFIRM: sum(map(_rows, benchmarks)),
            names.PHASE_BASELINE: sum(map(_rows, benchmarks)),
        },
        contamination="; ".join(map(str, training.overlaps)) or names.NO_CONTAMINATION,
        stored_mb=0.0 if fits(most, dimension, study.evaluation.memory_mb) else stored_mb,
    )


def batch_sizes(study: StudyConfig) -> dict[str, tuple[int, ...]]:
    """The batch sizes that each phase may use: all of a choice, the ends of a range."""
    own = study.batch.batch_size
    searched: tuple[Value, ...] = (own,)
    if study.search and (given := study.space.get(names.BATCH_SIZE)):
        searched = given.extremes + ((own,) if given.when else ())
    found = {names.PHASE_SEARCH: searched} if study.search else {}
    later = searched
    if study.confirm:
        if isinstance(study.confirm.at, dict):
            later = (study.confirm.at.get(names.BATCH_SIZE, own),)
        found[names.PHASE_CONFIRM] = later
    if baselines_to_run(study):
        found[names.PHASE_BASELINE] = later
    return {phase: tuple(sorted({int(size) for size in sizes})) for phase, sizes in found.items()}


def _extremes(study: StudyConfig) -> Iterator[dict[str, Value]]:
    """Parameters that are legal together only if all of the study's are."""
    searched = list(corners(study.space, [n for n in _BATCHES if n in study.space]))
    if study.search:
        yield from searched
    points = searched if study.search else [{}]
    if study.confirm:
        points = [study.confirm.at] if isinstance(study.confirm.at, dict) else points
        for ratio in sorted(set(study.confirm.mixing_ratio)):
            for point in points:
                yield {**point, names.MIXING_RATIO: ratio}
    distinct = {str(found.batches): found.batches for found in baselines_to_run(study)}
    for batches in distinct.values():
        for point in points if batches else ():
            yield {**point, **batches}


def _encoder(config: TrialConfig, texts: list[str], digest: str) -> tuple[int, int]:
    """Numbers in the encoder, and in an embedding."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(config.encoder, texts, digest, Path(folder))
        encoder = load_encoder(config.encoder, tokenizer, seed=0)
    return sum(weight.numel() for weight in encoder.parameters()), encoder.dimension


def _rows(benchmark: Benchmark) -> int:
    """A row for each query and each pool that holds a relevant passage, and one for all pools."""
    return len(benchmark.relevant) + len(benchmark.queries)
