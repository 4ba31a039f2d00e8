"""Opens MLflow's store, and creates or upgrades a database file under a lock.

MLflow creates the tables of a new database step by step, without a lock that holds for all of its
callers: two programs that open a new file at the same moment ruin it for good (measured: six of
six failed). So every program of this project opens a database here.

Source: https://github.com/mlflow/mlflow/blob/master/mlflow/store/tracking/sqlalchemy_store.py
"""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

# `tune.record.tracking` retries failed requests itself; MLflow's own retries would take minutes.
# 30 s: a slow server answered in less than 1 s (measured).
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar per small file

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hybridir import names
from tune.folders import RunFolder
from tune.record.address import address_of, database_file

# They announce a new database's schema step by step, and log the traceback of an error that they
# raise as well, at each attempt to reach a database that is away.
for noisy in ("mlflow.store.db.utils", "alembic"):
    logging.getLogger(noisy).setLevel(logging.CRITICAL)

ARTIFACTS = "mlartifacts"
# A new database takes 4 s to create (measured); others may stand in line for the lock.
_LOCK_SECONDS = 300.0
# Tables and columns of MLflow with addresses of artifacts, the experiments first.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def open_store(uri: str) -> MlflowClient:
    """Open a store; a database file is created or brought to this version's tables first.

    Raises:
        MlflowException: if the store cannot be opened.
    """
    with _alone(uri):
        client = MlflowClient(tracking_uri=uri)
        if path := database_file(uri):
            client.search_experiments(max_results=1)
            _bring_artifacts_along(path)
    return client


def experiment_of(client: MlflowClient, uri: str) -> str:
    """Return the id of this project's experiment, which is created if it does not exist.

    Raises:
        MlflowException: if the store refuses it.
    """
    with _alone(uri):
        experiment = client.get_experiment_by_name(names.EXPERIMENT)
        if experiment is None:
            try:
                return str(client.create_experiment(names.EXPERIMENT, _artifacts_beside(uri)))
            except MlflowException:
                # All nodes call a new server at once, and another node may have been faster.
                experiment = client.get_experiment_by_name(names.EXPERIMENT)
                if experiment is None:
                    raise
        return str(experiment.experiment_id)


def closed_run(folder: RunFolder) -> bool | None:
    """Whether MLflow has the closed run of a finished study; None where a server keeps silent.

    Nothing is created or changed.
    """
    address = address_of(folder, "")
    if address.moved_from or not address.run_id:
        return False
    path = database_file(address.uri)
    if path is None:
        return _server_has(address.uri, address.run_id)
    query = "SELECT status FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(query, (address.run_id,)).fetchone()
    except sqlite3.Error:
        return False
    return row is not None and row[0] == "FINISHED"


def foreign_tables(path: Path) -> bool:
    """Whether a SQLite file holds another program's tables, into which MLflow would write its own.

    Raises:
        sqlite3.Error: if it cannot be read.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    return bool(tables) and "alembic_version" not in tables


def _bring_artifacts_along(path: Path) -> None:
    """Make a database that was copied or moved name the artifacts beside it.

    MLflow records absolute addresses, so that a copy would write into the artifacts of the
    original. Artifacts that did not come along keep their address.
    """
    here = {(folder / ARTIFACTS).as_uri() for folder in (path.parent, path.resolve().parent)}
    beside = (path.resolve().parent / ARTIFACTS).as_uri()
    # A database that cannot be written to is named by whoever writes to it next.
    unwritable = suppress(sqlite3.OperationalError)
    with unwritable, closing(sqlite3.connect(path, timeout=20)) as database, database:
        row = database.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (names.EXPERIMENT,)
        ).fetchone()
        # Another place was chosen by whoever made the experiment.
        if row is None or row[0] in here or not str(row[0]).endswith(f"/{ARTIFACTS}"):
            return
        came_along = (path.resolve().parent / ARTIFACTS).is_dir()
        for table, column in _ADDRESSES if came_along else _ADDRESSES[:1]:
            database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE substr({column}, 1, ?) = ?",
                (beside, len(row[0]) + 1, len(row[0]), row[0]),
            )


def _server_has(uri: str, run_id: str) -> bool | None:
    """Whether a server has a run that has finished; None if it does not answer."""
    try:
        run = MlflowClient(tracking_uri=uri).get_run(run_id)
    except MlflowException as error:
        return False if error.error_code == "RESOURCE_DOES_NOT_EXIST" else None
    return bool(run.info.status == "FINISHED" and run.info.lifecycle_stage == "active")


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Keep other drivers out of a database file; a server orders its callers itself."""
    path = database_file(uri)
    if path is None:
        yield
        return
    with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS):
        yield


def _artifacts_beside(uri: str) -> str | None:
    """Folder for the artifacts of a database file; None lets the server decide.

    MLflow would put them into ./mlruns, whose presence makes a bare `mlflow ui` read that folder
    instead of the database.
    """
    path = database_file(uri)
    return (path.parent / ARTIFACTS).resolve().as_uri() if path else None
