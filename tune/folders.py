"""The files of a study on disk.

```
STORAGE/STUDY/run-001/
  study.yaml             the settings, overrides included
  optuna.journal         proposals and outcomes of the search
  mlflow.json            tracking address, parent run, trials already sent
  environment.json       versions and machine of each driver
  trials/NAME/           config.json, started.json, progress.json, attempts.json, result.json,
                         outcome.json, per_query/ ...
  report/                the report
  ray/                   Ray's own state
  driver.lock            held by the process that runs the study
  finished               exists once the study is complete
STORAGE/cache/           prepared data, shared by all studies
```
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write, read_json, refusal

OUTCOME = "outcome.json"
STARTED = "started.json"
PROGRESS = "progress.json"
ATTEMPTS = "attempts.json"
FAILURE = "failure.json"


@dataclass(frozen=True)
class Outcome:
    """How a trial ended; written once, by the driver.

    Attributes:
        state: `names.COMPLETE`, `names.PRUNED` or `names.FAIL`.
        metrics: last reported figures.
        reason: why the trial failed, last traceback lines included; "" otherwise.
        host: machine that ran the trial.
    """

    state: str
    metrics: dict[str, float]
    reason: str = ""
    host: str = ""


@dataclass(frozen=True)
class TrialFolder:
    """The folder of one trial."""

    path: Path

    @property
    def name(self) -> str:
        """The trial's name, such as ``search-003``."""
        return self.path.name

    @property
    def phase(self) -> str:
        """`names.PHASE_SEARCH`, `names.PHASE_CONFIRM` or `names.PHASE_BASELINE`."""
        return names.phase_of(self.name)

    @property
    def baseline(self) -> str | None:
        """Name of the trial's baseline, such as ``x-x``; None in other phases."""
        if self.phase != names.PHASE_BASELINE:
            return None
        prefix = names.trial_name(names.PHASE_BASELINE, "")
        return self.name.removeprefix(prefix).rpartition("-s")[0]

    def read(self, file: str) -> dict[str, Any] | None:
        """Content of one of the trial's JSON files; None if the file does not exist.

        Raises:
            InputError: if somebody has damaged the file.
        """
        path = self.path / file
        try:
            content: dict[str, Any] = read_json(path, dict[str, Any], "delete it and --resume")
        except InputError:
            if path.exists():
                raise
            return None
        return content

    def write(self, file: str, content: dict[str, Any]) -> None:
        """Write one of the trial's JSON files, atomically."""
        with atomic_write(self.path / file) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1))

    def begin(self) -> None:
        """Record when the trial began; a continuation changes nothing."""
        if not (self.path / STARTED).is_file():
            self.write(STARTED, {"time": time.time()})

    @property
    def started(self) -> float:
        """Start time in seconds since 1970; if unknown, when the configuration was written."""
        started = self.read(STARTED)
        if started:
            return float(started["time"])
        config = self.path / names.ARTIFACT_CONFIG
        return (config if config.is_file() else self.path).stat().st_mtime

    @property
    def ended(self) -> float:
        """End time in seconds since 1970; the trial must have an outcome."""
        return (self.path / OUTCOME).stat().st_mtime

    @property
    def outcome(self) -> Outcome | None:
        """How the trial ended; None before its end."""
        content = self.read(OUTCOME)
        return Outcome(**content) if content else None

    def finalize(self, outcome: Outcome) -> None:
        """Write the outcome, and delete the checkpoint, which is no longer needed."""
        self.write(OUTCOME, asdict(outcome))
        (self.path / names.TRIAL_CHECKPOINT).unlink(missing_ok=True)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run of a study."""

    path: Path

    @property
    def number(self) -> int:
        """The run's number, from 1."""
        return int(self.path.name.removeprefix("run-"))

    @property
    def study_file(self) -> Path:
        """The settings, overrides included."""
        return self.path / names.ARTIFACT_STUDY

    @property
    def journal(self) -> Path:
        """Optuna's storage."""
        return self.path / "optuna.journal"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.path / names.ARTIFACT_REPORT

    @property
    def ray(self) -> Path:
        """Folder for Ray's own state."""
        return self.path / "ray"

    @property
    def tracking(self) -> Path:
        """Tracking address, parent run, and the trials already sent."""
        return self.path / "mlflow.json"

    @property
    def environment(self) -> Path:
        """Versions and machine of each driver."""
        return self.path / names.RUN_ENVIRONMENT

    @property
    def finished(self) -> bool:
        """Whether the study is complete."""
        return (self.path / "finished").is_file()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for this process.

        Raises:
            InputError: if another process holds the lock.
        """
        lock = FileLock(self.path / "driver.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self.path} is being run by another process; stop it or wait until it ends"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def check_writable(self) -> None:
        """Refuse a run with a file or folder that cannot be written to.

        Raises:
            InputError: with the command that mends each of them.
        """
        paths = [self.path, *self.path.iterdir(), *(trial.path for trial in self.trials())]
        if problems := [problem for path in paths if (problem := refusal(path))]:
            raise InputError.collect(f"{self.path} cannot be continued", problems)

    @property
    def is_locked(self) -> bool:
        """Whether a process is running the study now."""
        lock = self.path / "driver.lock"
        if not lock.is_file():
            return False
        try:
            # Held for a moment only, without waiting.
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True

    def finish(self) -> None:
        """Mark the study as complete."""
        with atomic_write(self.path / "finished") as unfinished:
            unfinished.touch()

    def trial(self, name: str) -> TrialFolder:
        """The folder of a trial, which need not exist yet."""
        return TrialFolder(self.path / names.RUN_TRIALS / name)

    def trials(self) -> list[TrialFolder]:
        """The existing trial folders, sorted by name."""
        return [TrialFolder(path) for path in sorted((self.path / names.RUN_TRIALS).glob("*-*"))]


def search_trial(number: int) -> str:
    """Name of the search trial with this number."""
    return names.trial_name(names.PHASE_SEARCH, f"{number:03d}")


def cache_folder(storage: Path) -> Path:
    """Folder of prepared data: HYBRIDIR_CACHE, or ``cache`` under the storage."""
    configured = os.environ.get("HYBRIDIR_CACHE")
    return Path(configured) if configured else storage / "cache"


def new_run(storage: Path, study: str) -> RunFolder:
    """Create the next free run folder of a study; concurrent callers get different folders."""
    earlier = list_runs(storage, study)
    number = earlier[-1].number + 1 if earlier else 1
    while True:
        folder = RunFolder(storage / study / f"run-{number:03d}")
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def list_runs(storage: Path, study: str) -> list[RunFolder]:
    """All runs of a study, oldest first."""
    runs = [
        RunFolder(path)
        for path in (storage / study).glob("run-*")
        if path.name.removeprefix("run-").isdecimal()
    ]
    return sorted(runs, key=lambda run: run.number)


def latest_run(storage: Path, study: str) -> RunFolder:
    """The newest run of a study.

    Raises:
        InputError: if the study has no run; the message lists the existing studies.
    """
    runs = [run for run in list_runs(storage, study) if run.study_file.is_file()]
    if not runs:
        studies = sorted({path.parent.parent.name for path in storage.glob("*/run-*/study.yaml")})
        raise InputError(
            f"no study {study!r} under {storage}; existing studies: {', '.join(studies) or 'none'}"
        )
    return runs[-1]
