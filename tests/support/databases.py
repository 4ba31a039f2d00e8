"""MLflow's database as MLflow makes it, to copy: making it takes seconds of computing."""

import contextlib
import functools
import sqlite3
import tempfile
from pathlib import Path

from mlflow import MlflowClient


@functools.cache
def _tables() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{path}").search_experiments()
        # A copy has what MLflow still holds in its write-ahead log.
        with contextlib.closing(sqlite3.connect(path)) as database:
            return database.serialize()


def empty_database(folder: Path) -> Path:
    """Write ``mlflow.db`` into a folder: all tables, and no study."""
    path = folder / "mlflow.db"
    path.write_bytes(_tables())
    return path
