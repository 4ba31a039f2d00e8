"""Opens MLflow's store, and creates or upgrades a database file under a lock.

MLflow creates the tables of a new database step by step, without a lock that holds for all of its
callers: two programs that open a new file at the same moment ruin it for good (measured: six of
six failed). So every program of this project opens a database here.

Source: https://github.com/mlflow/mlflow/blob/master/mlflow/store/tracking/sqlalchemy_store.py
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

# `tune.record.tracking` retries failed requests itself; MLflow's own retries would take minutes.
# 30 s: a slow server answered in less than 1 s (measured).
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hybridir import names

ARTIFACTS = "mlartifacts"
_SQLITE = "sqlite:///"
# A new database takes 4 s to create (measured); others may stand in line for the lock.
_LOCK_SECONDS = 300.0


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite address; None for a server's address."""
    if not uri.startswith(_SQLITE):
        return None
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]).absolute()


def open_store(uri: str) -> MlflowClient:
    """Open a store; a database file is created or brought to this version's tables first.

    Raises:
        MlflowException: if the store cannot be opened.
    """
    with _alone(uri):
        client = MlflowClient(tracking_uri=uri)
        if database_file(uri):
            client.search_experiments(max_results=1)
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


def foreign_tables(path: Path) -> bool:
    """Whether a SQLite file holds another program's tables, into which MLflow would write its own.

    Raises:
        sqlite3.Error: if it cannot be read.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    return bool(tables) and "alembic_version" not in tables


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
