"""A study's folder -> MLflow: the study is a parent run, a trial its child.

Every record comes from the folder alone, and sending it again changes nothing. So the same calls
recover from an unreachable server, a killed driver and a lost database. All of them wait for the
server; `tune.record.tracking` makes them from a thread.
"""

import logging
import os
import shlex
import sys
import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any

os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag

from hybridir import names
from hybridir.runtime.addresses import without_secrets
from tune.folders import Outcome, RunFolder, TrialFolder
from tune.record.accounting import measure_usage
from tune.record.address import folder_tag, owns
from tune.record.artifacts import TABLES, link_folder, local_folder
from tune.record.charts import EXPERIMENT_NOTE, KIND, NOTE, run_name, run_note, saved_view
from tune.record.curve import curve_points
from tune.record.environment import environment, source_tags
from tune.record.logged_model import log_encoder
from tune.record.store import experiment_of, open_store
from tune.record.trial_entries import headline_metrics, trial_metrics, trial_params

logger = logging.getLogger("hybridir")
# `tune.record.tracking` reports a missing answer, so that the connection pool need not.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

_RUNNING = "RUNNING"
_INTERRUPTED = "INTERRUPTED"
_STATUS = {names.COMPLETE: "FINISHED", names.PRUNED: "KILLED", names.FAIL: "FAILED"}
_TAG_LIMIT = 5000  # characters, of MLflow
_AS_CHARTS = "&compareRunsMode=CHART"
_BATCH = 1000  # metrics in a request, of MLflow


class Mirror:
    """Brings MLflow up to date with a study's folder; raises the errors of MLflow.

    Args:
        uri: MLflow tracking URI.
        study: name of the study.
        folder: its run folder.
        parameters: settings of the study that deserve a column in the UI.
        data: (name, digest, role) of each data set.
        run_id: id of the study's run, if known. If the server does not have this run, since its
            database is new, another one is created.

    Attributes:
        run_id: id of the study's run; None before it is known.
        view: path below the server's address to a page with the study's charts; "" before the
            page exists.
    """

    def __init__(
        self,
        uri: str,
        study: str,
        folder: RunFolder,
        parameters: dict[str, Any],
        data: Iterable[tuple[str, str, str]],
        run_id: str | None = None,
    ) -> None:
        self._uri = uri
        self._study = study
        self._folder = folder
        self._parameters = parameters
        self._searched = str(parameters.get(names.SEARCHED, "")).split()
        self._data = list(data)
        self.run_id = run_id
        self.view = ""
        self._opened = False
        self._experiment: str | None = None

    def forget(self) -> None:
        """Forget earlier answers of the server."""
        self._opened = False
        self._experiment = None

    def ask(self) -> None:
        """Wait for any answer of the server."""
        self._client.get_experiment_by_name(names.EXPERIMENT)

    def missing(self) -> set[str]:
        """Names of the ended trials whose runs are not up to date."""
        runs: dict[str, list[Run]] = {}
        for run in self._search(f"tags.`{names.TAG_PARENT}` = '{self._parent()}'"):
            runs.setdefault(run.data.tags[names.TAG_TRIAL], []).append(run)
        run_by_name = {name: self._only(several) for name, several in runs.items()}
        return {
            trial.name
            for trial in self._folder.trials()
            if (outcome := trial.outcome)
            and not _is_up_to_date(run_by_name.get(trial.name), outcome)
        }

    def update(self, trial: TrialFolder) -> None:
        """Bring a trial's run up to date with its folder; create the run if it does not exist."""
        parent = self._parent()
        run = self._find(trial)
        outcome = trial.outcome
        if _is_up_to_date(run, outcome):
            return
        run_id = run.info.run_id if run else self._create(trial, parent)
        # Also if the run has ended: an interrupted trial's run was closed, and is now continued.
        self._client.update_run(run_id, status=_RUNNING)
        self._client.log_batch(run_id, params=trial_params(trial, self._searched))
        self._tag(run_id, {names.TAG_STATE: _RUNNING})
        if outcome:
            if trial.phase == names.PHASE_CONFIRM:
                self._draw(parent)
            self._end(run_id, trial, outcome)

    def log_encoder(self, trial: TrialFolder) -> None:
        """Log the encoder of a complete trial."""
        self.update(trial)
        run, outcome = self._find(trial), trial.outcome
        if run is None or outcome is None:
            raise LookupError(f"{trial.name} has not ended, or has no run")
        metrics = headline_metrics(outcome, _ms(trial.ended))
        encoder = trial.path / names.ARTIFACT_ENCODER
        log_encoder(
            self._client, self._study, encoder, run, trial_params(trial, self._searched), metrics
        )

    def close(self, status: str, tags: dict[str, str]) -> None:
        """Close the parent run, and the runs of interrupted trials."""
        parent = self._parent()
        ended = {trial.name for trial in self._folder.trials() if trial.outcome}
        for run in self._search(f"tags.`{names.TAG_PARENT}` = '{parent}'"):
            if run.info.status == _RUNNING and run.data.tags[names.TAG_TRIAL] not in ended:
                # A stopped trial's run is KILLED as well.
                self._tag(run.info.run_id, {names.TAG_STATE: _INTERRUPTED})
                self._close(run.info.run_id, "KILLED")
        self._draw(parent)
        self._tag(parent, tags)
        now = _ms(time.time())
        usage = [Metric(key, v, now, 0) for key, v in measure_usage(self._folder).items()]
        self._client.log_batch(parent, metrics=usage)
        self._close(parent, status)

    def _close(self, run_id: str, status: str) -> None:
        """End a run now, or at its start where the clock has gone back since."""
        started = self._client.get_run(run_id).info.start_time or 0
        self._client.set_terminated(run_id, status, max(_ms(time.time()), started))

    @cached_property
    def _client(self) -> MlflowClient:
        """Created on first use: for a database file this makes the tables, which takes seconds."""
        return open_store(self._uri)

    def _parent(self) -> str:
        """Id of the study's run, looked up or created on first use."""
        if not self._opened or self.run_id is None:
            started = _ms(self._folder.started)
            folder = folder_tag(self._uri, self._folder)
            # Up to version 0.2 a study's run began when its file was written.
            begun = dict.fromkeys((started, _ms(self._folder.study_file.stat().st_mtime)))
            same = [
                run
                for moment in begun
                for run in self._search(f"attributes.start_time = {moment}")
                if run.data.tags.get(names.TAG_FOLDER)
                in (folder, str(self._folder.path.resolve()))
            ]
            by_id = self._search(f"attributes.run_id = '{self.run_id}'") if self.run_id else []
            owner = by_id[0].data.tags[names.TAG_FOLDER] if by_id else folder
            if not owns(self._uri, self._folder, owner):
                logger.warning(
                    "tracking: %s is a copy of %s, whose run stays as it is; it gets its own run",
                    self._folder.path,
                    owner,
                )
                by_id = []
            run = self._only([*by_id, *(r for r in same if r.info.run_id != self.run_id)])
            self.run_id = run.info.run_id if run else self._create_parent(folder, started)
            self._client.update_run(self.run_id, status=_RUNNING)
            self._tag(self.run_id, {names.TAG_FOLDER: folder})
            self._describe(self.run_id)
            self._opened = True
        return self.run_id

    def _draw(self, parent: str) -> None:
        """Write the final points of the confirmed curve.

        The time of a point is that of its last trial, so that a point sent twice is stored once.
        """
        curve = curve_points(self._folder.trials())
        points = [
            Metric(point.metric, point.value, _ms(point.time), point.percent) for point in curve
        ]
        # The x axis of the curves: a ratio is no step.
        started = _ms(self._folder.started)
        points += [
            Metric(names.CURVE_RATIO, percent / 100, started, percent)
            for percent in sorted({point.percent for point in curve})
        ]
        for begin in range(0, len(points), _BATCH):
            self._client.log_batch(parent, metrics=points[begin : begin + _BATCH])

    def _create_parent(self, folder: str, started: int) -> str:
        versions = environment()
        machine = ", ".join(versions.pop(name) for name in ("machine", "processor"))
        tags = {
            **source_tags(),
            names.TAG_STUDY: self._study,
            names.TAG_KIND: names.KIND_STUDY,
            names.TAG_FOLDER: folder,
            names.TAG_COMMAND: without_secrets(shlex.join(sys.argv)),
            names.TAG_VERSIONS: ", ".join(f"{name} {v}" for name, v in versions.items()),
            names.TAG_MACHINE: machine,
        }
        name = f"{self._study} {self._folder.path.name}"
        run = self._client.create_run(
            self._experiment_id(), start_time=started, run_name=name, tags=tags
        )
        return str(run.info.run_id)

    def _describe(self, parent: str) -> None:
        """Log the study's settings, plan, data and notes."""
        for file in (self._folder.study_file, self._folder.path / names.ARTIFACT_PLAN):
            if file.is_file():
                self._client.log_artifact(parent, str(file))
        params = [Param(key, str(value)) for key, value in self._parameters.items()]
        self._client.log_batch(parent, params=params)
        inputs = [
            DatasetInput(
                Dataset(name=name, digest=digest[:32], source_type="local", source="{}"),
                tags=[InputTag("mlflow.data.context", role)],
            )
            for name, digest, role in self._data
        ]
        self._client.log_inputs(parent, inputs)
        self._explain(parent)

    def _explain(self, parent: str) -> None:
        """Write notes, and a view of the runs page with charts of the study's question."""
        run, folder = self._folder.path.name, self._folder.path.resolve()
        benchmarks = str(self._parameters.get(names.REPORT_ON, "")).split()
        note = run_note(self._study, run, folder, benchmarks)
        self._tag(parent, {names.TAG_RUN: parent, NOTE: note})
        experiment = self._experiment_id()
        started = _ms(self._folder.started)
        view_tag, view = saved_view(parent, self._study, run, benchmarks, started)
        existing = self._client.get_experiment(experiment).tags
        for key, value in {NOTE: EXPERIMENT_NOTE, **KIND, view_tag: view}.items():
            # A user's own note is kept.
            if key not in existing and len(value) <= _TAG_LIMIT:
                self._client.set_experiment_tag(experiment, key, value)
        self.view = f"/#/experiments/{experiment}/runs?viewStateShareKey={parent}{_AS_CHARTS}"

    def _experiment_id(self) -> str:
        if self._experiment is None:
            self._experiment = experiment_of(self._client, self._uri)
        return self._experiment

    def _find(self, trial: TrialFolder) -> Run | None:
        return self._only(
            self._search(
                f"tags.`{names.TAG_PARENT}` = '{self._parent()}' "
                f"and tags.`{names.TAG_TRIAL}` = '{trial.name}'"
            )
        )

    def _create(self, trial: TrialFolder, parent: str) -> str:
        # The tags are created with the run, so that every run can be found again.
        run = self._client.create_run(
            self._experiment_id(),
            start_time=_ms(trial.started),
            run_name=run_name(trial),
            tags={
                names.TAG_PARENT: parent,
                names.TAG_RUN: parent,
                names.TAG_STUDY: self._study,
                names.TAG_KIND: names.KIND_TRIAL,
                names.TAG_TRIAL: trial.name,
                names.TAG_PHASE: trial.phase,
                names.TAG_STATE: _RUNNING,
            },
        )
        return str(run.info.run_id)

    def _end(self, run_id: str, trial: TrialFolder, outcome: Outcome) -> None:
        # The time is the trial's, so that sending a metric twice leaves no second value.
        # No run ends before it starts, whatever happened to the clock meanwhile.
        ended = _ms(max(trial.started, trial.ended))
        self._client.log_batch(run_id, metrics=trial_metrics(trial, outcome, ended))
        for file in (names.ARTIFACT_CONFIG, names.ARTIFACT_TRAINING_LOG):
            if (trial.path / file).is_file():
                self._client.log_artifact(run_id, str(trial.path / file))
        artifacts = local_folder(self._client.get_run(run_id).info.artifact_uri)
        for tables in TABLES:
            if outcome.state == names.COMPLETE and (trial.path / tables).is_dir():
                if artifacts:
                    link_folder(trial.path / tables, artifacts / tables)
                else:
                    self._client.log_artifacts(run_id, str(trial.path / tables), tables)
        reason = {names.TAG_REASON: outcome.reason[-_TAG_LIMIT:]} if outcome.reason else {}
        tags = {names.TAG_STATE: outcome.state, names.TAG_HOST: outcome.host, **reason}
        self._tag(run_id, tags)
        # Last: a run that has ended is complete.
        self._client.set_terminated(run_id, status=_STATUS[outcome.state], end_time=ended)

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        self._client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def _search(self, condition: str) -> list[Run]:
        page = self._client.search_runs([self._experiment_id()], condition)
        runs: list[Run] = list(page)
        while page.token:
            page = self._client.search_runs(
                [self._experiment_id()], condition, page_token=page.token
            )
            runs += page
        return runs

    def _only(self, runs: list[Run]) -> Run | None:
        """The first of several runs of the same trial or study; the others are deleted.

        A frozen server may carry out a request after the client has given up on it.
        """
        for run in runs[1:]:
            self._client.delete_run(run.info.run_id)
        return runs[0] if runs else None


def _is_up_to_date(run: Run | None, outcome: Outcome | None) -> bool:
    if run is None:
        return False
    if outcome is None:
        return run.info.status == _RUNNING and bool(run.data.params)
    # An interrupted trial is closed as KILLED, as a stopped one is, but has no final state.
    state = run.data.tags.get(names.TAG_STATE)
    return run.info.status == _STATUS[outcome.state] and state == outcome.state


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
