"""Makes the report of a study, of several with a comparison, or of a table of scores.

    python analysis/report.py                 # the study in mlflow.db that began last
    python analysis/report.py demo            # a study by name
    python analysis/report.py demo --tracking-uri http://HOST:5000 --out FOLDER
    python analysis/report.py mbert xlmr      # the report of each study, and their comparison
    python analysis/report.py demo@run-001,run-002  # a later run has added seeds
    python analysis/report.py demo --paper FOLDER   # and figures, tables, method for a paper
    python analysis/report.py scores.parquet  # scores of any trainer, which hybridir infer reads

The page is one file that fetches nothing. The last printed line is its path.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

if __name__ == "__main__":
    # Instead of this script's folder, whose modules would shadow others of the same name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    # It would read the metadata of every installed package for plugins, of which none is used.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import typer

from hybridir import __version__
from hybridir.errors import InputError
from hybridir.runtime.addresses import without_secrets

_TABLES = (".parquet", ".csv", ".csv.gz")


def main(
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of studies; two or more are also compared. A name takes the run begun "
            "last; NAME@run-001,run-002 joins runs that differ in their seeds. Default: the study "
            "begun last. "
            "Or files with scores of any trainer, .parquet or .csv."
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            help="MLflow's address. Default: MLFLOW_TRACKING_URI, else mlflow.db in this folder."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the report. Default: report/ in the study's folder, or FILE-report/."
        ),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log/--no-log", help="Log the report to the study's run in MLflow.")
    ] = True,
    paper: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a paper: figures at column and text width, tables, method, and "
            "paper.tex, which shows them. Default: none."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version, and stop.")
    ] = False,
) -> None:
    """Write the report of a study, of several, or of a table of scores; print the page's path."""
    if version:
        typer.echo(f"hybridir {__version__}")
        return
    # The collector would look through all that is imported and kept, for a twentieth of the time.
    gc.set_threshold(50_000)
    # Not above: MLflow, Altair and SciPy take seconds, which --help need not spend.
    from analysis.paper.write import DOCUMENT
    from analysis.write import write_report, write_reports, write_table_report

    study_names = studies or []
    files = [Path(name) for name in study_names if name.endswith(_TABLES)]
    try:
        if files:
            _check_files(study_names, files, tracking_uri, paper)
            path = write_table_report(files, out)
        elif len(study_names) > 1:
            path = write_reports(study_names, tracking_uri, out, log, paper)
        else:
            name = next(iter(study_names), None)
            path = write_report(name, tracking_uri, out, log, paper=paper)
    except (InputError, OSError) as cause:
        error = InputError.of_file(cause) if isinstance(cause, OSError) else cause
        typer.echo(f"error: {without_secrets(str(error))}", err=True)
        raise typer.Exit(2) from None
    if paper is not None:
        typer.echo(f"paper: {paper / DOCUMENT}")
    typer.echo(path)


def _check_files(
    given: list[str], files: list[Path], tracking_uri: str | None, paper: Path | None
) -> None:
    if others := [name for name in given if Path(name) not in files]:
        raise InputError(
            f"{', '.join(others)}: studies and files with scores cannot be reported together; "
            "name one kind"
        )
    for option, value in (("--tracking-uri", tracking_uri), ("--paper", paper)):
        if value is not None:
            raise InputError(f"{option} {value}: belongs to studies; leave it out for files")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
