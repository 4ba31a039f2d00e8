"""What a study keeps on disk, and where.

```
STORAGE/STUDY/run-001/
  study.yaml             the settings, overrides included
  optuna.journal         proposals and outcomes of the search
  mlflow.json            where the tracking is, the parent run, and which trials it has
  environment.json       versions and machine of each driver
  trials/NAME/           config.json, started.json, progress.json, attempts.json, result.json,
                         outcome.json, per_query/ ...
  report/                the report
  ray/                   Ray's own state
  driver.lock            held by the process that runs it
  finished               there once the study went to its end
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
from hybridir.runtime.files import replacing

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
        metrics: the last figures reported.
        reason: of a failure, its last lines included; else empty.
        host: machine that it ran on.
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
        """The baseline that it belongs to, such as ``x-x``; None in other phases."""
        if self.phase != names.PHASE_BASELINE:
            return None
        start = names.trial_name(names.PHASE_BASELINE, "")
        return self.name.removeprefix(start).rpartition("-s")[0]

    def read(self, file: str) -> dict[str, Any] | None:
        """One of the trial's JSON files, or None if it is not there."""
        try:
            content: dict[str, Any] = json.loads((self.path / file).read_text())
        except FileNotFoundError:
            return None
        return content

    def write(self, file: str, content: dict[str, Any]) -> None:
        """Write one of the trial's JSON files, whole or not at all."""
        with replacing(self.path / file) as part:
            part.write_text(json.dumps(content, indent=1))

    def begin(self) -> None:
        """Note when the trial began; a continuation changes nothing."""
        if not (self.path / STARTED).is_file():
            self.write(STARTED, {"time": time.time()})

    @property
    def started(self) -> float:
        """When the trial began, or was made ready if that is not known; seconds since 1970."""
        noted = self.read(STARTED)
        if noted:
            return float(noted["time"])
        ready = self.path / names.ARTIFACT_CONFIG
        return (ready if ready.is_file() else self.path).stat().st_mtime

    @property
    def ended(self) -> float:
        """When the trial ended, in seconds since 1970; it must have an outcome."""
        return (self.path / OUTCOME).stat().st_mtime

    @property
    def outcome(self) -> Outcome | None:
        """How the trial ended; None while it has not."""
        content = self.read(OUTCOME)
        return Outcome(**content) if content else None

    def settle(self, outcome: Outcome) -> None:
        """Write down how the trial ended, and drop the checkpoint that nobody will continue."""
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
        """Where the tracking is, and which trials it has."""
        return self.path / "mlflow.json"

    @property
    def environment(self) -> Path:
        """Versions and machine of each driver."""
        return self.path / names.RUN_ENVIRONMENT

    @property
    def finished(self) -> bool:
        """Whether the study went to its end."""
        return (self.path / "finished").is_file()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the run for this process.

        Raises:
            InputError: if another process runs it.
        """
        lock = FileLock(self.path / "driver.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"{self.path} is being run by another process; wait for its end or stop it"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def is_held(self) -> bool:
        """Whether a process runs it now."""
        lock = self.path / "driver.lock"
        if not lock.is_file():
            return False
        try:
            # Only for a moment, and nothing is waited for.
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True

    def finish(self) -> None:
        """Note that the study went to its end."""
        with replacing(self.path / "finished") as part:
            part.touch()

    def trial(self, name: str) -> TrialFolder:
        """The folder of a trial, which need not exist yet."""
        return TrialFolder(self.path / names.RUN_TRIALS / name)

    def trials(self) -> list[TrialFolder]:
        """The folders of all trials that have started, by name."""
        return [TrialFolder(path) for path in sorted((self.path / names.RUN_TRIALS).glob("*-*"))]


def search_trial(number: int) -> str:
    """The name of a search trial, from its number."""
    return names.trial_name(names.PHASE_SEARCH, f"{number:03d}")


def cache_folder(storage: Path) -> Path:
    """Folder of prepared data: HYBRIDIR_CACHE, or ``cache`` under the storage."""
    given = os.environ.get("HYBRIDIR_CACHE")
    return Path(given) if given else storage / "cache"


def new_run(storage: Path, study: str) -> RunFolder:
    """Create the next free folder of a study; of two callers at once each gets its own."""
    found = runs(storage, study)
    number = found[-1].number + 1 if found else 1
    while True:
        folder = RunFolder(storage / study / f"run-{number:03d}")
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def runs(storage: Path, study: str) -> list[RunFolder]:
    """The runs of a study so far, oldest first."""
    found = [
        RunFolder(path)
        for path in (storage / study).glob("run-*")
        if path.name.removeprefix("run-").isdecimal()
    ]
    return sorted(found, key=lambda run: run.number)


def latest_run(storage: Path, study: str) -> RunFolder:
    """The newest run of a study.

    Raises:
        InputError: if there is none; the studies that there are are named.
    """
    found = [run for run in runs(storage, study) if run.study_file.is_file()]
    if not found:
        known = sorted({path.parent.parent.name for path in storage.glob("*/run-*/study.yaml")})
        raise InputError(
            f"there is no study {study!r} under {storage}; "
            f"studies there: {', '.join(known) or 'none'}"
        )
    return found[-1]
