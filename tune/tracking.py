"""The only writer to MLflow: a study is a parent run, a trial its child.

Everything that is written comes from the study's folder, so that a server that was away, or a
driver that was killed, is caught up with later and nothing is lost or doubled.
"""

import json
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

# A driver that waits for a server starts no trials; what was not sent is sent later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.exceptions import MlflowException

import hybridir
from hybridir import names
from hybridir.config import TrialConfig
from hybridir.files import replacing
from tune.folders import OUTCOME, Outcome, RunFolder, TrialFolder
from tune.study import PARAMETERS

# A new database's schema is announced step by step, by MLflow and by Alembic.
for noisy in ("mlflow.store.db.utils", "alembic"):
    logging.getLogger(noisy).setLevel(logging.WARNING)

logger = logging.getLogger("hybridir")

EXPERIMENT = "hybridir"
_STATUS = {names.COMPLETE: "FINISHED", names.PRUNED: "KILLED", names.FAIL: "FAILED"}
_TAG_LIMIT = 5000  # characters, of MLflow


def tracking_uri(given: str | None) -> str:
    """Where runs are kept: as given, else MLFLOW_TRACKING_URI, else mlflow.db in this folder."""
    default = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    return given or os.environ.get("MLFLOW_TRACKING_URI") or default


class Tracker:
    """Keeps one study's runs in step with its folder.

    No method fails because the server is away; `catch_up` says what is missing there.

    Args:
        uri: MLflow tracking URI; a folder that has been tracked already keeps its own.
        study: name of the study.
        folder: its folder; the parent run's id is kept there, so that resuming re-attaches.
        parameters: settings of the study that are worth a column in the UI.
        data: (name, digest, role) of each data set.
    """

    def __init__(
        self,
        uri: str,
        study: str,
        folder: RunFolder,
        parameters: dict[str, Any],
        data: Iterable[tuple[str, str, str]],
    ) -> None:
        known = folder.tracking.is_file()
        self.uri = str(json.loads(folder.tracking.read_text())["uri"]) if known else uri
        self._study = study
        self._folder = folder
        self._client = MlflowClient(tracking_uri=self.uri)
        self._parameters = parameters
        self._data = list(data)
        self._opened: str | None = None
        self._attempt("the study", lambda: self._parent)

    @property
    def _parent(self) -> str:
        """Id of the study's run, which is found or made when it is needed first."""
        if self._opened is None:
            parent = self._open_parent()
            self._log_study(parent)
            self._opened = parent
        return self._opened

    def _open_parent(self) -> str:
        if self._folder.tracking.is_file():
            parent = str(json.loads(self._folder.tracking.read_text())["run_id"])
            self._client.update_run(parent, status="RUNNING")
            return parent
        run = self._client.create_run(
            self._experiment(),
            run_name=f"{self._study} {self._folder.path.name}",
            tags={
                names.TAG_STUDY: self._study,
                names.TAG_KIND: names.KIND_STUDY,
                names.TAG_FOLDER: str(self._folder.path.resolve()),
                names.TAG_COMMAND: " ".join(sys.argv),
                names.TAG_VERSIONS: _versions(),
                names.TAG_MACHINE: _machine(),
            },
        )
        parent = str(run.info.run_id)
        with replacing(self._folder.tracking) as part:
            part.write_text(json.dumps({"uri": self.uri, "run_id": parent}))
        return parent

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found:
            return str(found.experiment_id)
        # Beside a database file MLflow would put artifacts into ./mlruns, whose presence makes a
        # bare `mlflow ui` look there instead of into the database.
        location = None
        if self.uri.startswith("sqlite:///"):
            database = Path(self.uri.removeprefix("sqlite:///"))
            location = (database.parent / "mlartifacts").resolve().as_uri()
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=location))

    def _log_study(self, parent: str) -> None:
        """Note what the study is about; to do so again changes nothing."""
        self._client.log_artifact(parent, str(self._folder.study_file))
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

    @property
    def run_id(self) -> str | None:
        """Id of the study's run; None as long as the server could not be reached."""
        return self._opened

    def start_trial(self, trial: TrialFolder, config: TrialConfig) -> None:
        """Give a trial its run, or re-attach to the one that it has."""
        self._attempt(trial.name, lambda: self._start(trial, config))

    def end_trial(self, trial: TrialFolder) -> None:
        """Bring a trial's run to the state that its folder tells."""
        self._attempt(trial.name, lambda: self._end(trial))

    def catch_up(self) -> list[str]:
        """Send what could not be sent before.

        Returns:
            Names of the trials that have ended and whose runs may not be up to date, since the
            server is away.
        """
        ended = [trial for trial in self._folder.trials() if trial.outcome]
        for done, trial in enumerate(ended):
            if not self._attempt(trial.name, partial(self._end_unless_done, trial)):
                return [trial.name for trial in ended[done:]]
        return []

    def finish(self, status: str, tags: dict[str, str]) -> bool:
        """Close the parent run, and the runs of trials that were cut off.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            tags: what came out, for the UI.

        Returns:
            Whether the server took it.
        """
        return self._attempt("the study", lambda: self._finish(status, tags))

    def log_model(self, folder: Path) -> None:
        """Keep an encoder with the study."""
        self._attempt(
            "the encoder",
            lambda: self._client.log_artifacts(self._parent, str(folder), "encoder"),
        )

    def _finish(self, status: str, tags: dict[str, str]) -> None:
        for trial in self._folder.trials():
            run = None if trial.outcome else self._find(trial.name)
            if run and run.info.status == "RUNNING":
                self._client.set_terminated(run.info.run_id, status="KILLED")
        for key, value in tags.items():
            self._client.set_tag(self._parent, key, value)
        self._client.set_terminated(self._parent, status=status)

    def _start(self, trial: TrialFolder, config: TrialConfig) -> str:
        run = self._find(trial.name)
        if run:
            self._client.update_run(run.info.run_id, status="RUNNING")
            return str(run.info.run_id)
        settings = config.model_dump()
        params = {name: settings[where][name] for name, (where, _) in PARAMETERS.items()}
        params |= {names.SEED: config.seed, "pairs": config.training.pairs}
        created = self._client.create_run(
            self._experiment(),
            run_name=trial.name,
            tags={
                names.TAG_PARENT: self._parent,
                names.TAG_STUDY: self._study,
                names.TAG_KIND: names.KIND_TRIAL,
                names.TAG_TRIAL: trial.name,
                names.TAG_PHASE: trial.phase,
                names.TAG_STATE: "RUNNING",
            },
        )
        run_id = str(created.info.run_id)
        self._client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()])
        return run_id

    def _end_unless_done(self, trial: TrialFolder) -> None:
        outcome, run = trial.outcome, self._find(trial.name)
        done = outcome and run and run.info.status == _STATUS[outcome.state]
        # A trial that was cut off is closed as KILLED too, but without a state.
        if not (done and run and outcome and run.data.tags[names.TAG_STATE] == outcome.state):
            self._end(trial)

    def _end(self, trial: TrialFolder) -> None:
        outcome = trial.outcome
        assert outcome is not None, "a trial ends in its folder first"
        config = (trial.path / names.ARTIFACT_CONFIG).read_text()
        run_id = self._start(trial, TrialConfig.model_validate_json(config))
        # The time is the trial's, so that sending something twice leaves no second value.
        ended = int((trial.path / OUTCOME).stat().st_mtime * 1000)
        self._client.log_batch(run_id, metrics=_metrics(trial, outcome, ended))
        for file in (names.ARTIFACT_CONFIG, names.ARTIFACT_TRAINING_LOG):
            if (trial.path / file).is_file():
                self._client.log_artifact(run_id, str(trial.path / file))
        for tables in (
            names.ARTIFACT_PER_QUERY,
            names.ARTIFACT_LANGUAGE_PAIRS,
            names.ARTIFACT_TOP1_LANGUAGES,
        ):
            if outcome.state == names.COMPLETE and (trial.path / tables).is_dir():
                self._client.log_artifacts(run_id, str(trial.path / tables), tables)
        tags = {names.TAG_STATE: outcome.state, names.TAG_HOST: outcome.host}
        if outcome.reason:
            tags[names.TAG_REASON] = outcome.reason[-_TAG_LIMIT:]
        for key, value in tags.items():
            self._client.set_tag(run_id, key, value)
        self._client.set_terminated(run_id, status=_STATUS[outcome.state], end_time=ended)

    def _find(self, trial: str) -> Run | None:
        runs = self._client.search_runs(
            [self._experiment()],
            f"tags.`{names.TAG_PARENT}` = '{self._parent}' "
            f"and tags.`{names.TAG_TRIAL}` = '{trial}'",
        )
        return runs[0] if runs else None

    def _attempt(self, what: str, write: Callable[[], object]) -> bool:
        try:
            write()
        except (MlflowException, OSError) as error:
            reason = str(error).splitlines()[0]
            logger.warning("%s: tracking will be caught up with later (%s)", what, reason)
            return False
        return True


def _versions() -> str:
    """What decides the figures of a study, as it is installed."""
    packages = ("torch", "transformers", "tokenizers", "accelerate", "ray", "optuna", "mlflow")
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"hybridir {hybridir.__version__}, Python {platform.python_version()}, {found}"


def _machine() -> str:
    """The driver's machine; a trial's host is a tag of its own run."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores"


def _metrics(trial: TrialFolder, outcome: Outcome, ended: int) -> list[Metric]:
    """The headline figures, and the loss as a curve over the steps."""
    metrics = {key: value for key, value in outcome.metrics.items() if key != names.TRAIN_LOSS}
    found = [Metric(key, value, ended, 0) for key, value in metrics.items()]
    log = trial.path / names.ARTIFACT_TRAINING_LOG
    if log.is_file():
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        found += [Metric(names.TRAIN_LOSS, e["loss"], ended, e["step"]) for e in entries]
    elif names.TRAIN_LOSS in outcome.metrics:
        found.append(Metric(names.TRAIN_LOSS, outcome.metrics[names.TRAIN_LOSS], ended, 0))
    return found
