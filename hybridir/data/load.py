"""Load the data of a configuration: the training tables, the development set, the benchmarks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from hybridir.config import BenchmarkConfig, DataConfig, TrainDataConfig
from hybridir.config.base import SENTENCE
from hybridir.config.data_sources import SourceConfig
from hybridir.data.benchmark import Benchmark, Reading, build_benchmark
from hybridir.data.contamination.overlap import Overlap, find_overlaps
from hybridir.data.development import Development, development_benchmark, table_development
from hybridir.data.pairs import Pairs, concatenate, shared_questions, unshared_questions
from hybridir.data.readers.beir import FolderRules, load_beir_benchmark
from hybridir.data.readers.hub import load_hub_table
from hybridir.data.readers.lareqa import (
    load_lareqa,
    load_lareqa_benchmark,
    load_lareqa_reading,
)
from hybridir.data.readers.table import load_table
from hybridir.data.readers.table_benchmark import load_table_benchmark
from hybridir.data.splits import select_data_part, split_by_group
from hybridir.data.synthetic.corpus import SyntheticCorpus, synthetic_corpus
from hybridir.errors import InputError
from hybridir.languages import LanguageSetting, Spellings, check_languages
from hybridir.names import DATA_PART, DEV

# The split belongs to the data, not to a trial: all trials of all studies tune on the same rows.
SPLIT_SEED = 0

# Name of a file, time of its last change in ns, its size.
FileStamp = tuple[str, int, int]


@dataclass(frozen=True)
class TrainingData:
    """The training table and the development benchmark of a trial.

    Attributes:
        tables: the training table of each data set, without the held-out rows.
        pairs: the tables one after another; see `hybridir.data.pairs.concatenate`.
        dev: the benchmark for tuning, or None without tuning.
        seen_languages: languages of `pairs`, sorted.
        overlaps: texts that `pairs` and `dev` share with the reported benchmarks; empty unless
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
    Other sources are split by group (`hybridir.data.splits.inseparable_groups`), each data set of
    a mixture by itself; dev retrieves from all sentences of the held-out paragraphs of LAReQA's
    data, and from all passages of a table that are not trained on. ``questions: shared`` is
    applied before the split, ``data_part`` after it, so that dev is always the same.
    The last result stays in memory for the next trial, until one of its files changes.

    Args:
        config: the data of a trial.
        seed: decides the split. Leave it alone within a study, or its trials are tuned on
            different rows.

    Returns:
        The data.

    Raises:
        InputError: if a source cannot be used, no row of it is left, or it shares questions or
            passages with a benchmark that is reported on and that is not allowed.
    """
    key = (_without_part(config), file_stamps(_paths(config)), seed)
    if config.data_part is None:
        return _load_training(*key)
    return _load_part(*key, config.data_part.number, config.data_part.of)


def _without_part(config: DataConfig) -> str:
    """The settings but the choice of a part, so that all parts share one loaded table."""
    return config.model_copy(update={DATA_PART: None}).model_dump_json()


@lru_cache(maxsize=1)
def _load_part(
    settings: str, stamps: tuple[FileStamp, ...], seed: int, number: int, n_parts: int
) -> TrainingData:
    whole = _load_training(settings, stamps, seed)
    tables = tuple(select_data_part(table, number, n_parts, seed) for table in whole.tables)
    pairs = concatenate(tables)
    return replace(whole, tables=tables, pairs=pairs, seen_languages=pairs.languages)


# One entry, since a process works on one study; with the stamps an edited file is read anew.
@lru_cache(maxsize=1)
def _load_training(settings: str, stamps: tuple[FileStamp, ...], seed: int) -> TrainingData:
    config = DataConfig.model_validate_json(settings)
    corpus = _synthetic(config.train)
    spell = Spellings()
    sources = [] if corpus else [_source(config, source, spell) for source in config.train.sources]
    tables = [corpus.train] if corpus else [source.table for source in sources]
    if config.train.questions == "shared":
        tables = [shared_questions(table) for table in tables]
        if not all(map(len, tables)):
            raise InputError(
                "questions=shared: no question of the training data exists in two languages"
                f"{_empty_tables(tables)}; train on more languages or set questions to all"
            )
    everything = tables
    dev = corpus.dev if corpus and config.tune_on == "dev" else None
    if sources and config.tune_on == "dev":
        splits = [split_by_group(table, config.dev_share, seed) for table in tables]
        tables = [trained for trained, _ in splits]
        developments = [
            source.development(held_out, config.train.questions == "shared")
            for source, (_, held_out) in zip(sources, splits, strict=True)
        ]
        dev = development_benchmark(DEV, developments, tables)
    # With the ids of each data set itself: they may be the benchmark's. The synthetic corpus sees
    # to it that its own dev and test have nothing in common.
    overlaps = find_overlaps(
        concatenate(everything, number_ids=False),
        load_benchmarks(config),
        dev.passages if dev and sources else (),
        [report.name for report in config.report_on if report.table or report.folder],
    )
    if overlaps and not config.allow_contamination:
        raise InputError.collect(
            "the training data are reported on, so that no figure would be zero-shot; train on "
            "other data, report on another benchmark, or set allow_contamination, and the report "
            "says so",
            [str(overlap) for overlap in overlaps],
        )
    pairs = concatenate(tables)
    return TrainingData(tuple(tables), pairs, dev, pairs.languages, overlaps)


def _empty_tables(tables: Sequence[Pairs]) -> str:
    empty = [str(number) for number, table in enumerate(tables, start=1) if not len(table)]
    return f" (data set {' and '.join(empty)} of the mixture)" if len(tables) > 1 else ""


def load_benchmarks(config: DataConfig) -> tuple[Benchmark, ...]:
    """Load the benchmarks that are reported on, in the order of the configuration.

    The last result stays in memory, as for `load_training`.

    Raises:
        InputError: if a benchmark cannot be loaded.
    """
    return _load_benchmarks(_without_part(config), file_stamps(_paths(config)))


@lru_cache(maxsize=1)
def _load_benchmarks(settings: str, stamps: tuple[FileStamp, ...]) -> tuple[Benchmark, ...]:
    config = DataConfig.model_validate_json(settings)
    return tuple(_reported(config, report) for report in config.report_on)


def _reported(config: DataConfig, report: BenchmarkConfig) -> Benchmark:
    if report.name != "synthetic-test":
        return load_benchmark(report, config.data_root)
    corpus = _synthetic(config.train)
    assert corpus is not None, "DataConfig asks for the corpus where its test is reported"
    if report.languages is None:
        return corpus.test
    return _in_languages(corpus.test, report.languages)


def _in_languages(benchmark: Benchmark, setting: LanguageSetting) -> Benchmark:
    """Keep the queries and passages of some languages, under the codes of a setting."""
    choice = check_languages(setting, benchmark.name)
    names = list(choice.names(benchmark.languages, benchmark.name).values())
    languages = choice.keep(names, benchmark.name)
    chosen = [name in languages for name in names]
    passages = [
        (key, names[code], text)
        for key, code, text in zip(
            benchmark.passage_ids, benchmark.passage_languages, benchmark.passages, strict=True
        )
        if chosen[code]
    ]
    keys = {key for key, _, _ in passages}
    queries = []
    relevant = {}
    for query, code in enumerate(benchmark.query_languages):
        if chosen[code]:
            question_id = benchmark.question_ids[query]
            queries.append((question_id, names[code], benchmark.queries[query]))
            low, high = benchmark.relevant_offsets[query : query + 2]
            answers = {benchmark.passage_ids[index] for index in benchmark.relevant[low:high]}
            relevant[question_id] = answers & keys
    clusters = dict(zip(benchmark.question_ids, benchmark.clusters, strict=True))
    return build_benchmark(benchmark.name, queries, passages, relevant, clusters=clusters)


def load_benchmark(report: BenchmarkConfig, data_root: Path | None) -> Benchmark:
    """Load a benchmark that needs no training data.

    Args:
        report: the benchmark and its languages.
        data_root: folder that holds the folders of xquad-r and mlqa-r.

    Raises:
        InputError: if it cannot be loaded.
    """
    if report.folder is not None:
        rules = FolderRules(
            report.rules, report.ignore_identical_ids, report.parallel, report.skip_bad
        )
        split = report.split or "test"
        codes = (report.language, report.languages)
        return load_beir_benchmark(report.name, report.folder, split, *codes, rules)
    if report.table is not None:
        files = (report.table.path, report.table.passages)
        return load_table_benchmark(report.name, *files, report.languages, report.skip_bad)
    if report.name == "synthetic-test":
        raise InputError(
            "synthetic-test belongs to a training on the synthetic corpus, whose seed decides its "
            "texts: report on it in a study or a trial, or evaluate on another benchmark"
        )
    if not report.paths(data_root):
        raise InputError(f"{report.name}: needs data_root: FOLDER, the folder that holds it")
    (folder,) = report.paths(data_root)
    with_paragraph = report.passage_text != SENTENCE
    return load_lareqa_benchmark(report.name, folder, report.languages, with_paragraph)


def load_reading(report: BenchmarkConfig, data_root: Path | None) -> Reading:
    """Load the paragraphs and answers of a benchmark, for a reader.

    Raises:
        InputError: if it has no answers, or they cannot be loaded.
    """
    if not report.has_answers or not report.paths(data_root):
        raise InputError(f"{report.name}: only xquad-r and mlqa-r have answers to be read")
    (folder,) = report.paths(data_root)
    return load_lareqa_reading(folder, report.languages)


def _synthetic(train: TrainDataConfig) -> SyntheticCorpus | None:
    world = train.synthetic
    return synthetic_corpus(**world.model_dump()) if world else None


@dataclass(frozen=True)
class _Source:
    """A data set, read once.

    Attributes:
        table: all its rows.
        hold_out: makes the development of held-out rows and of rows that are left out.
    """

    table: Pairs
    hold_out: Callable[[Pairs, Pairs], Development]

    def development(self, held_out: Pairs, shared: bool) -> Development:
        """What dev is, if `held_out` is held out of the questions, all or shared ones."""
        return self.hold_out(
            held_out, unshared_questions(self.table) if shared else self.table.select(())
        )


def _source(config: DataConfig, source: SourceConfig, spell: Spellings) -> _Source:
    """Read a data set; `spell` knows the languages of those before it in a mixture."""
    lareqa, table = source.lareqa, source.table
    if lareqa and config.data_root:
        texts = load_lareqa(config.data_root / lareqa.name, lareqa.languages, spell)
        with_paragraph = lareqa.passage_text != SENTENCE
        return _Source(
            texts.pairs(with_paragraph),
            # Rows that are left out lie in paragraphs, which have all their sentences in dev.
            lambda held_out, left_out: texts.development(held_out, with_paragraph),
        )
    if table:
        pairs = load_table(table.path, table.languages, table.skip_bad)
    else:
        assert source.hub is not None, "SourceConfig holds exactly one"
        pairs = load_hub_table(**source.hub.model_dump())
    return _Source(pairs.respelled(spell), table_development)


def _paths(config: DataConfig) -> list[Path]:
    """Files and folders that the data are read from; a hub's revision cannot change."""
    paths = [path for report in config.report_on for path in report.paths(config.data_root)]
    paths += [config.data_root / name for name in config.train.folders if config.data_root]
    for source in config.train.sources:
        paths += [source.table.path] if source.table else []
        paths += [Path(source.hub.id)] if source.hub else []
    return paths


def file_stamps(paths: Iterable[Path]) -> tuple[FileStamp, ...]:
    """Name, time of the last change in ns, and size of every file.

    Args:
        paths: files, or folders whose files all count. A missing one has no stamp.

    Returns:
        One stamp a file, sorted by name; equal as long as nobody has written.
    """
    stamps = []
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                status = file.stat()
                stamps.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(sorted(stamps))
