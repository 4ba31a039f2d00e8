from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.databases import empty_database


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database in a folder that is not there yet; one for all tests, since it takes seconds."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'new' / 'folder' / 'mlflow.db'}"
    MlflowClient(uri).search_experiments()
    return uri


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has nothing but its tables."""
    return empty_database(tmp_path_factory.mktemp("empty"))
