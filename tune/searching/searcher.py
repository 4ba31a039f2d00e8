"""Optuna <-> Ray: proposals out of a journal, and every trial's true end back into it.

Ray's own OptunaSearch tells Optuna COMPLETE for a trial that a scheduler stopped, and leaves a
trial whose metric became NaN running for ever. Here a stopped trial is PRUNED with its last value
and step, a failed one is FAIL, and the journal file is the only state: after an interruption the
unfinished trials are proposed again unchanged, and later proposals equal those of an undisturbed
run.
"""

import json
import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from hybridir import names
from hybridir.errors import InputError
from tune.driver_only import DriverOnly
from tune.folders import Outcome, RunFolder, search_trial
from tune.outcome import BUDGET_PERCENT, finalize_trial
from tune.space.parameters import Value, same_ratio
from tune.space.ranges import Space, propose, restrict, space_digest
from tune.space.settings import SearchConfig, direction

# User attribute of a trial that was proposed here: its number, from 0, which names its folder.
# Optuna's own numbers also count imported trials and proposals that were interrupted.
NUMBER = "number"
_REASON = "reason"
_SPACE = "space"
_OBJECTIVES = "objectives"
# User attribute of a trial with several objectives: its values at earlier shares of the budget, by
# percent, of the one that ranks trials. Optuna has intermediate values of one objective alone.
_REACHED = "reached"
# User attribute of a trial: its name in the study's folder.
_NAME = "trial"


def open_study(journal: Path, name: str) -> optuna.Study:
    """Open the Optuna study in a journal file for reading.

    Raises:
        InputError: if somebody has damaged the file.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=name, storage=_storage(journal))


def start_study(journal: Path, name: str, objectives: Sequence[str], space: Space) -> optuna.Study:
    """Open or create the Optuna study in a journal file for a search; for the driver alone.

    Raises:
        InputError: if the journal belongs to a search with another space or objective, or if
            somebody has damaged the file.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    _drop_cut_line(journal)
    study = optuna.create_study(
        storage=_storage(journal),
        study_name=name,
        directions=list(map(direction, objectives)),
        load_if_exists=True,
    )
    identity = {_SPACE: space_digest(space), _OBJECTIVES: list(objectives)}
    for key, value in identity.items():
        recorded = study.user_attrs.get(key)
        if recorded is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(key, value)
        elif recorded != value:
            raise InputError(
                f"{journal}: its trials belong to another {key.removesuffix('s')} ({recorded}, "
                f"now {value}); a changed search is a new study: start one without --resume, with "
                f"search.warm_start={name} to build on these trials"
            )
    if study.metric_names is None:  # for Optuna's dashboard
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(objectives))
    return study


def _storage(journal: Path) -> JournalStorage:
    # Optuna checks no line, and would tell of a damaged one by any error.
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            damaged = "op_code" not in json.loads(line)
        except (ValueError, TypeError):
            damaged = True
        if damaged:
            raise InputError(
                f"{journal}: line {number} of {len(lines)} is damaged; put back a copy of the "
                "file, or start the study anew, without --resume"
            )
    return JournalStorage(JournalFileBackend(str(journal)))


def _drop_cut_line(journal: Path) -> None:
    """Drop a last line that a full disk or a loss of power cut off.

    Optuna passes over it when it reads, and would append the next line to it.
    """
    if journal.is_file():
        whole = journal.read_bytes().rpartition(b"\n")
        if whole[2]:
            os.truncate(journal, len(whole[0] + whole[1]))


class JournalSearcher(DriverOnly, Searcher):
    """Proposes trials from an Optuna study in a journal, and tells it how they ended.

    Call `recover` before the first proposal.

    Args:
        study: the Optuna study, see `start_study`.
        folder: run folder, in which every trial has its own folder.
        space: the search space.
        search: number of trials and objectives. The number includes the trials of an interrupted
            run but not imported ones. A trial without a finite value of every objective fails.
        sampler: makes the sampler that proposes the trial of a number.
        make_spec: makes the worker's arguments from (trial number, parameters).
        concurrent: number of trials that can run at once. The next trial is proposed when one of
            them ends, from all values known by then. 0: whenever Ray asks, which is one trial
            ahead.

    Attributes:
        remaining: number of trials still to run; set by `recover`.
    """

    def __init__(
        self,
        study: optuna.Study,
        folder: RunFolder,
        space: Space,
        search: SearchConfig,
        *,
        sampler: Callable[[int], BaseSampler],
        make_spec: Callable[[int, dict[str, Value]], dict[str, Any]],
        concurrent: int = 0,
    ) -> None:
        self._objectives = search.objectives
        self._ranked_by = search.ranked_by
        # Ray reads neither: trials are ranked here.
        super().__init__(metric=self._objectives[0], mode="max")
        self._study = study
        self._folder = folder
        self._space = space
        self._trials = search.trials
        self._sampler = sampler
        self._make_spec = make_spec
        self._concurrent = concurrent
        self._recovered = False
        self.remaining = search.trials
        self._index: dict[int, int] = {}
        self._interrupted: deque[int] = deque()
        self._running: dict[str, int] = {}
        self._last: dict[str, dict[str, Any]] = {}

    def recover(self) -> None:
        """Bring an earlier driver's journal up to date; a new journal stays unchanged.

        If the driver was killed before it told Optuna of a trial's end, the outcome is read from
        the trial's folder. An interrupted proposal fails, and is repeated under its number.
        """
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state.is_finished():
                continue
            number = own_number(trial)
            if number is None:
                self._study.tell(trial.number, state=TrialState.FAIL)
            elif outcome := self._folder.trial(search_trial(number)).outcome:
                self._tell(trial.number, outcome)
        proposed = own_trials(self._study)
        self._index = {number: trial.number for number, trial in proposed.items()}
        self._interrupted = deque(
            number for number, trial in proposed.items() if not trial.state.is_finished()
        )
        self.remaining = self._trials - len(proposed) + len(self._interrupted)
        self._recovered = True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Propose the next trial: an interrupted one unchanged, else a new one.

        Raises:
            InputError: if the sampler, one of the user's own, proposes a value outside its range.
        """
        assert self._recovered, "call recover() first"
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
            if outside := parameters.keys() - restrict(parameters, self._space).keys():
                raise InputError(
                    f"{type(self._study.sampler).__name__} proposed "
                    + ", ".join(f"{name}={parameters[name]!r}" for name in sorted(outside))
                    + ", outside of the range under space; mend the sampler"
                )
            # Last, so that a proposal with a number is a whole one.
            new.set_user_attr(_NAME, search_trial(number))
            new.set_user_attr(NUMBER, number)
            self._index[number] = new.number
        self._running[trial_id] = number
        return self._make_spec(number, parameters)

    def number_of(self, trial_id: str) -> int:
        """Number of a running trial."""
        return self._running[trial_id]

    def reached(
        self, trial_id: str, steps: Sequence[int], rivals: Callable[[int], bool]
    ) -> tuple[bool, list[dict[int, float]]]:
        """Look up which trials have reached a trial's present share of the budget.

        The answer comes from the journal, so that it outlives the driver.

        Args:
            trial_id: Ray's.
            steps: shares in percent, rising; the last one is the trial's present share.
            rivals: whether the trial of a number is one.

        Returns:
            Whether the trial itself was recorded at this share before, and the values at `steps`
            of every rival that was.
        """
        own = self._running[trial_id]
        recorded = {
            number: {step: values[step] for step in steps if step in values}
            for number, trial in own_trials(self._study).items()
            if steps[-1] in (values := _values_by_step(trial))
        }
        return own in recorded, [
            values for number, values in recorded.items() if number != own and rivals(number)
        ]

    def own_values(self, trial_id: str) -> dict[int, float]:
        """A trial's values so far, by share of the budget in percent."""
        return _values_by_step(self._frozen(self._running[trial_id]))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record the value at this share of the budget."""
        self._last[trial_id] = result
        self._report(
            self._index[self._running[trial_id]],
            result[BUDGET_PERCENT],
            result.get(self._ranked_by) if self._ranked_by else None,
        )

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Finalize the trial in its folder, then tell Optuna."""
        last = self._last.pop(trial_id, {})
        number = self._running.pop(trial_id)
        folder = self._folder.trial(search_trial(number))
        outcome = finalize_trial(folder, result or last, error, self._objectives)
        self._tell(self._index[number], outcome)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal has all state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal has all state."""

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[self._index[number]]

    def _report(self, index: int, step: int, value: float | None) -> None:
        if value is None or not math.isfinite(value):
            return
        # Not `Trial.report`: making a Trial of an interrupted one would draw from the sampler.
        trial = self._study.get_trials(deepcopy=False)[index]
        if len(self._objectives) == 1:
            self._study._storage.set_trial_intermediate_value(trial._trial_id, step, value)
        else:
            reached = {**trial.user_attrs.get(_REACHED, {}), str(step): value}
            self._study._storage.set_trial_user_attr(trial._trial_id, _REACHED, reached)

    def _tell(self, index: int, outcome: Outcome) -> None:
        values = [outcome.metrics.get(name, math.nan) for name in self._objectives]
        if outcome.state == names.FAIL or not all(map(math.isfinite, values)):
            trial = self._study.get_trials(deepcopy=False)[index]
            self._study._storage.set_trial_user_attr(trial._trial_id, _REASON, outcome.reason)
            self._study.tell(index, state=TrialState.FAIL)
        elif outcome.state == names.COMPLETE:
            self._study.tell(index, values)
        else:
            reached = outcome.metrics.get(self._ranked_by or "")
            self._report(index, round(100 * outcome.metrics[names.FIDELITY]), reached)
            self._study.tell(index, state=TrialState.PRUNED)


def _values_by_step(trial: FrozenTrial) -> dict[int, float]:
    """A trial's values by share of the budget in percent."""
    reached: dict[str, float] = trial.user_attrs.get(_REACHED, {})
    return {**trial.intermediate_values, **{int(step): v for step, v in reached.items()}}


def own_number(trial: FrozenTrial) -> int | None:
    """Number that names a trial's folder; None for an imported trial."""
    number: int | None = trial.user_attrs.get(NUMBER)
    return number


def own_trials(study: optuna.Study) -> dict[int, FrozenTrial]:
    """The trials proposed by this search, by the number that names their folder."""
    return {
        number: trial
        for trial in study.get_trials(deepcopy=False)
        if (number := own_number(trial)) is not None
    }


def pareto_front(study: optuna.Study) -> list[FrozenTrial]:
    """The complete trials that no other trial excels in all objectives, by number.

    With one objective these are the best trial and its equals.
    """
    return sorted(study.best_trials, key=lambda trial: trial.number)


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The complete trial with the best objective, the earliest of equals, or None.

    With several objectives, the first of the Pareto front in `best_first`.
    Pruned trials were measured at another fidelity and are never compared.
    """
    return next(iter(best_first(study, pareto_front(study))), None)


def best_first(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Order complete trials by how close they come to the best value of each objective.

    Each objective is scaled to its range over these trials, so that its unit does not matter, and
    the mean of the objectives orders them; of equals the first objective decides, then the number.

    Source: compromise programming with the city-block distance, Zeleny 1973; without weights.
    """
    gains = {trial.number: _gains(study, trial) for trial in trials}
    ranges = [(min(column), max(column)) for column in zip(*gains.values(), strict=True)]

    def closeness(trial: FrozenTrial) -> tuple[float, float, int]:
        shares = [
            (gain - low) / (high - low) if high > low else 1.0
            for gain, (low, high) in zip(gains[trial.number], ranges, strict=True)
        ]
        # Rounded, so that equals stay equals.
        return round(math.fsum(shares) / len(shares), 12), gains[trial.number][0], -trial.number

    return sorted(trials, key=closeness, reverse=True)


def best_point(
    study: optuna.Study, seeds: int, ratio: float | None = None
) -> tuple[dict[str, Value], float] | None:
    """The point of a grid with the highest mean objective over its seeds, the earliest of equals.

    A point counts only if all of its seeds are complete: a parameter at which some seeds diverge
    is not the best one.

    Args:
        study: the Optuna study of a grid.
        seeds: number of seeds of each point.
        ratio: mixing ratio of the points to compare; None compares all.

    Returns:
        Its parameters and the mean of its objective, of which higher is better; None if no point
        counts.
    """
    points: dict[str, list[FrozenTrial]] = {}
    for _, trial in sorted(own_trials(study).items()):
        fits = ratio is None or same_ratio(trial.params.get(names.MIXING_RATIO, math.nan), ratio)
        if fits and trial.state is TrialState.COMPLETE:
            points.setdefault(repr(sorted(trial.params.items())), []).append(trial)
    means = [
        (math.fsum(objective(study, trial) for trial in trials) / seeds, trials[0].params)
        for trials in points.values()
        if len(trials) == seeds
    ]
    if not means:
        return None
    value, parameters = max(means, key=lambda mean: mean[0])
    return dict(parameters), value


def objective(study: optuna.Study, trial: FrozenTrial) -> float:
    """A complete trial's only objective, such that higher is better."""
    (value,) = _gains(study, trial)
    return value


def _gains(study: optuna.Study, trial: FrozenTrial) -> list[float]:
    """A complete trial's objectives, such that higher is better."""
    assert trial.values, "complete trials have values"
    return [
        value if way is StudyDirection.MAXIMIZE else -value
        for way, value in zip(study.directions, trial.values, strict=True)
    ]
