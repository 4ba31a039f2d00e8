"""Makes the report of a study, or of several that it compares: a page, figures and tables.

    python analysis/report.py                 # the study in mlflow.db that began last
    python analysis/report.py demo            # a study by name
    python analysis/report.py demo --tracking-uri http://HOST:5000 --out FOLDER
    python analysis/report.py mbert xlmr      # each study's report, and one that compares them

The page is one file that fetches nothing. The last line that is printed is its path.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import typer

from analysis.page import Page, render_page
from analysis.page.files import export, write
from analysis.sections.all import headline_and_sections, method
from analysis.sections.comparison import Reported, check_comparable, compare
from analysis.sections.method import setup
from analysis.study.data_parts import parts_of
from analysis.study.mlflow import Study, load_study, log_report
from hybridir import names
from hybridir.errors import InputError

_BOOTSTRAP_SEED = 20240819  # any number would do; fixed, so that a report can be repeated
_KEPT = ".scores"  # in the report's folder: what the next report need not read again


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
    return _write_own(load_study(study_name, tracking_uri, run_id), out, log)[1]


def write_reports(
    study_names: list[str],
    tracking_uri: str | None = None,
    out: Path | None = None,
    log: bool = True,
) -> Path:
    """Write the reports of several studies, and one that compares them.

    Args:
        study_names: two or more studies.
        tracking_uri: as for `write_report`.
        out: folder for the comparison, in which every study gets a folder; None takes
            ``results/<studies>/report`` and each study's own place.
        log: whether to log each study's own report to its run in MLflow.

    Returns:
        The page that compares them.

    Raises:
        InputError: if there is no such study, nothing that can be compared, or a report cannot be
            written or logged.
    """
    studies = [load_study(name, tracking_uri) for name in dict.fromkeys(study_names)]
    check_comparable(studies)
    written = [_write_own(study, out / study.name if out else None, log) for study in studies]
    together = " and ".join(study.name for study in studies)
    folder = out or Path("results") / together / names.ARTIFACT_REPORT
    headlines, sections = compare([reported for reported, _ in written])
    page = Page(
        "comparison of studies",
        ", ".join(study.name for study in studies),
        f"Studies: {len(studies)}, trials: {sum(len(study.trials) for study in studies)}",
        headlines,
        [f"{study.name}: {note}" for study in studies for note in _notes(study)],
        sections,
        [
            (f"{reported.study.name}: the whole report", os.path.relpath(path, folder))
            for reported, path in written
        ],
        [(what, f"{study.name}: {value}") for study in studies for what, value in _short(study)],
        "",
    )
    return _write(page, folder)[-1]


def _write_own(study: Study, out: Path | None, log: bool) -> tuple[Reported, Path]:
    folder = out or _own_folder(study)
    study = replace(study, kept=folder / _KEPT)
    generator = np.random.default_rng(_BOOTSTRAP_SEED)
    reported = Reported(study, *headline_and_sections(study, generator))
    page = Page(
        "study report",
        study.name,
        f"Begun {study.started:%d %B %Y}, trials: {len(study.trials)}",
        reported.headlines,
        _notes(study),
        reported.sections,
        [],
        [*method(study), *setup(study)],
        study.text,
    )
    files = _write(page, folder)
    if log:
        log_report(study, folder, files)
    return reported, files[-1]


def _write(page: Page, folder: Path) -> list[Path]:
    """Write a page and its files, the page last."""
    rendered = render_page(page)
    try:
        files = export(page.title, page.sections, folder)
        return [*files, write(folder / "report.html", rendered.encode())]
    except OSError as error:
        raise InputError(
            f"the report cannot be written to {folder} ({error}): name another folder with --out"
        ) from error


def _short(study: Study) -> list[tuple[str, str]]:
    """What tells one study's method from another's."""
    return [
        ("MLflow run", f"{study.run_id} in {study.tracking_uri}"),
        *((what, value) for what, value in study.provenance.items() if "data set" in what),
        *setup(study),
    ]


def _own_folder(study: Study) -> Path:
    recorded = Path(study.provenance.get(names.TAG_FOLDER, ""))
    there = names.TAG_FOLDER in study.provenance and recorded.is_dir()
    return (recorded if there else Path("results") / study.name) / names.ARTIFACT_REPORT


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
    parts = parts_of(confirmed)
    if parts:
        n_parts = len(set(parts.values()))
        notes.append(
            f"The training data were dealt into {n_parts} parts without a passage in common, and "
            f"each part trained {len(parts) // n_parts} encoders of every ratio. A seed stands "
            "here for one part, over whose encoders the mean is taken first: intervals and tests "
            "speak of other data of the size of a part, other training seeds and other questions."
        )
    if len(confirmed):
        complete = confirmed[confirmed["state"] == names.COMPLETE]
        seeds = complete.groupby(names.MIXING_RATIO)[names.SEED].nunique()
        lacking = seeds[seeds < confirmed[names.SEED].nunique()]
        if len(lacking):
            ratios = lacking.index.to_series().map("{:g}".format).groupby(lacking)
            which = "; ".join(
                f"α = {', '.join(of_count)} {'have' if len(of_count) > 1 else 'has'} {count}"
                for count, of_count in ratios
            )
            notes.append(
                f"Seeds are missing: {which} of {confirmed[names.SEED].nunique()}. Means are over "
                "the seeds that are there, differences over those that both ratios have."
            )
    return notes


def main(
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names of studies; several are compared as well, none is the one begun last."
        ),
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
    """Write the report of a study, or of several and their comparison; print where it is."""
    try:
        several = studies or []
        if len(several) > 1:
            path = write_reports(several, tracking_uri, out, log)
        else:
            path = write_report(next(iter(several), None), tracking_uri, out, log)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(path)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
