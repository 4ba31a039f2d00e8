"""Turns the copies of tables that versions up to 0.2 gave to MLflow into links."""

import filecmp
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hybridir import names
from tune.folders import RunFolder
from tune.record.address import address_of, database_file
from tune.record.artifacts import TABLES, link_file, local_folder

_MOST_RUNS = 50_000  # in a request, of MLflow


def merge_copies(folder: RunFolder) -> int:
    """Keep the tables of a study's trials once, where its database is a file.

    Args:
        folder: run folder of the study.

    Returns:
        Bytes that this freed.
    """
    address = address_of(folder, "")
    path = database_file(address.uri)
    if path is None or not path.is_file() or not address.run_id or address.moved_from:
        return 0
    condition = f"tags.`{names.TAG_PARENT}` = '{address.run_id}'"
    try:
        client = MlflowClient(tracking_uri=address.uri)
        experiments = [client.get_run(address.run_id).info.experiment_id]
        runs = client.search_runs(experiments, condition, max_results=_MOST_RUNS)
    except MlflowException:  # without a record there is no second copy
        return 0
    freed = 0
    for run in runs:
        trial = folder.trial(run.data.tags[names.TAG_TRIAL])
        if artifacts := local_folder(run.info.artifact_uri):
            freed += sum(_merge(trial.path / tables, artifacts / tables) for tables in TABLES)
    return freed


def _merge(source: Path, target: Path) -> int:
    """Replace files of a folder that equal those of another one by links; return bytes freed."""
    freed = 0
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = target / file.relative_to(source)
        if not copy.is_file() or copy.samefile(file) or not filecmp.cmp(file, copy, False):
            continue
        size = copy.stat().st_size
        link_file(file, copy)
        freed += size if copy.samefile(file) else 0
    return freed
