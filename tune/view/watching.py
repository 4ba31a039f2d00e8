"""Commands and addresses that show a study during and after its run."""

from hybridir.runtime.commands import script, tool
from tune.folders import RunFolder

# MLFLOW_HOST in a user's shell would open the page to others, so commands name the address.
_LOCAL = "http://127.0.0.1:5000"


def watch_lines(folder: RunFolder, uri: str, view: str, *, search: bool) -> list[str]:
    """Lines with the commands and addresses that show a study.

    Args:
        folder: run folder of the study.
        uri: MLflow tracking URI.
        view: page below MLflow's address with the study's charts; "" if it does not exist yet.
        search: whether the study has a search.
    """
    lines = [f"tracking: {uri}", *mlflow_lines(uri, view)]
    if search:
        lines.append(search_line(folder))
    return [*lines, f"status:   {run_sweep('--status', folder)}"]


def resume_command(folder: RunFolder) -> str:
    """The command that continues a run."""
    return run_sweep("--resume", folder)


def unfinished_note(folder: RunFolder) -> str:
    """A line about an earlier run that does not end by this start; "" about a complete one."""
    if folder.finished:
        return ""
    if folder.is_locked:
        return f"note: {folder.path} is running as well, by another process"
    return f"note: {folder.path} is unfinished; it is continued with: {resume_command(folder)}"


def run_sweep(option: str, folder: RunFolder) -> str:
    """A command about a run, with the option that names another storage than the default."""
    elsewhere = () if str(folder.storage) == "results" else ("--storage", str(folder.storage))
    return script("tune/run_sweep.py", option, folder.label, *elsewhere)


def search_line(folder: RunFolder) -> str:
    """The line with the command that shows a search."""
    name = "optuna-dashboard"
    return f"search:   {tool(name, str(folder.journal), package=name)}"


def mlflow_lines(uri: str, view: str) -> list[str]:
    """The command that opens a database, and the address of the study's charts.

    Args:
        uri: MLflow tracking URI.
        view: page below MLflow's address; "" if unknown.
    """
    local = uri.startswith("sqlite:///")
    command = tool("mlflow", "ui", "--host", "127.0.0.1", "--backend-store-uri", uri)
    lines = [f"          {command}"] if local else []
    if view:
        lines.append(f"charts:   {_LOCAL if local else uri.rstrip('/')}{view}")
    return lines
