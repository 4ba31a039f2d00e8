"""From a data configuration to data: what is trained, tuned and reported on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from hybridir.config import DataConfig
from hybridir.config.base import SENTENCE
from hybridir.config.data_sources import SourceConfig
from hybridir.config.trial import ReportConfig, TrainConfig
from hybridir.data.benchmark import Benchmark, Reading, benchmark_from_pairs, build_benchmark
from hybridir.data.contamination.overlap import Overlap, find_overlaps
from hybridir.data.pairs import Pairs, joined, part_of_groups, shared_questions, split_by_group
from hybridir.data.readers.beir import load_beir_benchmark
from hybridir.data.readers.hub import load_hub_table
from hybridir.data.readers.lareqa import (
    load_lareqa_benchmark,
    load_lareqa_pairs,
    load_lareqa_reading,
)
from hybridir.data.readers.table import load_table
from hybridir.data.synthetic.corpus import SyntheticCorpus, synthetic_corpus
from hybridir.errors import InputError
from hybridir.names import DATA_PART, DEV

# The split belongs to the data, not to a trial: all trials of all studies tune on the same rows.
SPLIT_SEED = 0

# Name, time of the last change in ns, size of a file.
Stamp = tuple[str, int, int]


@dataclass(frozen=True)
class TrainingData:
    """What a trial learns from and is tuned on.

    Attributes:
        tables: the training table of each data set, without what is held out.
        pairs: all of them, one after another; see `hybridir.data.pairs.joined`.
        dev: the benchmark for tuning, or None where nothing is tuned.
        seen_languages: languages of `pairs`, sorted.
        overlaps: what pairs and dev have in common with what is reported on; empty unless
            contamination is allowed.
    """

    tables: tuple[Pairs, ...]
    pairs: Pairs
    dev: Benchmark | None
    seen_languages: tuple[str, ...]
    overlaps: tuple[Overlap, ...]


def load_training(config: DataConfig, seed: int = SPLIT_SEED) -> TrainingData:
    """Load the training table and the development benchmark.

    The synthetic corpus brings its own development set, of entities that are not trained on.
    Other sources are split by passage group, each data set of a mixture by itself. ``questions:
    shared`` is applied before the split, ``data_part`` after it, so that dev is always the same.
    What was loaded last stays in memory for the next trial, until a file of it changes.

    Args:
        config: what to load.
        seed: decides the split. Leave it alone within a study, or its trials are tuned on
            different rows.

    Returns:
        The data.

    Raises:
        InputError: if a source cannot be used, nothing is left of it, or it shares questions or
            passages with a benchmark that is reported on and that is not allowed.
    """
    whole = _whole(config)
    if config.data_part is None:
        return _training(whole, stamps(_paths(config)), seed)
    return _part(whole, stamps(_paths(config)), seed, config.data_part.number, config.data_part.of)


def _whole(config: DataConfig) -> str:
    """The settings without what chooses a part, so that all parts share what was loaded."""
    return config.model_copy(update={DATA_PART: None}).model_dump_json()


@lru_cache(maxsize=1)
def _part(
    settings: str, unchanged: tuple[Stamp, ...], seed: int, number: int, of: int
) -> TrainingData:
    whole = _training(settings, unchanged, seed)
    tables = tuple(part_of_groups(table, number, of, seed) for table in whole.tables)
    pairs = joined(tables)
    return replace(whole, tables=tables, pairs=pairs, seen_languages=pairs.languages)


# One entry, since a process works on one study; with the stamps an edited file is read anew.
@lru_cache(maxsize=1)
def _training(settings: str, unchanged: tuple[Stamp, ...], seed: int) -> TrainingData:
    config = DataConfig.model_validate_json(settings)
    corpus = _synthetic(config.train)
    tables = [corpus.train] if corpus else [_table(config, one) for one in config.train.sources]
    if config.train.questions == "shared":
        tables = [shared_questions(table) for table in tables]
        if not all(map(len, tables)):
            raise InputError(
                "questions=shared: no question of the training data exists in two languages"
                f"{_of_several(tables)}; train on more languages or set questions to all"
            )
    # With the ids that each data set has by itself: they may be the benchmark's.
    overlaps = find_overlaps(joined(tables, apart=False), load_benchmarks(config))
    if overlaps and not config.allow_contamination:
        raise InputError.collect(
            "the training data are reported on, so that no figure would be zero-shot; train on "
            "other data, report on another benchmark, or set allow_contamination, and the report "
            "says so",
            [str(overlap) for overlap in overlaps],
        )
    dev = None
    if config.tune_on == "dev":
        if corpus:
            dev = corpus.dev
        else:
            split = [split_by_group(table, config.dev_share, seed) for table in tables]
            tables = [rest for rest, _ in split]
            dev = benchmark_from_pairs(DEV, joined([held_out for _, held_out in split]))
    pairs = joined(tables)
    return TrainingData(tuple(tables), pairs, dev, pairs.languages, overlaps)


def _of_several(tables: Sequence[Pairs]) -> str:
    empty = [str(number) for number, table in enumerate(tables, start=1) if not len(table)]
    return f" (data set {' and '.join(empty)} of the mixture)" if len(tables) > 1 else ""


def load_benchmarks(config: DataConfig) -> tuple[Benchmark, ...]:
    """Load the benchmarks that are reported on, in the order of the configuration.

    What was loaded last stays in memory, as for `load_training`.

    Raises:
        InputError: if a benchmark cannot be loaded.
    """
    return _benchmarks(_whole(config), stamps(_paths(config)))


@lru_cache(maxsize=1)
def _benchmarks(settings: str, unchanged: tuple[Stamp, ...]) -> tuple[Benchmark, ...]:
    config = DataConfig.model_validate_json(settings)
    return tuple(_reported(config, report) for report in config.report_on)


def _paths(config: DataConfig) -> list[Path]:
    """Files and folders that the data are read from; a hub's revision cannot change."""
    reported = (report.path(config.data_root) for report in config.report_on)
    paths = [path for path in reported if path]
    paths += [config.data_root / name for name in config.train.folders if config.data_root]
    for source in config.train.sources:
        paths += [source.table.path] if source.table else []
        paths += [Path(source.hub.id)] if source.hub else []
    return paths


def _synthetic(train: TrainConfig) -> SyntheticCorpus | None:
    given = train.synthetic
    return synthetic_corpus(given.languages, given.seed, given.entities) if given else None


def _table(config: DataConfig, source: SourceConfig) -> Pairs:
    lareqa, table = source.lareqa, source.table
    if lareqa and config.data_root:
        folder = config.data_root / lareqa.name
        return load_lareqa_pairs(folder, lareqa.languages, lareqa.passage_text != SENTENCE)
    if table:
        return load_table(table.path, table.languages, table.skip_bad)
    assert source.hub is not None, "SourceConfig holds exactly one"
    return load_hub_table(**source.hub.model_dump())


def load_benchmark(report: ReportConfig, data_root: Path | None) -> Benchmark:
    """Load a benchmark that needs no training data.

    Args:
        report: which one, in which languages.
        data_root: folder that holds the folders of xquad-r and mlqa-r.

    Raises:
        InputError: if it cannot be loaded.
    """
    if report.folder is not None:
        split = report.split or "test"
        where = (report.language, report.languages)
        return load_beir_benchmark(report.name, report.folder, split, *where, report.skip_bad)
    if report.name == "synthetic-test":
        raise InputError("synthetic-test belongs to a training on the synthetic corpus")
    folder = report.path(data_root)
    if folder is None:
        raise InputError(f"{report.name}: needs data_root, the folder that holds it")
    with_paragraph = report.passage_text != SENTENCE
    return load_lareqa_benchmark(report.name, folder, report.languages, with_paragraph)


def load_reading(report: ReportConfig, data_root: Path | None) -> Reading:
    """Load the paragraphs and answers of a benchmark, for a reader.

    Raises:
        InputError: if it has none, or they cannot be loaded.
    """
    folder = None if report.folder else report.path(data_root)
    if folder is None:
        raise InputError(f"{report.name}: only xquad-r and mlqa-r have answers to be read")
    return load_lareqa_reading(folder, report.languages)


def _reported(config: DataConfig, report: ReportConfig) -> Benchmark:
    if report.name != "synthetic-test":
        return load_benchmark(report, config.data_root)
    corpus = _synthetic(config.train)
    assert corpus is not None, "DataConfig asks for the corpus where its test is reported"
    if report.languages is None:
        return corpus.test
    return _in_languages(corpus.test, report.languages)


def _in_languages(benchmark: Benchmark, codes: Sequence[str]) -> Benchmark:
    """Keep the queries and passages of some languages."""
    lacking = sorted(set(codes) - set(benchmark.languages))
    if lacking or not codes:
        raise InputError(
            f"{benchmark.name}: no {', '.join(lacking) or 'language chosen'}; "
            f"languages that are there: {' '.join(benchmark.languages)}"
        )
    kept = [code in codes for code in benchmark.languages]
    passages = [
        (key, benchmark.languages[code], text)
        for key, code, text in zip(
            benchmark.passage_ids, benchmark.passage_languages, benchmark.passages, strict=True
        )
        if kept[code]
    ]
    keys = {key for key, _, _ in passages}
    queries = []
    relevant = {}
    for query, code in enumerate(benchmark.query_languages):
        if kept[code]:
            question_id = benchmark.question_ids[query]
            queries.append((question_id, benchmark.languages[code], benchmark.queries[query]))
            low, high = benchmark.relevant_offsets[query : query + 2]
            found = {benchmark.passage_ids[index] for index in benchmark.relevant[low:high]}
            relevant[question_id] = found & keys
    return build_benchmark(benchmark.name, queries, passages, relevant)


def stamps(paths: Iterable[Path]) -> tuple[Stamp, ...]:
    """Name, time of the last change in ns, and size of every file.

    Args:
        paths: files, or folders whose files all count. What is not there has no stamp.

    Returns:
        One stamp a file, in order of their names; equal as long as nobody has written.
    """
    found = []
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                status = file.stat()
                found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(sorted(found))
