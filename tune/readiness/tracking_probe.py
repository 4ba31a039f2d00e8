"""Checks that MLflow can be written to; otherwise gives the reason and the remedy.

A run is written to a server and read back through MLflow's own client. A SQLite file belongs to
the driver alone; any other process that opened it would fail with "database is locked".
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

# Report an unresponsive server within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hybridir import names

_SQLITE = "sqlite:///"
_VALUE = 1.0


def is_server(uri: str) -> bool:
    """Whether other machines can reach the tracking at this address."""
    return uri.startswith(("http://", "https://"))


def driver_problem(uri: str) -> str:
    """Why the driver cannot record a study at this address; "" if it can."""
    if uri.startswith(_SQLITE):
        return _sqlite_problem(Path(uri.removeprefix(_SQLITE).partition("?")[0]))
    if "://" not in uri or uri.startswith("file:"):
        return (
            f"{uri}: MLflow no longer writes to folders; "
            "use sqlite:///mlflow.db or the address of a server"
        )
    return server_problem(uri)


def server_problem(uri: str) -> str:
    """Write a run to a server, read it back, and delete it.

    Returns:
        "" on success, else the problem and its remedy.
    """
    try:
        client = MlflowClient(uri)
        run = client.create_run(_experiment(client), run_name="preflight").info.run_id
        try:
            client.log_metric(run, "preflight", _VALUE)
            read = client.get_run(run).data.metrics.get("preflight")
        finally:
            client.delete_run(run)
    except (MlflowException, OSError) as error:
        return _explained(uri, str(error))
    return "" if read == _VALUE else f"{uri}: wrote {_VALUE} and read {read} back"


def _experiment(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name(names.EXPERIMENT)
    if experiment is None:
        try:
            return str(client.create_experiment(names.EXPERIMENT))
        except MlflowException:
            # All nodes call a new server at once, and another node may have been faster.
            experiment = client.get_experiment_by_name(names.EXPERIMENT)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def _explained(uri: str, error: str) -> str:
    host = urlsplit(uri).netloc
    for sign, text in {
        "Invalid Host header": f"refuses the name {host} (403, Invalid Host header); start it "
        f"with --allowed-hosts {host} (or MLFLOW_SERVER_ALLOWED_HOSTS) in addition to its other "
        "names",
        "error code 401": "requires authentication (401); set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, on the driver and every node",
        "error code 403": "forbids access (403); check its permissions and any proxy",
        "Connection refused": "refuses the connection: no server is running, or it listens on "
        "127.0.0.1 alone; start it with --host 0.0.0.0",
        "Failed to resolve": f"is unknown: the name {host} cannot be resolved; use an address "
        "that every node can resolve",
        "timed out": "does not answer: a firewall or security group may block the port",
        "certificate": "has a certificate that is not trusted; "
        "set MLFLOW_TRACKING_SERVER_CERT_PATH",
    }.items():
        if sign in error:
            return f"{uri} {text}"
    return f"{uri}: {error.splitlines()[0]}"


def _sqlite_problem(path: Path) -> str:
    folder = path.absolute().parent
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        return f"{path}: {existing} is not a writable folder; name another database"
    if existing != folder:
        return f"{path}: the folder {folder} does not exist; create it or name another database"
    if path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=20)) as database:
                database.execute("BEGIN IMMEDIATE")
                database.rollback()
        except sqlite3.Error as error:
            return (
                f"{path} cannot be written to ({error}); if another program uses it, wait until "
                "it ends, or name another database"
            )
    return ""
