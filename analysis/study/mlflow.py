"""A study in MLflow: its trials, tables and settings are read, its report is written.

No other module of the analysis knows MLflow. NOT covered: runs that were deleted in MLflow, and
runs of other programs.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

import pandas as pd
import pyarrow.parquet as pq
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from analysis.study.settings import RecordedStudy, read_settings
from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.addresses import tracking_address
from hybridir.runtime.commands import script

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar per small file
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # MLflow warns where git is not installed

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
DATA_SET = "data set "
"""Begins the keys of `Study.provenance` that hold the digests of data sets."""
_SQLITE = "sqlite:///"
# Those that the report needs; versions since have added others.
_PLAN_FIELDS = {
    "phases",
    "points",
    "seconds",
    "kept_mb",
    "cost",
    "hourly_price",
    "host",
    "at_a_time",
}
_PAGE = 1000  # runs per request; MLflow's servers refuse more than 50,000


@dataclass(frozen=True)
class Study:
    """A study as it was recorded.

    Attributes:
        name: the study's name.
        tracking_uri: MLflow's address.
        run_id: MLflow id of the parent run; of joined runs all ids, with commas.
        started: start of the parent run, UTC.
        text: text of the study file, "" if none was recorded.
        provenance: parameters and tags of the parent run, and the digests of data sets.
        trials: a row per trial, ordered by name: ``run_id, trial, phase, state, reason, host,
            seconds`` and a column for each of `parameters` and `metrics`.
        parameters: columns of `trials` that were set.
        metrics: columns of `trials` that were measured.
        plan: the expected cost of the study, from ``plan.json``; None without a plan.
        totals: metrics of the parent run.
        artifacts: run id to the address of its artifacts.
        cache_folder: folder for arrays that the next report need not read again; None for none.
        runs: names of the runs that were joined, see `analysis.study.join`; none of a single run.
    """

    name: str
    tracking_uri: str
    run_id: str
    started: pd.Timestamp
    text: str
    provenance: dict[str, str]
    trials: pd.DataFrame
    parameters: tuple[str, ...]
    metrics: tuple[str, ...]
    plan: dict[str, Any] | None
    totals: dict[str, float]
    artifacts: dict[str, str] = field(default_factory=dict)
    cache_folder: Path | None = None
    runs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The study's runs as a command takes them, such as ``demo@run-001,run-002``."""
        folder = self.provenance.get(names.TAG_FOLDER)
        runs = self.runs or ((PurePosixPath(folder).name,) if folder else ())
        return f"{self.name}@{','.join(runs)}" if runs else self.name

    @cached_property
    def settings(self) -> RecordedStudy:
        """The settings of the study file, as far as the report reads them."""
        return read_settings(self.text)

    def training_languages(self) -> frozenset[str] | None:
        """Find the languages of the training data.

        Where the study file does not name them, those of the development benchmark count: it is
        held out of the training data, and has all of their languages.

        Returns:
            Their codes; None if neither the study file nor a development benchmark tells.
        """
        if self.settings.train.languages is not None:
            return self.settings.train.languages
        dev = [metric for metric in self.metrics if metric.startswith(f"{names.DEV}/")]
        scored = self.trials[dev].notna().any(axis=1) & (self.trials["state"] == names.COMPLETE)
        for run_id in self.trials["run_id"][scored]:
            table = self.per_query(str(run_id), names.DEV, [names.QUERY_LANGUAGE])
            if table is not None:
                return frozenset(table[names.QUERY_LANGUAGE].astype("str"))
        return None

    def per_query(
        self, run_id: str, benchmark: str, columns: Sequence[str] | None = None
    ) -> pd.DataFrame | None:
        """Read the per-query table of one trial.

        Args:
            run_id: the trial's run.
            benchmark: name of the benchmark.
            columns: columns to read, as far as the table has them; None reads all.

        Returns:
            The table; None if the trial recorded none.
        """
        return self._table(run_id, _per_query_path(benchmark), columns)

    def reader_answers(
        self, run_id: str, benchmark: str, columns: Sequence[str]
    ) -> pd.DataFrame | None:
        """Read the table of a reader's answers of one trial.

        Args:
            run_id: the trial's run.
            benchmark: name of the benchmark.
            columns: columns to read, as far as the table has them.

        Returns:
            The table; None if the trial had no reader.
        """
        if self.settings.evaluation.reader is None:
            return None  # without a request to the server
        return self._table(run_id, f"{names.ARTIFACT_READER}/{benchmark}.parquet", columns)

    def _table(self, run_id: str, path: str, columns: Sequence[str] | None) -> pd.DataFrame | None:
        with TemporaryDirectory(prefix="hybridir-") as folder:
            parquet = self.local_artifact(run_id, path)
            parquet = parquet or _download(self.tracking_uri, run_id, path, folder)
            if parquet is None:
                return None
            with pq.ParquetFile(parquet) as file:
                present = set(file.schema_arrow.names)
                chosen = None if columns is None else [name for name in columns if name in present]
                # Threads cost more than they save on tables of this size (measured).
                table: pd.DataFrame = file.read(chosen, use_threads=False).to_pandas(
                    split_blocks=True
                )
            return table

    def stamp(self, run_id: str, benchmark: str) -> str | None:
        """Return a text that changes whenever a trial's per-query table does.

        Returns:
            The table's size, with the time of its last change if it is a file of this machine,
            else with the trial's duration; None without a table.
        """
        path = _per_query_path(benchmark)
        local = self.local_artifact(run_id, path)
        if local is not None:
            status = local.stat()
            return f"{status.st_size} bytes, {status.st_mtime_ns}"
        try:
            listed = MlflowClient(self.tracking_uri).list_artifacts(run_id, str(Path(path).parent))
        except (MlflowException, OSError):
            return None
        ended = self.trials.set_index("run_id")["seconds"].get(run_id)
        sizes = {file.path: file.file_size for file in listed}
        return f"{sizes[path]} bytes, {ended} s" if path in sizes else None

    @property
    def absolute_uri(self) -> str:
        """MLflow's address, as it is right from any folder."""
        is_file = self.tracking_uri.startswith(_SQLITE)
        return f"{_SQLITE}{_database(self.tracking_uri)}" if is_file else self.tracking_uri

    def below_database(self, path: str) -> Path:
        """A path that was recorded relative to the folder of a database file."""
        if not self.tracking_uri.startswith(_SQLITE):
            return Path(path)
        return _database(self.tracking_uri).resolve().parent / path

    def local_artifact(self, run_id: str, path: str) -> Path | None:
        """Find an artifact in a folder of this machine; None if it is elsewhere or absent."""
        return _local(self.artifacts.get(run_id, ""), path)


def _local(root: str, path: str) -> Path | None:
    """Find an artifact below an address, if that is a folder of this machine."""
    local = Path(unquote(urlparse(root).path)) / path
    return local if _is_local(root) and local.is_file() else None


def _is_local(root: str) -> bool:
    return bool(root) and urlparse(root).scheme in ("", "file")


def _per_query_path(benchmark: str) -> str:
    return f"{names.ARTIFACT_PER_QUERY}/{benchmark}.parquet"


def tracking_uri_in_use(tracking_uri: str | None) -> str:
    """Fall back to ``MLFLOW_TRACKING_URI``, else to ``mlflow.db`` in the working directory."""
    return tracking_address(tracking_uri, DEFAULT_TRACKING_URI)


def load_study(
    name: str | None, tracking_uri: str | None = None, run_id: str | None = None
) -> Study:
    """Read a study and its trials.

    Args:
        name: the study's name; None reads the study that began last. Of several runs under one
            name the newest counts.
        tracking_uri: MLflow's address; see `tracking_uri_in_use`.
        run_id: id of the parent run, to choose among several.

    Returns:
        The study. A missing database is not created.

    Raises:
        InputError: if there is no database, it cannot be read, or it has no such study.
    """
    uri = tracking_uri_in_use(tracking_uri)
    client, experiments, parents = _open(uri)
    parent = _choose(parents, name, run_id, uri)
    try:
        children = _search(
            client, experiments, f"tags.`{names.TAG_PARENT}` = '{parent.info.run_id}'"
        )
    except MlflowException as error:
        raise _unreadable(uri, error) from error

    trials, parameters, metrics = _tabulate(children)
    with TemporaryDirectory(prefix="hybridir-") as folder:
        study_file, plan_file = (
            _local(parent.info.artifact_uri, path)
            if _is_local(parent.info.artifact_uri)
            else _download(uri, parent.info.run_id, path, folder)
            for path in (names.ARTIFACT_STUDY, names.ARTIFACT_PLAN)
        )
        text = study_file.read_text(encoding="utf-8") if study_file else ""
        plan = _plan(plan_file) if plan_file else None
    return Study(
        name=parent.data.tags[names.TAG_STUDY],
        tracking_uri=uri,
        run_id=parent.info.run_id,
        started=pd.to_datetime(parent.info.start_time, unit="ms", utc=True),
        text=text,
        provenance=_provenance([parent, *children]),
        trials=trials,
        parameters=parameters,
        metrics=metrics,
        plan=plan,
        totals=dict(parent.data.metrics),
        artifacts={run.info.run_id: run.info.artifact_uri for run in [parent, *children]},
    )


def runs_of(name: str, tracking_uri: str | None = None) -> dict[str, str]:
    """List the runs of a study, oldest first.

    Returns:
        Names of their folders, such as ``run-001``, to MLflow ids of the parent runs.

    Raises:
        InputError: as `load_study`.
    """
    uri = tracking_uri_in_use(tracking_uri)
    parents = _open(uri)[-1]
    _choose(parents, name, None, uri)
    return {
        PurePosixPath(run.data.tags[names.TAG_FOLDER]).name: run.info.run_id
        for run in parents
        if run.data.tags.get(names.TAG_STUDY) == name and names.TAG_FOLDER in run.data.tags
    }


def _open(uri: str) -> tuple[MlflowClient, list[str], list[Run]]:
    """Open a tracking store; return its experiments' ids and the runs of studies, oldest first."""
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    _check_database(uri)
    try:
        client = MlflowClient(uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        parents = _search(client, experiments, f"tags.`{names.TAG_KIND}` = '{names.KIND_STUDY}'")
    except MlflowException as error:
        raise _unreadable(uri, error) from error
    return client, experiments, parents


def _unreadable(uri: str, error: MlflowException) -> InputError:
    return InputError(f"tracking URI {uri!r} cannot be read: {error.message}")


def _database(uri: str) -> Path:
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]).absolute()


def _check_database(uri: str) -> None:
    """Refuse a SQLite address without MLflow tables, which MLflow itself would create."""
    if not uri.startswith(_SQLITE):
        return
    path = _database(uri)
    remedy = (
        f"run a study first ({script('tune/run_sweep.py')}), go to the folder of its mlflow.db, "
        "or name the database with --tracking-uri"
    )
    if not path.is_file():
        raise InputError(f"there is no MLflow database at {path}: {remedy}")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path} is not an SQLite database ({error}): {remedy}") from error
    if "runs" not in tables:
        raise InputError(f"{path} holds no MLflow runs: {remedy}")


def _search(client: MlflowClient, experiments: list[str], condition: str) -> list[Run]:
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs(experiments, condition, max_results=_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return sorted(runs, key=lambda run: run.info.start_time)


def _choose(parents: list[Run], name: str | None, run_id: str | None, uri: str) -> Run:
    matching = [
        run
        for run in parents
        if name in (None, run.data.tags.get(names.TAG_STUDY)) and run_id in (None, run.info.run_id)
    ]
    if matching:
        return matching[-1]
    existing = sorted({run.data.tags.get(names.TAG_STUDY, "") for run in parents})
    if not existing:
        raise InputError(f"{uri} holds no study: run one first ({script('tune/run_sweep.py')})")
    raise InputError(f"there is no study {name!r} in {uri}; it holds {', '.join(existing)}")


def _tabulate(runs: list[Run]) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    rows = {}
    for run in runs:  # oldest first: should a trial occur twice, its newest run remains
        tags = run.data.tags
        trial = tags.get(names.TAG_TRIAL, run.info.run_name or run.info.run_id)
        ended = run.info.end_time
        rows[trial] = {
            "run_id": run.info.run_id,
            "trial": trial,
            "phase": tags.get(names.TAG_PHASE, ""),
            "state": tags.get(names.TAG_STATE, ""),
            "reason": tags.get(names.TAG_REASON, ""),
            "host": tags.get(names.TAG_HOST, ""),
            "seconds": (ended - run.info.start_time) / 1000 if ended else float("nan"),
        }
    latest = {row["run_id"] for row in rows.values()}
    runs = [run for run in runs if run.info.run_id in latest]
    described = pd.DataFrame(rows.values(), columns=_DESCRIPTION)
    by_run = [run.info.run_id for run in runs]
    parameters = pd.DataFrame([run.data.params for run in runs], index=by_run)
    metrics = pd.DataFrame([run.data.metrics for run in runs], index=by_run, dtype=float)
    parameters = parameters.apply(_numbers_where_possible)
    table = described.join(parameters, on="run_id").join(metrics, on="run_id")
    order = table.sort_values(["phase", "trial"], ascending=[False, True], ignore_index=True)
    return order, tuple(sorted(parameters.columns)), tuple(sorted(metrics.columns))


_DESCRIPTION = ["run_id", "trial", "phase", "state", "reason", "host", "seconds"]


def _numbers_where_possible(column: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def _provenance(runs: list[Run]) -> dict[str, str]:
    """Collect parameters and tags of the parent (the first run), and the data sets of all runs."""
    recorded = dict(sorted(runs[0].data.params.items()))
    for key, value in sorted(runs[0].data.tags.items()):
        if key in (names.TAG_STUDY, names.TAG_KIND):
            continue
        if key == names.TAG_COMMIT or not key.startswith("mlflow."):
            recorded[key] = value
    for run in runs:
        for logged in run.inputs.dataset_inputs if run.inputs else ():
            recorded[f"{DATA_SET}{logged.dataset.name}"] = f"digest {logged.dataset.digest}"
    return recorded


def _plan(file: Path) -> dict[str, Any] | None:
    """A plan as it was recorded; a damaged one counts as not recorded, as a study file does."""
    with suppress(ValueError):
        plan = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(plan, dict) and plan.keys() >= _PLAN_FIELDS:
            return plan
    return None


def _download(uri: str, run_id: str, path: str, folder: str) -> Path | None:
    try:
        return Path(
            download_artifacts(
                run_id=run_id, artifact_path=path, dst_path=folder, tracking_uri=uri
            )
        )
    except (MlflowException, OSError):
        return None


def log_report(study: Study, folder: Path, files: list[Path]) -> None:
    """Log files as artifacts of the study's parent run, under ``report/``.

    Args:
        study: the study of the report.
        folder: the report's folder; artifacts keep their paths below it.
        files: the files to log; other files of the folder are not logged.

    Raises:
        InputError: if MLflow's artifact store cannot be written, or is that of the database that
            this one was copied from.
    """
    _check_own_artifacts(study, folder)
    client = MlflowClient(study.tracking_uri)
    try:
        for path in files:
            below = path.parent.relative_to(folder).as_posix()
            target = PurePosixPath(names.ARTIFACT_REPORT, below)
            client.log_artifact(study.run_id, str(path), str(target))
    except (MlflowException, OSError) as error:
        raise InputError(
            f"the report is in {folder}, but could not be logged to {study.tracking_uri} "
            f"({error}); when it is back, {script('analysis/report.py', study.label)} logs it"
        ) from error


def _check_own_artifacts(study: Study, folder: Path) -> None:
    """Refuse to write beside another database; the first resume moves the addresses of a copy."""
    root = urlparse(study.artifacts.get(study.run_id, ""))
    local = Path(unquote(root.path))
    if not study.tracking_uri.startswith(_SQLITE) or root.scheme != "file":
        return
    beside = _database(study.tracking_uri).resolve().parent / "mlartifacts"
    if "mlartifacts" in local.parts and beside.is_dir() and not local.is_relative_to(beside):
        raise InputError(
            f"the report is in {folder}, but was not logged: {study.tracking_uri} was copied or "
            f"moved, and names the artifacts of the original, {local}; "
            f"{script('tune/run_sweep.py', '--resume', study.label)} brings them along"
        )
