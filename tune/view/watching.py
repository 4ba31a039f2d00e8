"""The commands and addresses that show a study while it runs, and after it."""

from tune.folders import RunFolder

_LOCAL = "http://127.0.0.1:5000"  # where `mlflow ui` listens unless it is told otherwise


def watching(folder: RunFolder, study: str, uri: str, view: str, *, search: bool) -> list[str]:
    """Lines that say how to look on.

    Args:
        folder: of the run.
        study: its name.
        uri: MLflow tracking URI.
        view: page below MLflow's address with the study's charts; empty if it is not there yet.
        search: whether the study has a search.
    """
    lines = [f"tracking: {uri}", *mlflow_lines(uri, view)]
    if search:
        lines.append(f"search:   optuna-dashboard {folder.journal}")
    storage = folder.path.parent.parent
    elsewhere = "" if str(storage) == "results" else f" --storage {storage}"
    return [*lines, f"status:   python tune/run_sweep.py --status {study}{elsewhere}"]


def mlflow_lines(uri: str, view: str) -> list[str]:
    """The command that opens a database, and the address of the study's charts.

    Args:
        uri: MLflow tracking URI.
        view: page below MLflow's address; empty if it is not known.
    """
    local = uri.startswith("sqlite:///")
    lines = [f"          mlflow ui --backend-store-uri {uri}"] if local else []
    if view:
        lines.append(f"charts:   {_LOCAL if local else uri.rstrip('/')}{view}")
    return lines
