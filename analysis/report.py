"""Makes the report of a study, or of several studies with a comparison: a page, figures, tables.

    python analysis/report.py                 # the study in mlflow.db that began last
    python analysis/report.py demo            # a study by name
    python analysis/report.py demo --tracking-uri http://HOST:5000 --out FOLDER
    python analysis/report.py mbert xlmr      # the report of each study, and their comparison
    python analysis/report.py demo --paper FOLDER   # and figures, tables, method for a paper

The page is one file that fetches nothing. The last printed line is its path.
"""

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

from hybridir.errors import InputError


def main(
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of studies; two or more are also compared. Default: the one begun last."
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
        typer.Option(help="Folder of the report. Default: report/ in the study's folder."),
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
) -> None:
    """Write the report of a study, or of several and their comparison; print the page's path."""
    # Not above: MLflow, Altair and SciPy take seconds, which --help need not spend.
    from analysis.paper.write import DOCUMENT
    from analysis.write import write_report, write_reports

    try:
        study_names = studies or []
        if len(study_names) > 1:
            path = write_reports(study_names, tracking_uri, out, log, paper)
        else:
            name = next(iter(study_names), None)
            path = write_report(name, tracking_uri, out, log, paper=paper)
    except (InputError, OSError) as cause:
        error = InputError.of_file(cause) if isinstance(cause, OSError) else cause
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    if paper is not None:
        typer.echo(f"paper: {paper / DOCUMENT}")
    typer.echo(path)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
