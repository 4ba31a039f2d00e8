"""Optuna <-> Ray: every trial is told to Optuna as what it was.

Ray's own OptunaSearch tells COMPLETE for a trial that a scheduler stopped, and leaves one whose
metric became NaN running for ever. Here a stopped trial is PRUNED with its last value and step, a
failed one is FAIL, and the journal file is the only state: after an interruption the unfinished
trials are proposed again as they were, and the next proposals are those of an undisturbed run.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from hybridir import names
from hybridir.errors import InputError
from tune.driver_only import DriverOnly
from tune.folders import Outcome, TrialFolder
from tune.space.parameters import Value
from tune.space.ranges import Space, digest, propose
from tune.worker.trainable import BUDGET_PERCENT

# User attribute of a trial that was proposed here: its number, from 0, which names its folder.
# Optuna's own numbers also count imported trials and those that were cut off while proposed.
NUMBER = "number"
_REASON = "reason"
_SPACE = "space"
_OBJECTIVES = "objectives"


def open_study(journal: Path, name: str) -> optuna.Study:
    """Open the Optuna study in a journal file, to read it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=name, storage=_storage(journal))


def start_study(journal: Path, name: str, objectives: Sequence[str], space: Space) -> optuna.Study:
    """Open or create the Optuna study in a journal file, to go on with it; the driver alone does.

    Raises:
        InputError: if the journal's search had another space or objective.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=_storage(journal),
        study_name=name,
        directions=["maximize"] * len(objectives),
        load_if_exists=True,
    )
    wanted = {_SPACE: digest(space), _OBJECTIVES: list(objectives)}
    for key, value in wanted.items():
        found = study.user_attrs.get(key)
        if found is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(key, value)
        elif found != value:
            raise InputError(
                f"{journal}: its trials belong to another {key.removesuffix('s')} ({found}, now "
                f"{value}); a changed search is a new study: start one without --resume, with "
                f"search.warm_start={name} to build on these trials"
            )
    return study


def _storage(journal: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(journal)))


class TruthfulSearcher(DriverOnly, Searcher):
    """Proposes trials by Optuna and tells it how they ended.

    Args:
        study: the Optuna study. Trials that ended in their folders alone, because the driver was
            killed in between, are told to it first.
        space: what is searched.
        objectives: metrics that are maximised. A trial that ends without a finite value of each
            has failed.
        trials: number of trials in all, those of an interrupted run included and imported ones
            not.
        sampler: from a trial's number to the sampler that proposes it.
        folder: from a trial's number to its folder.
        make_spec: from (trial number, parameters) to what the worker is given.
        settle: writes down how a trial ended, from (folder, last result, whether it failed);
            Optuna is told after it.
        concurrent: number of trials that can run at once; the next is proposed only when one of
            them has ended, from all that is known then. 0: proposed as soon as Ray asks, which is
            one trial ahead.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        objectives: Sequence[str],
        trials: int,
        *,
        sampler: Callable[[int], BaseSampler],
        folder: Callable[[int], TrialFolder],
        make_spec: Callable[[int, dict[str, Value]], dict[str, Any]],
        settle: Callable[[TrialFolder, dict[str, Any], bool], Outcome],
        concurrent: int = 0,
    ) -> None:
        super().__init__(metric=objectives[0], mode="max")
        self._study = study
        self._space = space
        self._objectives = tuple(objectives)
        self._sampler = sampler
        self._folder = folder
        self._make_spec = make_spec
        self._settle = settle
        self._concurrent = concurrent
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished():
                continue
            number = own_number(trial)
            if number is None:
                # Cut off while it was proposed: the same is proposed again under its number.
                study.tell(trial.number, state=TrialState.FAIL)
            elif outcome := folder(number).outcome:
                self._tell(trial.number, outcome)
        own = own_trials(study)
        self._index = {number: trial.number for number, trial in own.items()}
        self._interrupted = deque(
            number for number, trial in own.items() if not trial.state.is_finished()
        )
        self.remaining = trials - len(own) + len(self._interrupted)
        self._running: dict[str, int] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Propose the next trial: an interrupted one as it was, else a new one."""
        if self._concurrent and len(self._running) >= self._concurrent:
            return None
        if self._interrupted:
            number = self._interrupted.popleft()
            parameters = self._frozen(number).params
        else:
            number = len(self._index)
            self._study.sampler = self._sampler(number)
            new = self._study.ask()
            parameters = propose(new, self._space)
            # Last, so that a proposal with a number is a whole one.
            new.set_user_attr(NUMBER, number)
            self._index[number] = new.number
        self._running[trial_id] = number
        return self._make_spec(number, parameters)

    def reached(self, trial_id: str, steps: Sequence[int]) -> tuple[bool, list[dict[int, float]]]:
        """What is known of the others where a trial has come to a share of its budget.

        It is read from the journal, so that it outlives the driver.

        Args:
            trial_id: Ray's.
            steps: shares in percent, rising; the last is where the trial is.

        Returns:
            Whether the trial was here before, and, of each other trial that was, its values at
            these shares.
        """
        number = self._index[self._running[trial_id]]
        here = {
            trial.number: {
                step: trial.intermediate_values[step]
                for step in steps
                if step in trial.intermediate_values
            }
            for trial in self._study.get_trials(deepcopy=False)
            if steps[-1] in trial.intermediate_values
        }
        return number in here, [values for other, values in here.items() if other != number]

    def own_values(self, trial_id: str) -> dict[int, float]:
        """A trial's values so far, by share of the budget in percent."""
        return dict(self._frozen(self._running[trial_id]).intermediate_values)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Note the value at this share of the budget."""
        self._last[trial_id] = result
        self._report(
            self._index[self._running[trial_id]],
            result[BUDGET_PERCENT],
            result.get(self._objectives[0]),
        )

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Write down how the trial ended, then tell Optuna."""
        last = self._last.pop(trial_id, {})
        number = self._running.pop(trial_id)
        outcome = self._settle(self._folder(number), result or last, error)
        self._tell(self._index[number], outcome)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal has it all."""

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[self._index[number]]

    def _report(self, index: int, step: int, value: float | None) -> None:
        if value is None or not math.isfinite(value) or len(self._objectives) > 1:
            return  # Optuna has no intermediate values of several objectives
        # Not `Trial.report`: making a Trial of an interrupted one would draw from the sampler.
        trial = self._study.get_trials(deepcopy=False)[index]
        self._study._storage.set_trial_intermediate_value(trial._trial_id, step, value)

    def _tell(self, index: int, outcome: Outcome) -> None:
        values = [outcome.metrics.get(name, math.nan) for name in self._objectives]
        if outcome.state == names.FAIL or not all(map(math.isfinite, values)):
            trial = self._study.get_trials(deepcopy=False)[index]
            self._study._storage.set_trial_user_attr(trial._trial_id, _REASON, outcome.reason)
            self._study.tell(index, state=TrialState.FAIL)
        elif outcome.state == names.COMPLETE:
            self._study.tell(index, values)
        else:
            self._report(index, round(100 * outcome.metrics[names.FIDELITY]), values[0])
            self._study.tell(index, state=TrialState.PRUNED)


def own_number(trial: FrozenTrial) -> int | None:
    """The number that names a trial's folder; None of an imported one."""
    number: int | None = trial.user_attrs.get(NUMBER)
    return number


def own_trials(study: optuna.Study) -> dict[int, FrozenTrial]:
    """The trials that were proposed here, by the number that names their folder."""
    return {
        number: trial
        for trial in study.get_trials(deepcopy=False)
        if (number := own_number(trial)) is not None
    }


def failure_reason(result: dict[str, Any], objectives: Sequence[str]) -> str:
    """Why a trial that ended by itself has failed all the same, or nothing."""
    bad = [name for name in objectives if not math.isfinite(result.get(name, math.nan))]
    return ", ".join(
        f"{name} is {result[name]}" if name in result else f"{name} was not measured"
        for name in bad
    )


def final_state(result: dict[str, Any], *, error: bool) -> str:
    """How a trial ended, from the last thing that it reported.

    Returns:
        `names.FAIL` after an error or without any report, `names.PRUNED` if it was stopped before
        its whole budget, else `names.COMPLETE`.
    """
    if error or BUDGET_PERCENT not in result:
        return names.FAIL
    return names.COMPLETE if result[BUDGET_PERCENT] >= 100 else names.PRUNED


def pareto_front(study: optuna.Study) -> list[FrozenTrial]:
    """The complete trials that no other one excels in all objectives, by number.

    With one objective these are the best trial and its equals.
    """
    return sorted(study.best_trials, key=lambda trial: trial.number)


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial with the highest objective, the earliest of equals, or None.

    Of several objectives, the trial of the Pareto front with the highest mean of them: this
    project's own rule, for want of another that needs no weights. Pruned trials were measured at
    another fidelity and are never compared.
    """
    return max(pareto_front(study), key=lambda trial: (score(trial), -trial.number), default=None)


def score(trial: FrozenTrial) -> float:
    """The mean of a complete trial's objectives."""
    values = trial.values
    assert values, "complete trials have values"
    return math.fsum(values) / len(values)
