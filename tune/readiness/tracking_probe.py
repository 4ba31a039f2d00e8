"""Checks that MLflow can be written to; otherwise gives the reason and the remedy.

A run is written and read back through MLflow's own client, in a server by every node, in a SQLite
file by the driver alone: any other process that opened it would fail with "database is locked". A
file that does not exist yet is created last of all (`store_problem`), when all else is fine.
"""

import re
import shlex
import sqlite3
import tempfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from filelock import Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store import db_migrations
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from hybridir import names
from hybridir.errors import mend
from hybridir.runtime.addresses import without_secrets
from hybridir.runtime.commands import python, tool
from hybridir.runtime.files import refusal
from tune.record.address import database_file
from tune.record.store import ARTIFACTS, experiment_of, foreign_tables, open_store

_PROBE, _VALUE = "preflight", 1.0
_RESTORED = (
    f"attributes.run_name = '{_PROBE}' and attributes.status = 'FINISHED' "
    f"and metrics.{_PROBE} = {_VALUE}"
)
_SCHEMA = re.compile(r"out-of-date database schema \(found version (\w+)")
_EXTRA = "'mlflow[auth]'"
_UNKNOWN_SCHEMA = "Can't locate revision"
# Signs of a server that is being started, or of a network that is down.
_PASSING = (
    "Connection refused",
    "Failed to resolve",
    "timed out",
    "error code 502",
    "error code 503",
    "error code 504",
    "database is locked",
)


class Problem(NamedTuple):
    """Why MLflow cannot be written to.

    Attributes:
        text: reason and remedy; "" if it can.
        passes: whether it may heal by itself, such as a server that is restarted.
    """

    text: str = ""
    passes: bool = False


def is_server(uri: str) -> bool:
    """Whether other machines can reach the tracking at this address."""
    return uri.startswith(("http://", "https://"))


def is_loopback(uri: str) -> bool:
    """Whether the address is that of a server which only its own machine can reach."""
    return urlsplit(uri).hostname in ("localhost", "127.0.0.1", "::1")


def driver_problem(uri: str) -> Problem:
    """Find why the driver cannot record a study at this address; nothing is created."""
    path = database_file(uri)
    if path:
        problem = _file_problem(path)
        there = path.exists()
        return problem if problem.text or not there else store_problem(uri, artifacts=True)
    if "://" not in uri or uri.startswith("file:"):
        return Problem(
            f"{uri}: MLflow no longer writes to folders; "
            "use sqlite:///mlflow.db or the address of a server, http://HOST:5000"
        )
    if not is_server(uri):
        return Problem(
            f"{without_secrets(uri)}: the driver writes to a server, http://HOST:5000, or to a "
            "file, sqlite:///mlflow.db; for another database start a server: "
            + tool("mlflow", "server", "--host", "127.0.0.1", "--backend-store-uri", "ADDRESS")
        )
    return store_problem(uri, artifacts=True)


def store_problem(uri: str, artifacts: bool = False) -> Problem:
    """Write a run to a store, read it back, and delete it; a new database file is created.

    Args:
        uri: MLflow tracking URI.
        artifacts: whether to do the same with an artifact; only the driver writes any.
    """
    try:
        client = open_store(uri)
        experiment = experiment_of(client, uri)
        if client.get_experiment(experiment).lifecycle_stage == "deleted":
            restore = tool("mlflow", "experiments", "restore", "--experiment-id", experiment)
            return Problem(
                f"{uri}: its experiment {names.EXPERIMENT} was deleted in MLflow and takes no run "
                f"until it is restored: MLFLOW_TRACKING_URI={shlex.quote(uri)} {restore}"
            )
        return _write_and_read(client, experiment, uri, artifacts)
    except (MlflowException, OSError, Timeout) as error:
        return _explained(uri, error)


def _write_and_read(client: MlflowClient, experiment: str, uri: str, artifacts: bool) -> Problem:
    # The restoration of a deleted experiment has brought back the runs of earlier checks.
    for restored in client.search_runs([experiment], _RESTORED):
        client.delete_run(restored.info.run_id)
    run = client.create_run(experiment, run_name=_PROBE).info
    try:
        client.log_metric(run.run_id, _PROBE, _VALUE)
        read = client.get_run(run.run_id).data.metrics.get(_PROBE)
        if read != _VALUE:
            return Problem(f"{uri}: wrote {_VALUE} and read {read} back")
        return _artifact_problem(uri, run.artifact_uri) if artifacts else Problem()
    finally:
        client.set_terminated(run.run_id)
        client.delete_run(run.run_id)


def _artifact_problem(uri: str, address: str) -> Problem:
    """Write an artifact, read it back, and delete it, as MLflow's client does."""
    try:
        store = get_artifact_repository(address, tracking_uri=uri)
        with tempfile.TemporaryDirectory() as folder:
            written, read = Path(folder) / _PROBE, Path(folder) / "read"
            written.write_text(_PROBE)
            read.mkdir()
            store.log_artifact(str(written))
            same = Path(store.download_artifacts(_PROBE, str(read))).read_text() == _PROBE
            store.delete_artifacts(_PROBE)
    except Exception as error:  # each kind of store has its own errors
        text, passes = _explained(uri, error)
        return Problem(f"artifacts, {without_secrets(address)}: {text}", passes)
    return Problem() if same else Problem(f"artifacts, {address}: another text was read back")


def _explained(uri: str, cause: Exception) -> Problem:
    if isinstance(cause, OSError) and cause.filename:
        return Problem(f"{cause.filename}: {cause.strerror}; {mend(cause, Path(cause.filename))}")
    if isinstance(cause, ImportError):
        return Problem(f"{cause}; install it: python -m pip install {cause.name}")
    host, error = urlsplit(uri).netloc, without_secrets(str(cause))
    if (found := _SCHEMA.search(error)) and not _is_known(found[1]):
        error = _UNKNOWN_SCHEMA  # MLflow calls it out of date as well
    path = database_file(uri)
    for sign, text in {
        "Invalid Host header": f"refuses the name {host} (403, Invalid Host header); start it "
        f"with --allowed-hosts {host} (or MLFLOW_SERVER_ALLOWED_HOSTS) in addition to its other "
        "names",
        "error code 401": "requires authentication (401); set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, on the driver and every node",
        "error code 403": "forbids access (403); check its permissions and any proxy",
        "Connection refused": "refuses the connection: no server is running, or it listens on "
        "127.0.0.1 alone; for other machines start one with a password of 12 letters or more, and "
        f"a key of your choice: {_server_with_password()}",
        "Failed to resolve": f"is unknown: the name {host} cannot be resolved; use an address "
        "that every node can resolve",
        "timed out": "does not answer: a firewall or security group may block the port",
        "certificate": "has a certificate that is not trusted; "
        "set MLFLOW_TRACKING_SERVER_CERT_PATH",
        "database or disk is full": f"has no room left: free some on {path and path.parent}, or "
        "name another database",
        "file lock": "is held by another study, which prepares it: start again when that one has "
        "begun its trials",
        "readonly database": "is read-only: make it and its folder writable, or name another "
        "database",
        "malformed": f"is damaged: move it away (mv {path} {path}.damaged); --resume writes a new "
        "one from the study's folder",
        "Unable to locate credentials": "lets the driver write to S3 itself, and no credentials "
        "are set; start the server with --serve-artifacts, or set AWS_PROFILE",
        "out-of-date database schema": "was written by an older MLflow; copy the file, then bring "
        f"it up to date: {tool('mlflow', 'db', 'upgrade', uri)}",
        _UNKNOWN_SCHEMA: "was written by a newer MLflow; install that version, or name "
        "another database",
    }.items():
        if sign in error:
            return Problem(f"{uri} {text}", passes=sign in _PASSING)
    passes = any(sign in error for sign in _PASSING)
    return Problem(f"{uri}: {(error.splitlines() or ['no answer'])[0]}", passes)


def _server_with_password() -> str:
    """The command, with what MLflow asks for; `make install` leaves the extra out."""
    server = tool("mlflow", "server", "--app-name", "basic-auth", "--host", "ADDRESS")
    has_extra = find_spec("flask_wtf") is not None
    return (
        f"{'' if has_extra else f'{python()} -m pip install {_EXTRA} && '}"
        f"MLFLOW_AUTH_ADMIN_PASSWORD=PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY=KEY {server}"
    )


def _is_known(version: str) -> bool:
    """Whether the installed MLflow knows a version of its tables."""
    versions = Path(db_migrations.__file__).parent / "versions"
    return any(versions.glob(f"{version}_*.py"))


def _file_problem(path: Path) -> Problem:
    folder = path.parent
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        return Problem(f"{path}: {existing} is not a folder; name another database")
    if existing != folder:
        return Problem(
            f"{path}: the folder {folder} does not exist; create it (mkdir -p "
            f"{shlex.quote(str(folder))}) or name another database"
        )
    artifacts = folder / ARTIFACTS
    # SQLite's own messages name neither the file nor what is wrong with it.
    for written in (folder, path, path.with_name(f".{path.name}.lock"), artifacts):
        if written.exists() and (problem := refusal(written)):
            return Problem(problem)
    if artifacts.exists() and not artifacts.is_dir():
        return Problem(f"{artifacts} is not a folder; move it, or name another database")
    if not path.exists():
        return Problem()
    try:
        with closing(sqlite3.connect(path, timeout=20)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()
        if foreign_tables(path):
            return Problem(
                f"{path} holds another program's tables; name a database of its own for MLflow"
            )
    except sqlite3.Error as error:
        return Problem(
            f"{path} cannot be written to ({error}); if another program uses it, wait until it "
            "ends, or name another database",
            passes="locked" in str(error),
        )
    return Problem()
