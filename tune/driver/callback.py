"""Ray's events -> the study's folder, its tracking and its narration."""

import errno
import os
from collections.abc import Callable
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.errors import ChangedDataError
from hybridir.runtime.files import has_no_room
from tune.driver.encoders import drop_beaten_encoders
from tune.driver.killed_workers import DeathsBeforeTheTrial, why_lost
from tune.driver_only import DriverOnly
from tune.folders import ATTEMPTS, FAILURE, RunFolder, TrialFolder
from tune.outcome import figures_of, finalize_trial
from tune.readiness.cluster import watch_clock
from tune.record.tracking import Tracker
from tune.space.parameters import Value, describe
from tune.view.narrator import Narrator
from tune.worker.attempts import began_again

_DEVELOPMENT = f"{names.DEV}/"


class StudyCallback(DriverOnly, Callback):
    """Finalizes each trial in the driver: first its folder, then tracking, then a line of output.

    Args:
        folder: run folder of the study.
        tracker: writes to MLflow.
        narrator: reports to the user.
        parameters_of: selects the parameters to print from a trial's configuration.
    """

    def __init__(
        self,
        folder: RunFolder,
        tracker: Tracker,
        narrator: Narrator,
        parameters_of: Callable[[TrialConfig], dict[str, Value]],
    ) -> None:
        self._folder = folder
        self._tracker = tracker
        self._narrator = narrator
        self._parameters_of = parameters_of
        self._deaths = DeathsBeforeTheTrial()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Look at the clock, several times a second."""
        watch_clock()

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Record the trial's start, and open its MLflow run."""
        folder = self._trial(trial)
        folder.begin()
        self._tracker.start_trial(folder)
        self._narrator.trial_started(folder, describe(self._parameters_of(self._config(trial))))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Record and show what a trial has reached at a share of its budget."""
        folder = self._trial(trial)
        share = result.get(names.FIDELITY, 1.0)
        if share < 1:
            figures = {
                key: v for key, v in figures_of(result).items() if key.startswith(_DEVELOPMENT)
            }
            folder.write_development(share, figures)
        self._narrator.trial_reported(folder, result)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Finalize a trial that ended by itself or that the scheduler stopped."""
        self._finalize(trial, error=False)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Report that a trial was interrupted and will continue."""
        folder = self._trial(trial)
        failure = folder.read(FAILURE)
        # Every further attempt would fail in the same way.
        if failure and failure.get("changed"):
            raise ChangedDataError(failure["reason"])
        if (failure and failure.get("full")) or has_no_room(folder.path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.path))
        reason = failure["reason"].strip().splitlines()[-1] if failure else why_lost(trial)
        attempts = (folder.read(ATTEMPTS) or {"attempts": []})["attempts"]
        if self._deaths.had_begun(folder.name, len(attempts)):
            self._narrator.trial_interrupted(folder, reason)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Finalize a trial that failed for good."""
        self._finalize(trial, error=True)

    def _finalize(self, trial: Trial, *, error: bool) -> None:
        folder = self._trial(trial)
        # The searcher has finalized a search trial already, before it told Optuna.
        outcome = folder.outcome or finalize_trial(folder, trial.last_result or {}, error)
        self._tracker.end_trial(folder)
        if folder.phase == names.PHASE_CONFIRM:
            drop_beaten_encoders(self._folder)
        parameters = self._parameters_of(self._config(trial))
        if began_again(folder):
            self._narrator.trial_began_again(folder)
        self._narrator.trial_ended(folder, describe(parameters), outcome)

    def _trial(self, trial: Trial) -> TrialFolder:
        return self._folder.trial(folder_name(trial))

    def _config(self, trial: Trial) -> TrialConfig:
        return TrialConfig.model_validate_json(trial.config["trial"]["config"])


class Silent(TrialProgressCallback):
    """Replaces Ray's own output; at verbosity 0 Ray still prints a line at a trial's end."""

    def _print(self, msg: str) -> None:
        pass


def folder_name(trial: Trial) -> str:
    """Name of the folder of one of Ray's trials, such as ``search-003``."""
    return str(trial.config["trial"]["folder"]).rsplit("/", 1)[-1]
