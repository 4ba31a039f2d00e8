"""What ``--resume`` says about a study that is complete; nothing is changed."""

from datetime import UTC, datetime

from hybridir.runtime.commands import script
from tune.folders import RunFolder
from tune.record.store import closed_run
from tune.view.watching import run_sweep


def complete_lines(folder: RunFolder, study: str) -> list[str]:
    """Lines about a complete study; empty if something is left to do.

    Something is left if the study has trials to run, a report to write, or a record in MLflow that
    was lost or is another folder's.

    Args:
        folder: run folder of the study.
        study: name of the study.
    """
    page = folder.report / "report.html"
    if not folder.finished:
        return []
    recorded = closed_run(folder)
    if recorded is False:
        return []
    moment = folder.finished_at
    since = f" since {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC" if moment else ""
    again = script("analysis/report.py", f"{study}@{folder.path.name}")
    lines = [
        f"study {study} in {folder.path} is complete{since}, with {len(folder.trials())} trials; "
        "nothing was changed",
        f"new run:  {script('tune/run_sweep.py', str(folder.study_file))}",
        f"disk:     {run_sweep('--clean', folder)}",
        f"report:   {page if page.is_file() else again}",
    ]
    if recorded is None:
        lines.insert(1, "note: its tracking server does not answer, so its record was not checked")
    return lines
