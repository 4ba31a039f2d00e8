"""Ray <-> `run_trial`: what happens in a worker process."""

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune as ray_tune

from hybridir import names
from hybridir.errors import TrialError
from hybridir.runtime.files import remove_leftovers
from tune.folders import FAILURE, TrialFolder
from tune.worker.attempts import begin_attempt
from tune.worker.processes import run_together
from tune.worker.trial_process import Failure, run_here

# Ray schedulers count in whole numbers.
BUDGET_PERCENT = "budget_percent"
# Tells the attempts of this driver from those of an earlier one.
_DRIVER = uuid.uuid4().hex


def train_trial(spec: dict[str, Any]) -> None:
    """Run one trial and report to Ray; the body of a Ray Tune function trainable.

    A trial that cannot go on leaves its reason in ``failure.json`` and ends without an error,
    which Ray would answer with a retry, though a trial repeats exactly, and with a new process.

    Args:
        spec: ``{"trial": {...}}``, see `trial_spec`.

    Raises:
        TrialError: if the trial is to be tried again, or the process is not to be used again.
    """
    trial = spec["trial"]
    folder = TrialFolder(Path(trial["folder"]))
    if has_failed(folder):
        return
    hopeless = begin_attempt(folder, trial["driver"], trial["max_failures"])
    if hopeless:
        _note(folder, Failure(hopeless, final=True))
        return
    remove_leftovers(folder.path)
    run = run_here if trial["processes"] == 1 else run_together
    failure = run(trial, _report)
    if failure is None:
        (folder.path / FAILURE).unlink(missing_ok=True)
        return
    _note(folder, failure)
    if failure.worn or not failure.final:
        raise TrialError(failure.reason)


def has_failed(folder: TrialFolder) -> bool:
    """Whether a trial has failed in a way that a retry would only repeat."""
    failure = folder.read(FAILURE)
    return bool(failure and failure["final"])


def trial_spec(
    *,
    folder: Path,
    cache: Path,
    config: str,
    fidelities: list[float],
    cpu: int,
    keep_encoder: bool,
    gpu: float = 0,
    processes: int = 1,
    max_failures: int = 3,
) -> dict[str, Any]:
    """What a worker needs to know; data go by path, so that this stays small.

    Args:
        folder: the trial's own folder.
        cache: folder of prepared data.
        config: the `TrialConfig` as JSON.
        fidelities: see `run_trial`.
        cpu: threads of each process.
        keep_encoder: see `run_trial`.
        gpu: GPUs of each process.
        processes: that the trial runs in; see `tune.worker.processes.trial_resources`.
        max_failures: times in a row that the trial may be cut off without getting further.
    """
    return {
        "trial": {
            "folder": str(folder.resolve()),
            "cache": str(cache.resolve()),
            "config": config,
            "fidelities": fidelities,
            "cpu": cpu,
            "keep_encoder": keep_encoder,
            "gpu": gpu,
            "processes": processes,
            "max_failures": max_failures,
            "driver": _DRIVER,
        }
    }


def _report(metrics: dict[str, float]) -> None:
    ray_tune.report({**metrics, BUDGET_PERCENT: round(100 * metrics[names.FIDELITY])})


def _note(folder: TrialFolder, failure: Failure) -> None:
    folder.write(FAILURE, asdict(failure))
