"""Writes the report of a study, of several with a comparison, or of a table of scores."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.page import Page, render_page, vega
from analysis.page.files import write_file, write_files
from analysis.paper.write import write_paper
from analysis.sections.all import StudyTables, measure_study, study_sections
from analysis.sections.comparison import check_comparable, compare
from analysis.sections.method import method_rows, setup_rows, table_method_rows
from analysis.sections.scores_table import table_sections
from analysis.sections.wording import listed
from analysis.study.data_parts import data_part_of_seed
from analysis.study.join import load_runs
from analysis.study.mlflow import DATA_SET, Study, load_study, log_report
from analysis.study.scores_file import write_scores
from analysis.tables import confirmed
from hybridir import names
from hybridir.cli.scores_files import write_by_cluster
from hybridir.cli.scores_table import read_scores
from hybridir.errors import InputError
from hybridir.runtime.files import check_folder

_BOOTSTRAP_SEED = 20240819  # an arbitrary number, fixed so that a report can be repeated
_MOST_NAMED = 4  # trials, reasons or conditions that a note names; the tables have all
_MOST_SCORES = 50_000_000  # rows; the table of more would take a minute, and who could open it
_CACHE = ".scores"  # in the report's folder; arrays that the next report need not read again


def write_report(
    study_name: str | None,
    tracking_uri: str | None = None,
    out: Path | None = None,
    log: bool = True,
    run_id: str | None = None,
    paper: Path | None = None,
) -> Path:
    """Write the report of a study.

    Args:
        study_name: the study, possibly with some of its runs, see `analysis.study.join`; None
            takes the one that began last.
        tracking_uri: MLflow's address; None takes ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in
            the working directory.
        out: folder of the report; None takes ``report`` in the study's own folder if that still
            exists, else ``results/<study>/report``.
        log: whether to log the report to the study's run in MLflow.
        run_id: id of the study's run, to choose among several runs of that name.
        paper: folder for what a paper takes from the report, see `analysis.paper.write`; None
            for none.

    Returns:
        The page. It is written last, and every file is whole or absent.

    Raises:
        InputError: if there is no such study, or the report cannot be written or logged.
    """
    _check_folders(out, paper)
    if study_name is None or run_id is not None:
        study = load_study(study_name, tracking_uri, run_id)
    else:
        study = load_runs(study_name, tracking_uri)
    tables, page, path = _write_study_report(study, out, log)
    if paper is not None:
        _write_paper(page, [tables], paper)
    return path


def write_reports(
    study_names: list[str],
    tracking_uri: str | None = None,
    out: Path | None = None,
    log: bool = True,
    paper: Path | None = None,
) -> Path:
    """Write the reports of several studies, and their comparison.

    Args:
        study_names: two or more studies, possibly with some of their runs.
        tracking_uri: as for `write_report`.
        out: folder of the comparison, with a folder for each study in it; None takes
            ``results/<studies>/report``, and each study's own folder.
        log: whether to log each study's own report to its run in MLflow.
        paper: folder for what a paper takes from the comparison; None for none.

    Returns:
        The page of the comparison.

    Raises:
        InputError: if there is no such study, the studies cannot be compared, or a report cannot
            be written or logged.
    """
    _check_folders(out, paper)
    studies = [load_runs(name, tracking_uri) for name in dict.fromkeys(study_names)]
    check_comparable(studies)
    reports = [
        _write_study_report(study, out / study.name if out else None, log) for study in studies
    ]
    joined_names = " and ".join(study.name for study in studies)
    folder = out or Path("results") / joined_names / names.ARTIFACT_REPORT
    headlines, sections = compare([tables for tables, _, _ in reports])
    page = Page(
        "comparison of studies",
        ", ".join(study.name for study in studies),
        f"Studies: {len(studies)}, trials: {sum(len(study.trials) for study in studies)}",
        headlines,
        [f"{study.name}: {note}" for study in studies for note in _notes(study)],
        sections,
        [
            (f"{tables.study.name}: the whole report", os.path.relpath(path, folder))
            for tables, _, path in reports
        ],
        [
            (term, f"{study.name}: {description}")
            for study in studies
            for term, description in _short_method(study)
        ],
        "",
    )
    path = _write(page, folder)[-1]
    if paper is not None:
        _write_paper(page, [tables for tables, _, _ in reports], paper)
    return path


def write_table_report(files: list[Path], out: Path | None = None) -> Path:
    """Write the report of a table of scores, from any trainer.

    Args:
        files: files of the table, see `hybridir.cli.scores_table`; rows of several files that
            name one study belong together.
        out: folder of the report; None takes one beside the first file.

    Returns:
        The page.

    Raises:
        InputError: if the table cannot be used, or the report cannot be written.
    """
    folder = out or files[0].with_name(f"{files[0].name.partition('.')[0]}-report")
    check_folder("--out", folder)
    studies = list(read_scores(*files))
    vega.begin()
    headlines, sections = table_sections(studies, np.random.default_rng(_BOOTSTRAP_SEED))
    named = [study.name for study in studies]
    page = Page(
        "scores report",
        ", ".join(named),
        "From a table of scores",
        headlines,
        [
            f"{study.name}: {note[:1].upper()}{note[1:]}."
            for study in studies
            for note in study.notes
        ],
        sections,
        [],
        table_method_rows(files),
        "",
    )
    return _write(page, folder)[-1]


def _check_folders(out: Path | None, paper: Path | None) -> None:
    """Refuse a folder that cannot be written to before the analysis, which may take minutes."""
    for option, folder in (("--out", out), ("--paper", paper)):
        if folder is not None:
            check_folder(option, folder)


def _write_paper(page: Page, studies: list[StudyTables], folder: Path) -> None:
    try:
        write_paper(page, studies, folder)
    except OSError as error:
        raise InputError(
            f"files for a paper cannot be written to {folder} ({error}): name another folder with "
            "--paper"
        ) from error


def _write_study_report(
    study: Study, out: Path | None, log: bool
) -> tuple[StudyTables, Page, Path]:
    """Write the report of a study; return its results, its page, and the path of the page."""
    vega.begin()
    folder = out or _default_folder(study)
    study = replace(study, cache_folder=folder / _CACHE)
    tables, page = study_page(study)
    files = _write(page, folder)
    if tables.benchmarks:
        try:
            files[:0] = _write_scores(study, tables, folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
    if log and not study.runs:  # that of joined runs belongs to none of them
        log_report(study, folder, files)
    return tables, page, files[-1]


def _write_scores(study: Study, tables: StudyTables, folder: Path) -> list[Path]:
    """Write the scores by cluster, and those of every question unless they are too many."""
    several = len(tables.benchmarks) > 1
    named = {
        f"{study.name} on {one.benchmark}" if several else study.name: one
        for one in tables.benchmarks
    }
    primary = {name: study.settings.primary_of(one.benchmark) for name, one in named.items()}
    by_cluster = folder / names.ARTIFACT_BY_CLUSTER
    reduced = (
        one.by_cluster.assign(**{names.STUDY: name})
        for name, one in named.items()
        if one.by_cluster is not None
    )
    write_by_cluster(by_cluster, reduced, primary)
    scores = folder / names.ARTIFACT_SCORES
    if sum(one.n_scores for one in tables.benchmarks) > _MOST_SCORES:
        scores.unlink(missing_ok=True)  # that of an earlier report
        return [by_cluster]
    # One after the other, since the scores of several take their room in memory.
    conditions = (
        (name, confirmed.confirmed_conditions(study, one.benchmark)) for name, one in named.items()
    )
    write_scores(scores, conditions, confirmed.trained_at(study), primary)
    return [scores, by_cluster]


def study_page(study: Study) -> tuple[StudyTables, Page]:
    """Analyse a study, and lay out its report.

    Args:
        study: the study.

    Returns:
        All results, and the page, which draws its figures when it is rendered.
    """
    tables = measure_study(study, np.random.default_rng(_BOOTSTRAP_SEED))
    headlines, sections = study_sections(tables)
    page = Page(
        "study report",
        study.name,
        f"Started {study.started:%d %B %Y}, trials: {len(study.trials)}",
        headlines,
        _notes(study),
        sections,
        [],
        method_rows(study),
        study.text,
    )
    return tables, page


def _write(page: Page, folder: Path) -> list[Path]:
    """Write a page and its files, the page last."""
    html = render_page(page)
    try:
        files = write_files(page, folder)
        return [*files, write_file(folder / "report.html", html.encode())]
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"the report cannot be written to {folder} ({error}): name another folder with --out"
    )


def _short_method(study: Study) -> list[tuple[str, str]]:
    """List the part of the method that differs between studies."""
    provenance = study.provenance.items()
    return [
        ("MLflow run", f"{study.run_id} in {study.tracking_uri}"),
        *((term, description) for term, description in provenance if term.startswith(DATA_SET)),
        *setup_rows(study),
    ]


def _default_folder(study: Study) -> Path:
    recorded = study.provenance.get(names.TAG_FOLDER)
    # Relative to a database file, so that a copy of both has its own report.
    if recorded is not None and (folder := study.below_database(recorded)).is_dir():
        return folder / names.ARTIFACT_REPORT
    return Path("results") / study.name / names.ARTIFACT_REPORT


def _notes(study: Study) -> list[str]:
    """Write the warnings that come first on the page."""
    trials = study.trials
    curve_trials = trials[trials["phase"] == names.PHASE_CONFIRM]
    return [
        *_runs_note(study),
        *_contamination_note(study),
        *_judgements_notes(study),
        *_failure_notes(trials),
        *_cluster_notes(study),
        *_missing_conditions_note(study),
        *_data_parts_note(curve_trials),
        *_missing_seeds_note(study, curve_trials),
    ]


def _runs_note(study: Study) -> list[str]:
    if not study.runs:
        return []
    return [
        f"The runs {', '.join(study.runs)} are joined: they differ in their seeds alone. The "
        "study file below is that of the first."
    ]


def _contamination_note(study: Study) -> list[str]:
    contamination = study.provenance.get(names.CONTAMINATION, names.NO_CONTAMINATION)
    if contamination == names.NO_CONTAMINATION:
        return []
    return [
        "Part of the reported benchmarks was used for training or tuning, so these figures are "
        f"not zero-shot: {contamination}."
    ]


def _judgements_notes(study: Study) -> list[str]:
    """What was met in the files of the benchmarks, and how it counts."""
    return [
        f"In the files of {key.removeprefix(names.JUDGEMENTS)}: {judgements}."
        for key, judgements in study.provenance.items()
        if key.startswith(names.JUDGEMENTS)
    ]


def _failure_notes(trials: pd.DataFrame) -> list[str]:
    notes = []
    for phase, rows in trials[trials["state"] == names.FAIL].groupby("phase"):
        reasons = listed([*dict.fromkeys(filter(None, rows["reason"]))], _MOST_NAMED)
        notes.append(
            f"{len(rows)} {phase} trial{'s' if len(rows) > 1 else ''} failed "
            f"({listed([*rows['trial']], _MOST_NAMED)}){': ' + reasons if reasons else ''}."
        )
    unfinished = trials[~trials["state"].isin({names.COMPLETE, names.PRUNED, names.FAIL})]
    if len(unfinished):
        notes.append(f"{len(unfinished)} trials had not ended when this report was made.")
    return notes


def _cluster_notes(study: Study) -> list[str]:
    """Say if the per-query tables are of a version that recorded no clusters."""
    notes = []
    for benchmark in confirmed.reported_benchmarks(study):
        recorded = confirmed.records_clusters(study, benchmark)
        if recorded is False:
            notes.append(
                f"The scores on {benchmark} were recorded by an older version, which did not name "
                "the article or other cluster of a question. Questions count as independent here, "
                "so that intervals are too narrow where they are not. Run the study again for "
                "intervals by cluster."
            )
    return notes


def _missing_conditions_note(study: Study) -> list[str]:
    rows = confirmed.confirmed_trials(study)
    if rows.empty:
        return []
    missing = confirmed.missing_conditions(study, rows)
    if not missing:
        return []
    return [
        f"Conditions without a trial of every mixing ratio are left out of all means: "
        f"{listed(missing, _MOST_NAMED)}."
    ]


def _data_parts_note(curve_trials: pd.DataFrame) -> list[str]:
    parts = data_part_of_seed(curve_trials)
    if not parts:
        return []
    n_parts = len(set(parts.values()))
    return [
        f"The training data were split into {n_parts} parts that have no passage in common, and "
        f"each part trained {len(parts) // n_parts} encoders of every ratio. A seed in this "
        "report stands for a part, averaged over its encoders. Intervals and tests therefore "
        "generalise to other data of the size of a part, other training seeds and other questions."
    ]


def _missing_seeds_note(study: Study, curve_trials: pd.DataFrame) -> list[str]:
    if curve_trials.empty:
        return []
    n_seeds = curve_trials[names.SEED].nunique()
    complete = curve_trials[curve_trials["state"] == names.COMPLETE]
    crossed = list(confirmed.design_of(study, complete).crossed)
    by_point = complete.groupby([names.MIXING_RATIO, *crossed])[names.SEED].nunique()
    seeds = by_point.groupby(names.MIXING_RATIO).min()
    incomplete = seeds[seeds < n_seeds]
    if incomplete.empty:
        return []
    ratios = incomplete.index.to_series().map("{:g}".format).groupby(incomplete)
    clauses = "; ".join(
        f"α = {', '.join(same_count)} {'have' if len(same_count) > 1 else 'has'} {count}"
        for count, same_count in ratios
    )
    return [
        f"Seeds are missing: {clauses} of {n_seeds}. Means are over the seeds of each ratio, "
        "differences over the seeds that both ratios have."
    ]
