"""Ray's events -> the study's folder, its tracking and its narration."""

import math
import socket
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback

from hybridir import names
from hybridir.config import TrialConfig
from tune.driver_only import DriverOnly
from tune.folders import FAILURE, Outcome, RunFolder, TrialFolder
from tune.record.tracking import Tracker
from tune.searching.searcher import failure_reason, final_state
from tune.space.parameters import Value, describe
from tune.view.narrator import Narrator
from tune.worker.trainable import BUDGET_PERCENT, has_failed


class StudyCallback(DriverOnly, Callback):
    """Settles each trial in the driver: its folder first, then tracking, then a line.

    Args:
        folder: of the study.
        tracker: writes to MLflow.
        narrator: tells the user.
        shown: from a trial's configuration to the parameters to print.
    """

    def __init__(
        self,
        folder: RunFolder,
        tracker: Tracker,
        narrator: Narrator,
        shown: Callable[[TrialConfig], dict[str, Value]],
    ) -> None:
        self._folder = folder
        self._tracker = tracker
        self._narrator = narrator
        self._shown = shown

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Note the trial's begin, and open its run."""
        folder = self._trial(trial)
        folder.begin()
        self._tracker.start_trial(folder)
        self._narrator.trial_started(folder)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Settle a trial that ended by itself or was stopped by the scheduler."""
        self._settle(trial, error=False)

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Tell that a trial was cut off and will go on."""
        folder = self._trial(trial)
        failure = folder.read(FAILURE)
        seen = (
            failure["reason"].strip().splitlines()[-1] if failure else "its process or node died"
        )
        self._narrator.trial_cut_off(folder, seen)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Settle a trial that failed for good."""
        self._settle(trial, error=True)

    def _settle(self, trial: Trial, *, error: bool) -> None:
        folder = self._trial(trial)
        # The searcher has settled a search trial already, before it told Optuna.
        outcome = folder.outcome or settle(folder, trial.last_result or {}, error)
        self._tracker.end_trial(folder)
        shown = self._shown(self._config(trial))
        self._narrator.trial_ended(folder, describe(shown), outcome)

    def _trial(self, trial: Trial) -> TrialFolder:
        return self._folder.trial(trial_name(trial))

    def _config(self, trial: Trial) -> TrialConfig:
        return TrialConfig.model_validate_json(trial.config["trial"]["config"])


class Silent(TrialProgressCallback):
    """Takes the place of Ray's own lines, of which verbosity 0 leaves one: a trial's bare end."""

    def _print(self, msg: str) -> None:
        pass


def trial_name(trial: Trial) -> str:
    """The name that the trial's folder bears, such as ``search-003``."""
    return str(trial.config["trial"]["folder"]).rsplit("/", 1)[-1]


def settle(
    folder: TrialFolder, result: dict[str, Any], error: bool, objectives: Sequence[str] = ()
) -> Outcome:
    """Write down how a trial ended.

    Args:
        folder: the trial's.
        result: the last that Ray had of it; may be empty.
        error: whether Ray gave it up.
        objectives: metrics without a finite value of which the trial has failed.
    """
    error = error or has_failed(folder)
    failure = (folder.read(FAILURE) or {}) if error else {}
    reason = failure.get("reason", "the worker process died") if error else ""
    reason = reason or failure_reason(result, objectives)
    outcome = Outcome(
        state=final_state(result, error=error or bool(reason)),
        metrics=_figures(result),
        reason=reason,
        host=failure.get("host") or result.get("hostname") or socket.gethostname(),
    )
    folder.settle(outcome)
    return outcome


def _figures(result: dict[str, Any]) -> dict[str, float]:
    """The chosen metrics of a result, without the process ids and times that Ray adds."""
    return {
        key: float(value)
        for key, value in result.items()
        if ("/" in key or key == names.FIDELITY)
        and key != BUDGET_PERCENT
        and isinstance(value, (int, float))
        and not key.startswith("config/")
        and math.isfinite(value)
    }
