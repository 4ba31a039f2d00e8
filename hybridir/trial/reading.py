"""A reader's F1 on the benchmarks that a trial reports on.

The reader answers from the paragraph that retrieval puts first, in the pool of the question's own
language and in the pool of all languages. All trials of a study share its answers.
"""

from functools import lru_cache
from pathlib import Path

from hybridir import names
from hybridir.config import BenchmarkConfig, TrialConfig
from hybridir.data import Benchmark
from hybridir.data.benchmark import Reading
from hybridir.data.load import FileStamp, file_stamps, load_reading
from hybridir.evaluation.per_query import write_per_query
from hybridir.evaluation.reader.f1 import reader_table
from hybridir.evaluation.reader.model import reader_folder
from hybridir.evaluation.reader.stored_answers import StoredReader
from hybridir.evaluation.summary import macro_means
from hybridir.retrieval.ranks import RelevantRanks

# Without the cross-lingual setting, whose 110 pairs of XQuAD-R's languages take ten times as long.
_SETTINGS = (names.MONOLINGUAL, names.MULTILINGUAL)


class TrialReader:
    """The reader of a trial, if its configuration names one.

    Making it costs nothing; rank 0 alone uses it.

    Args:
        config: of the trial; ``evaluation.reader`` and the reported benchmarks count.
        cache: folder of prepared data.
    """

    def __init__(self, config: TrialConfig, cache: Path) -> None:
        self._config = config
        self._cache = cache
        self._stored: StoredReader | None = None

    def check(self) -> None:
        """Load the reader and the answers of all reported benchmarks, before any training.

        Raises:
            InputError: if the reader or a benchmark's answers cannot be loaded.
        """
        reports = self._config.data.report_on
        if self._config.evaluation.reader and reports:
            self._open().check()
            for report in reports:
                self._reading(report)

    def metrics_on(
        self, benchmark: Benchmark, ranks: RelevantRanks, workspace: Path
    ) -> dict[str, float]:
        """Read the first passages of a reported benchmark and write the answers as a table.

        Args:
            benchmark: queries and pools.
            ranks: first passages of the trial's retriever.
            workspace: folder of the trial; the table is ``reader/BENCHMARK.parquet``.

        Returns:
            The reader's F1 by the name of the metric; nothing without a reader, or if the
            benchmark is not reported.
        """
        by_name = {report.name: report for report in self._config.data.report_on}
        if not self._config.evaluation.reader or benchmark.name not in by_name:
            return {}
        reading = self._reading(by_name[benchmark.name])
        table = reader_table(benchmark, reading, ranks, self._open(), _SETTINGS)
        write_per_query(table, workspace / names.ARTIFACT_READER / f"{benchmark.name}.parquet")
        means = macro_means(table, [names.READER_F1])
        return {
            names.mean_metric(benchmark.name, names.READER_F1, setting): value
            for setting, of_setting in means.items()
            for value in of_setting.values()
        }

    def _open(self) -> StoredReader:
        reader = self._config.evaluation.reader
        assert reader is not None, "callers have looked"
        if self._stored is None:
            hub = reader.hub
            folder = reader.path or (hub and reader_folder(hub.id, hub.revision))
            assert folder, "ReaderConfig holds exactly one source"
            self._stored = StoredReader(folder, self._cache)
        return self._stored

    def _reading(self, report: BenchmarkConfig) -> Reading:
        root = self._config.data.data_root
        return _load_reading(report, root, file_stamps(report.paths(root)))


# A study reports on a few benchmarks; with the stamps an edited file is read anew.
@lru_cache(maxsize=4)
def _load_reading(
    report: BenchmarkConfig, root: Path | None, stamps: tuple[FileStamp, ...]
) -> Reading:
    return load_reading(report, root)
