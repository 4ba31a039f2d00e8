import contextlib
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database in a folder that is not there yet; one for all tests, since it takes seconds."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'new' / 'folder' / 'mlflow.db'}"
    MlflowClient(uri).search_experiments()
    return uri


@pytest.fixture(scope="session")
def empty(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has nothing but its tables, copied since making them takes seconds."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    with (
        contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as source,
        contextlib.closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
    return path
