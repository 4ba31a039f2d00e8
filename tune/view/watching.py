"""Commands and addresses that show a study during and after its run."""

import shlex
import sys

from tune.folders import RunFolder

# MLFLOW_HOST in a user's shell would open the page to others, so commands name the address.
_LOCAL = "http://127.0.0.1:5000"


def watch_lines(folder: RunFolder, study: str, uri: str, view: str, *, search: bool) -> list[str]:
    """Lines with the commands and addresses that show a study.

    Args:
        folder: run folder of the study.
        study: name of the study.
        uri: MLflow tracking URI.
        view: page below MLflow's address with the study's charts; "" if it does not exist yet.
        search: whether the study has a search.
    """
    lines = [f"tracking: {uri}", *mlflow_lines(uri, view)]
    if search:
        lines.append(f"search:   optuna-dashboard {shlex.quote(str(folder.journal))}")
    command = f"python tune/run_sweep.py --status {study}{storage_option(folder)}"
    return [*lines, f"status:   {command}"]


def resume_command(study: str, folder: RunFolder) -> str:
    """The command that continues a study, as this process was called."""
    return f"python {shlex.quote(sys.argv[0])} --resume {study}{storage_option(folder)}"


def storage_option(folder: RunFolder) -> str:
    """Option that commands about a run need; "" for the default storage."""
    storage = folder.path.parent.parent
    return "" if str(storage) == "results" else f" --storage {shlex.quote(str(storage))}"


def mlflow_lines(uri: str, view: str) -> list[str]:
    """The command that opens a database, and the address of the study's charts.

    Args:
        uri: MLflow tracking URI.
        view: page below MLflow's address; "" if unknown.
    """
    local = uri.startswith("sqlite:///")
    command = f"mlflow ui --host 127.0.0.1 --backend-store-uri {shlex.quote(uri)}"
    lines = [f"          {command}"] if local else []
    if view:
        lines.append(f"charts:   {_LOCAL if local else uri.rstrip('/')}{view}")
    return lines
