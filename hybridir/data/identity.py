"""Whether data are still those that were read before, which a changed file would not tell.

The content counts, as it is trained and scored on: a table that is written in another format is
the same, and so is a folder with a file more that nobody reads.
"""

import hashlib
from collections.abc import Iterator, Mapping

from hybridir.config import DataConfig
from hybridir.data.benchmark import Benchmark
from hybridir.data.load import load_benchmarks, load_training
from hybridir.names import DATA_PART, DEV


def data_digests(config: DataConfig) -> dict[str, str]:
    """Digest of each data set that is read, by its name.

    All parts of the data have the digests of the whole. Data in memory are not read again.

    Raises:
        InputError: if the data cannot be loaded.
    """
    return {name: digest for name, _, digest in _identified(config)}


def changed_data(config: DataConfig, recorded: Mapping[str, str]) -> list[str]:
    """Name the data sets that are not as they were.

    Args:
        config: the data, or some of those that were recorded.
        recorded: what `data_digests` returned before.

    Returns:
        What the data set is, and from where; empty if all are the same.

    Raises:
        InputError: if the data cannot be loaded.
    """
    changed = {
        name: place
        for name, place, digest in _identified(config)
        if recorded.get(name, digest) != digest
    }
    # It follows from the training data, which are to be put back.
    return [changed[name] for name in changed if name != DEV or len(changed) == 1]


def _identified(config: DataConfig) -> Iterator[tuple[str, str, str]]:
    """Yield name, description and digest of each data set."""
    whole = load_training(config.model_copy(update={DATA_PART: None}))
    places = _places(config)
    for number, (place, table) in enumerate(zip(places, whole.tables, strict=True), start=1):
        yield f"train {number}", f"training data, {place}", table.digest
    if whole.dev:
        origin = f"development data, held out of {' and '.join(places)}"
        yield DEV, origin, _with_clusters(whole.dev)
    for report, benchmark in zip(config.report_on, load_benchmarks(config), strict=True):
        files = " and ".join(map(str, report.paths(config.data_root))) or "made by this version"
        yield report.name, f"benchmark {report.name}, {files}", _with_clusters(benchmark)


def _places(config: DataConfig) -> list[str]:
    """Where each data set of the training data comes from."""
    places = []
    for source in config.train.sources:
        if source.lareqa and config.data_root:
            places.append(str(config.data_root / source.lareqa.name))
        elif source.table:
            places.append(str(source.table.path))
        elif source.hub:
            places.append(f"{source.hub.id} at {source.hub.revision}")
    return places or ["the synthetic corpus of this version"]


def _with_clusters(benchmark: Benchmark) -> str:
    """Digest of a benchmark with its clusters, which change no score, but every interval."""
    sha = hashlib.sha256(benchmark.digest.encode())
    for cluster in benchmark.clusters:
        sha.update(cluster.encode() + b"\0")
    return sha.hexdigest()
