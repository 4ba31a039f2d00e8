"""The files of a study on disk.

```
STORAGE/STUDY/run-001/
  study.yaml             the settings, overrides included
  optuna.journal         proposals and outcomes of the search
  settings.json          the settings as they were at the start, with their digest
  inputs.json            digests and sizes of the data as they were at the start
  mlflow.json            tracking address, parent run, trials already sent
  environment.json       versions and machine of each driver
  drivers.json           time of each start
  trials/NAME/           config.json, started.json, progress.json, attempts.json,
                         development.json, result.json, outcome.json, per_query/ ...
  report/                the report
  ray/                   Ray's own state
  driver.lock            held by the process that runs the study
  stopping               written by an interrupted driver: its trials are to write checkpoints
  finished               exists once the study is complete
STORAGE/cache/           prepared data, shared by all studies
```
"""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write, read_json, refusal

OUTCOME = "outcome.json"
STARTED = "started.json"
PROGRESS = "progress.json"
ATTEMPTS = "attempts.json"
FAILURE = "failure.json"
DEVELOPMENT = "development.json"
STARTS = "drivers.json"


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

    @property
    def run(self) -> "RunFolder":
        """The folder of the study's run."""
        return RunFolder(self.path.parent.parent)

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

    def write_progress(self, step: int, steps: int, host: str) -> None:
        """Record the steps done so far."""
        content = {"step": step, "steps": steps, "host": host, "time": time.time()}
        self.write(PROGRESS, content)

    def write_development(self, share: float, figures: dict[str, float]) -> None:
        """Record figures on development data after a share of the budget, below the whole."""
        self.write(DEVELOPMENT, (self.read(DEVELOPMENT) or {}) | {f"{share:g}": figures})

    @property
    def development(self) -> dict[float, dict[str, float]]:
        """Figures on development data by share of the budget, but for those at the end."""
        recorded = self.read(DEVELOPMENT) or {}
        return {float(share): figures for share, figures in recorded.items()}

    @property
    def started(self) -> float:
        """Start time in seconds since 1970.

        A trial whose start was not recorded has the time of its configuration's file.
        """
        started = self.read(STARTED)
        config = self.path / names.ARTIFACT_CONFIG
        file = config if config.is_file() else self.path
        return float(started["time"]) if started else file.stat().st_mtime

    @property
    def ended(self) -> float:
        """End time in seconds since 1970; the trial must have an outcome."""
        return self._time_of(OUTCOME)

    @property
    def progressed(self) -> float | None:
        """Time of the last report of progress in seconds since 1970; None before the first."""
        return self._time_of(PROGRESS) if (self.path / PROGRESS).is_file() else None

    @property
    def times(self) -> list[float]:
        """All recorded times of the trial, in seconds since 1970."""
        attempts = (self.read(ATTEMPTS) or {"attempts": []})["attempts"]
        progressed = self.progressed
        return [
            self.started,
            *(attempt["time"] for attempt in attempts),
            *([] if progressed is None else [progressed]),
            *([self.ended] if (self.path / OUTCOME).is_file() else []),
        ]

    def _time_of(self, file: str) -> float:
        """The time that a file records; that of the file itself up to version 0.2."""
        recorded = (self.read(file) or {}).get("time")
        if isinstance(recorded, int | float):
            return float(recorded)
        return (self.path / file).stat().st_mtime

    @property
    def outcome(self) -> Outcome | None:
        """How the trial ended; None before its end."""
        content = self.read(OUTCOME)
        if content is None:
            return None
        return Outcome(**{key: value for key, value in content.items() if key != "time"})

    def finalize(self, outcome: Outcome) -> None:
        """Write the outcome, and delete the checkpoint, which is no longer needed."""
        self.write(OUTCOME, {**asdict(outcome), "time": time.time()})
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
    def label(self) -> str:
        """Names the run to a command: ``NAME@run-001``, whichever is the newest by then."""
        return f"{self.path.parent.name}@{self.path.name}"

    @property
    def storage(self) -> Path:
        """The folder of all studies."""
        return self.path.parent.parent

    @property
    def study_file(self) -> Path:
        """The settings, overrides included."""
        return self.path / names.ARTIFACT_STUDY

    @property
    def settings(self) -> Path:
        """The settings as they were at the start, with their digest."""
        return self.path / "settings.json"

    @property
    def inputs(self) -> Path:
        """Digests and sizes of the data as they were at the start."""
        return self.path / "inputs.json"

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
    def request(self) -> Path:
        """File by which an interrupted driver asks its trials for checkpoints."""
        return self.path / "stopping"

    @property
    def started(self) -> float:
        """Time of the first start in seconds since 1970."""
        recorded = self.starts
        return recorded[0] if recorded else self.study_file.stat().st_mtime

    @property
    def starts(self) -> list[float]:
        """Time of each start and resumption in seconds since 1970."""
        path = self.path / STARTS
        remedy = "delete it, and the time of the study counts from now on"
        times: list[float] = read_json(path, list[float], remedy) if path.is_file() else []
        return times

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
        from filelock import FileLock, Timeout  # .1 s, which --status need not spend

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
        with lock.open("rb") as file:
            try:
                # As filelock does, but shared, which takes no right to write; held for a moment.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    return True
                if error.errno != errno.ENOSYS:
                    raise OSError(error.errno, error.strerror, str(lock)) from None
            else:
                return False
        # A file system without flock, such as Lustre by default, where filelock has a marker.
        from filelock import FileLock, Timeout

        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True

    @property
    def finished_at(self) -> float | None:
        """When the study was completed, in seconds since 1970; None if that was not recorded."""
        marker = self.path / "finished"
        if not self.finished or not marker.stat().st_size:
            return None
        content: dict[str, float] = read_json(marker, dict[str, float], "delete it and --resume")
        return content.get("time")

    def finish(self) -> None:
        """Mark the study as complete."""
        with atomic_write(self.path / "finished") as unfinished:
            unfinished.write_text(json.dumps({"time": time.time()}))

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


def find_run(storage: Path, text: str) -> RunFolder:
    """The run that a command names.

    Args:
        storage: folder of all studies; a path needs none.
        text: a study's name, which takes its newest run; ``NAME@run-001``; or the path of the
            folder of either, such as ``results/NAME/run-001``.

    Raises:
        InputError: if there is no such run; the message lists the existing studies, or the runs of
            the study.
    """
    if os.sep in text:
        storage, text = _from_path(Path(os.path.normpath(Path.cwd() / text)))
    name, given, chosen = text.partition("@")
    runs = {r.path.name: r for r in list_runs(storage, name) if r.study_file.is_file()}
    if not runs:
        studies = sorted({path.parent.parent.name for path in storage.glob("*/run-*/study.yaml")})
        raise InputError(
            f"no study {name!r} under {storage}; existing studies: "
            f"{', '.join(studies) or 'none'}; those of another folder need --storage FOLDER"
        )
    if given and chosen not in runs:
        wrong = f"there is no {chosen}" if chosen else "a run's name is missing after @"
        raise InputError(f"{text}: {wrong}; the study has {', '.join(runs)}")
    return runs[chosen] if given else list(runs.values())[-1]


def _from_path(path: Path) -> tuple[Path, str]:
    """Storage and name of the folder of a run or of a study."""
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    path = near if len(near.parts) > 1 else path
    if path.name.startswith("run-"):
        return path.parent.parent, f"{path.parent.name}@{path.name}"
    return path.parent, path.name
