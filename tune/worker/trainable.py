"""Ray <-> `run_trial`: the work of a Ray Tune worker process."""

from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune as ray_tune

from hybridir import names
from hybridir.errors import TrialError
from hybridir.runtime.files import remove_leftovers
from tune.folders import FAILURE, TrialFolder
from tune.outcome import BUDGET_PERCENT, has_failed
from tune.worker.attempts import begin_attempt
from tune.worker.notices import Heedful
from tune.worker.processes import run_in_group
from tune.worker.spec import TrialSpec
from tune.worker.trial_process import Failure, run_in_process


def train_trial(config: dict[str, Any]) -> None:
    """Run one trial and report to Ray; the body of a Ray Tune function trainable.

    A trial that cannot continue leaves its reason in ``failure.json`` and ends without an error.
    Ray would answer an error with a retry, though a trial repeats exactly, and with a new process.

    Args:
        config: see `TrialSpec.as_ray_config`.

    Raises:
        TrialError: if the trial is to be retried, or the process must not be used again.
    """
    spec = TrialSpec.from_ray_config(config)
    folder = TrialFolder(Path(spec.folder))
    if has_failed(folder):
        return
    exhausted = begin_attempt(folder, spec.driver, spec.max_failures)
    if exhausted:
        _write_failure(folder, Failure(exhausted, final=True))
        return
    remove_leftovers(folder.path)
    run = run_in_process if spec.processes == 1 else run_in_group
    failure = run(spec, _report)
    if failure is None:
        (folder.path / FAILURE).unlink(missing_ok=True)
        return
    with suppress(OSError) if failure.full else nullcontext():
        _write_failure(folder, failure)
    if failure.poisoned or not failure.final:
        raise TrialError(failure.reason)


# Ray makes a class of the function, with these bases.
train_trial.__mixins__ = (Heedful,)  # type: ignore[attr-defined]


def _report(metrics: dict[str, float]) -> None:
    ray_tune.report({**metrics, BUDGET_PERCENT: round(100 * metrics[names.FIDELITY])})


def _write_failure(folder: TrialFolder, failure: Failure) -> None:
    folder.write(FAILURE, asdict(failure))
