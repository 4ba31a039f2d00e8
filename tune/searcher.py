"""Optuna <-> Ray: every trial is told to Optuna as what it was.

Ray's own OptunaSearch tells COMPLETE for a trial that a scheduler stopped, and leaves one whose
metric became NaN running for ever. Here a stopped trial is PRUNED with its last value and step, a
failed one is FAIL, and the journal file is the only state: after an interruption the unfinished
trials are proposed again as they were, and the next proposals are those of an undisturbed run.
"""

import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from hybridir import names
from hybridir.seeds import derive_seed
from tune.driver_only import DriverOnly
from tune.folders import Outcome, TrialFolder
from tune.trainable import BUDGET_PERCENT

Sampler = Literal["tpe", "gp", "random", "quasi-random"]


def make_sampler(name: Sampler, *, seed: int, number: int, startup_trials: int) -> BaseSampler:
    """One of Optuna's samplers, for one proposal.

    Args:
        name: which.
        seed: of the study's search.
        number: of the trial to be proposed. It goes into the random state, so that a search that
            was interrupted does not draw its first proposals again.
        startup_trials: random trials before a model takes over.
    """
    own = derive_seed(seed, f"proposal/{number}") % 2**32
    if name == "quasi-random":
        # One sequence for all, whose points the journal counts. It has no place for choices.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return QMCSampler(
                seed=seed % 2**32,
                scramble=True,
                independent_sampler=RandomSampler(seed=own),
                warn_independent_sampling=False,
            )
    if name == "tpe":
        # Constant liar: parallel trials are not proposed next to each other.
        return TPESampler(seed=own, n_startup_trials=startup_trials, constant_liar=True)
    if name == "gp":
        return GPSampler(seed=own, n_startup_trials=startup_trials)
    return RandomSampler(seed=own)


def open_study(journal: Path, name: str) -> optuna.Study:
    """Open or create the Optuna study in a journal file; the driver alone does so."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))),
        study_name=name,
        direction="maximize",
        load_if_exists=True,
    )


class TruthfulSearcher(DriverOnly, Searcher):
    """Proposes trials by Optuna and tells it how they ended.

    Args:
        study: the Optuna study. Trials that ended in their folders alone, because the driver was
            killed in between, are told to it first.
        space: distribution of each searched parameter.
        objective: metric that is maximised.
        trials: number of trials in all, those of an interrupted run included.
        sampler: from a trial's number to the sampler that proposes it.
        folder: from a trial's number to its folder.
        make_spec: from (trial number, parameters) to what the worker is given.
        settle: writes down how a trial ended, from (folder, last result, whether it failed);
            Optuna is told after it.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: dict[str, BaseDistribution],
        objective: str,
        trials: int,
        *,
        sampler: Callable[[int], BaseSampler],
        folder: Callable[[int], TrialFolder],
        make_spec: Callable[[int, dict[str, Any]], dict[str, Any]],
        settle: Callable[[TrialFolder, dict[str, Any], bool], Outcome],
    ) -> None:
        super().__init__(metric=objective, mode="max")
        self._study = study
        self._space = space
        self._objective = objective
        self._sampler = sampler
        self._folder = folder
        self._make_spec = make_spec
        self._settle = settle
        for trial in _unfinished(study):
            outcome = folder(trial.number).outcome
            if outcome:
                self._tell(trial.number, outcome)
        self._interrupted = deque(_unfinished(study))
        self.remaining = trials - (self._count() - len(self._interrupted))
        self._running: dict[str, int] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Propose the next trial: an interrupted one as it was, else a new one."""
        if self._interrupted:
            again = self._interrupted.popleft()
            number, parameters = again.number, again.params
        else:
            self._study.sampler = self._sampler(self._count())
            new = self._study.ask(self._space)
            number, parameters = new.number, new.params
        self._running[trial_id] = number
        return self._make_spec(number, parameters)

    def lags(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether a trial lies below the median of those that came to this share before it.

        The values are read from the journal, so that they outlive the driver. A trial that came
        here before its driver was killed was let through then.
        """
        step, number = result[BUDGET_PERCENT], self._running[trial_id]
        reached = {
            trial.number: trial.intermediate_values[step]
            for trial in self._study.get_trials(deepcopy=False)
            if step in trial.intermediate_values
        }
        if number in reached or not reached or self._objective not in result:
            return False
        return bool(result[self._objective] < np.median(list(reached.values())))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Note the value at this share of the budget."""
        self._last[trial_id] = result
        if self._objective in result:
            self._report(self._running[trial_id], result[BUDGET_PERCENT], result[self._objective])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Write down how the trial ended, then tell Optuna."""
        last = self._last.pop(trial_id, {})
        number = self._running.pop(trial_id)
        self._tell(number, self._settle(self._folder(number), result or last, error))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all."""

    def _count(self) -> int:
        return len(self._study.get_trials(deepcopy=False))

    def _report(self, number: int, step: int, value: float) -> None:
        # Not `Trial.report`: making a Trial of an interrupted one would draw from the sampler.
        trial = self._study.get_trials(deepcopy=False)[number]
        self._study._storage.set_trial_intermediate_value(trial._trial_id, step, value)

    def _tell(self, number: int, outcome: Outcome) -> None:
        value = outcome.metrics.get(self._objective)
        if outcome.state == names.COMPLETE and value is not None:
            self._study.tell(number, value)
        elif outcome.state == names.PRUNED:
            if value is not None:
                self._report(number, round(100 * outcome.metrics[names.FIDELITY]), value)
            self._study.tell(number, state=TrialState.PRUNED)
        else:
            self._study.tell(number, state=TrialState.FAIL)


def _unfinished(study: optuna.Study) -> list[FrozenTrial]:
    return [t for t in study.get_trials(deepcopy=False) if not t.state.is_finished()]


def final_state(result: dict[str, Any], *, error: bool) -> str:
    """How a trial ended, from the last thing that it reported.

    Returns:
        `names.FAIL` after an error or without any report, `names.PRUNED` if it was stopped before
        its whole budget, else `names.COMPLETE`.
    """
    if error or BUDGET_PERCENT not in result:
        return names.FAIL
    return names.COMPLETE if result[BUDGET_PERCENT] >= 100 else names.PRUNED


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial with the highest objective, the earliest of equals, or None.

    Pruned trials were measured at another fidelity and are never compared.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)
