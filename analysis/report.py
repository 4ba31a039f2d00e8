"""Makes the report of a study: one HTML file, its figures and its tables.

    python analysis/report.py                 # the study in mlflow.db that began last
    python analysis/report.py demo            # a study by name
    python analysis/report.py demo --tracking-uri http://HOST:5000 --out FOLDER

NOT covered: reports over several studies.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import typer

from analysis.export import export, write
from analysis.load import Study, load_study
from analysis.page import render_page
from analysis.publish import log_report
from analysis.sections import headline_and_sections
from hybridir import names
from hybridir.errors import InputError

_BOOTSTRAP_SEED = 20240819  # any number would do; fixed, so that a report can be repeated


def write_report(
    study_name: str | None,
    tracking_uri: str | None = None,
    out: Path | None = None,
    log: bool = True,
    run_id: str | None = None,
) -> Path:
    """Write the report of a study.

    Args:
        study_name: the study; None takes the one that began last.
        tracking_uri: MLflow's address; None takes ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in
            the working directory.
        out: folder for the report; None takes ``report`` in the study's own folder where that is
            still there, else ``results/<study>/report``.
        log: whether to log the report to the study's run in MLflow.
        run_id: id of the study's run, where there are several under its name.

    Returns:
        The page. Its files are each whole or absent, the page is written last.

    Raises:
        InputError: if there is no such study, or the report cannot be written or logged.
    """
    study = load_study(study_name, tracking_uri, run_id)
    folder = out or _own_folder(study)
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    headlines, sections = headline_and_sections(study, generator)
    page = render_page(study, headlines, sections, _notes(study))
    try:
        files = export(sections, folder)
        path = write(folder / "report.html", page.encode())
    except OSError as error:
        raise InputError(
            f"the report cannot be written to {folder} ({error}): name another folder with --out"
        ) from error
    if log:
        log_report(study, folder, [*files, path])
    return path


def _own_folder(study: Study) -> Path:
    recorded = Path(study.provenance.get(names.TAG_FOLDER, ""))
    there = names.TAG_FOLDER in study.provenance and recorded.is_dir()
    return (recorded if there else Path("results") / study.name) / "report"


def _notes(study: Study) -> list[str]:
    """Say what a reader must know first: contamination, trials that failed, seeds that lack."""
    notes = []
    contamination = study.provenance.get(names.CONTAMINATION, names.NO_CONTAMINATION)
    if contamination != names.NO_CONTAMINATION:
        notes.append(
            "What is reported here was in part trained or tuned on, so these figures are not "
            f"zero-shot: {contamination}."
        )
    trials = study.trials
    for phase, rows in trials[trials["state"] == names.FAIL].groupby("phase"):
        reasons = "; ".join(dict.fromkeys(reason for reason in rows["reason"] if reason))
        notes.append(
            f"{len(rows)} {phase} trial{'s' if len(rows) > 1 else ''} failed "
            f"({', '.join(rows['trial'])}){': ' + reasons if reasons else ''}."
        )
    ended = {names.COMPLETE, names.PRUNED, names.FAIL}
    running = trials[~trials["state"].isin(ended)]
    if len(running):
        notes.append(f"{len(running)} trials had not ended when this report was made.")
    confirmed = trials[(trials["phase"] == names.PHASE_CONFIRM)]
    if len(confirmed):
        complete = confirmed[confirmed["state"] == names.COMPLETE]
        seeds = complete.groupby(names.MIXING_RATIO)[names.SEED].nunique()
        lacking = seeds[seeds < confirmed[names.SEED].nunique()]
        if len(lacking):
            which = ", ".join(f"α = {ratio:g} has {count}" for ratio, count in lacking.items())
            notes.append(
                f"Seeds are missing: {which} of {confirmed[names.SEED].nunique()}. Means are over "
                "the seeds that are there, differences over those that both ratios have."
            )
    return notes


def main(
    study: Annotated[
        str | None, typer.Argument(help="Name of the study; the one that began last if left out.")
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            help="MLflow's address; MLFLOW_TRACKING_URI, else mlflow.db here, if left out."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to; report/ in the study's folder if left out."),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log/--no-log", help="Log the report to the study's run in MLflow.")
    ] = True,
) -> None:
    """Write the report of a study and print where it is."""
    try:
        path = write_report(study, tracking_uri, out, log)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(path)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
