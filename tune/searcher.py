"""Optuna <-> Ray: every trial is told to Optuna as what it was.

Ray's own OptunaSearch tells COMPLETE for a trial that a scheduler stopped, and leaves one whose
metric became NaN running for ever. Here a stopped trial is PRUNED with its last value and step, a
failed one is FAIL, and the journal file is the only state: after an interruption the unfinished
trials are proposed again as they were.
"""

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from ray.tune.search import Searcher

from hybridir import names
from tune.driver_only import DriverOnly
from tune.trainable import BUDGET_PERCENT

Sampler = Literal["tpe", "gp", "random", "quasi-random"]


def make_sampler(name: Sampler, *, seed: int, startup_trials: int) -> BaseSampler:
    """One of Optuna's samplers.

    Args:
        name: which.
        seed: of its random choices.
        startup_trials: random trials before a model takes over.
    """
    if name == "tpe":
        # Constant liar: parallel trials are not proposed next to each other.
        return TPESampler(seed=seed, n_startup_trials=startup_trials, constant_liar=True)
    if name == "gp":
        return GPSampler(seed=seed, n_startup_trials=startup_trials)
    if name == "quasi-random":
        return QMCSampler(seed=seed, scramble=True)
    return RandomSampler(seed=seed)


def open_study(journal: Path, name: str, sampler: BaseSampler | None = None) -> optuna.Study:
    """Open or create the Optuna study in a journal file; the driver alone does so."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))),
        study_name=name,
        direction="maximize",
        sampler=sampler,
        load_if_exists=True,
    )


class TruthfulSearcher(DriverOnly, Searcher):
    """Proposes trials by Optuna and tells it how they ended.

    Args:
        study: the Optuna study.
        space: distribution of each searched parameter.
        objective: metric that is maximised.
        trials: number of trials in all, those of an interrupted run included.
        make_spec: from (trial number, parameters) to what the worker is given.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: dict[str, BaseDistribution],
        objective: str,
        trials: int,
        make_spec: Callable[[int, dict[str, Any]], dict[str, Any]],
    ) -> None:
        super().__init__(metric=objective, mode="max")
        self._study = study
        self._space = space
        self._make_spec = make_spec
        known = study.get_trials(deepcopy=False)
        self._unfinished = deque(trial for trial in known if not trial.state.is_finished())
        self.remaining = trials - sum(trial.state.is_finished() for trial in known)
        self._running: dict[str, Trial] = {}

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Propose the next trial: an interrupted one as it was, else a new one."""
        trial = self._resumed() if self._unfinished else self._study.ask(self._space)
        self._running[trial_id] = trial
        return self._make_spec(trial.number, trial.params)

    def _resumed(self) -> Trial:
        frozen = self._unfinished.popleft()
        return Trial(self._study, frozen._trial_id)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Note the value at this share of the budget."""
        value = result.get(self.metric, math.nan)
        if math.isfinite(value):
            self._running[trial_id].report(value, step=result[BUDGET_PERCENT])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell Optuna the truth; see `final_state`."""
        trial = self._running.pop(trial_id)
        state = final_state(result, error=error)
        value = (result or {}).get(self.metric, math.nan)
        if state == names.COMPLETE and math.isfinite(value):
            self._study.tell(trial, value)
        elif state == names.PRUNED:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all."""


def final_state(result: dict[str, Any] | None, *, error: bool) -> str:
    """How a trial ended, from the last thing that it reported.

    Returns:
        `names.FAIL` after an error or without any report, `names.PRUNED` if it was stopped before
        its whole budget, else `names.COMPLETE`.
    """
    if error or not result or BUDGET_PERCENT not in result:
        return names.FAIL
    return names.COMPLETE if result[BUDGET_PERCENT] >= 100 else names.PRUNED


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial with the highest objective; the earliest of equals; None if there is none.

    Pruned trials were measured at another fidelity and are never compared.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)
