"""Stops trials that lag behind, consistently across interruptions.

Ray's own schedulers keep their history in memory: after an interruption they would let trials pass
that they had stopped before. Here the values come from Optuna's journal.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune.driver_only import DriverOnly
from tune.outcome import BUDGET_PERCENT
from tune.searching.searcher import JournalSearcher
from tune.space.settings import SearchConfig, gain

# Every eighth of the budget (assumption): each measurement costs an evaluation.
_MEDIAN_STEPS = 8
# A median of fewer trials says little; as in Ray's MedianStoppingRule.
_MIN_RIVALS = 3


# Trials take brackets in the order of this low-discrepancy sequence, so that each bracket has its
# share among any number of trials in a row.
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


class Bracket(NamedTuple):
    """A share of the trials, and the shares of the budget at which they report.

    Attributes:
        weight: share of the trials.
        fidelities: shares of the budget, in whole percent; the last one is 1.
    """

    weight: float
    fidelities: tuple[float, ...]


def brackets(search: SearchConfig) -> list[Bracket]:
    """The brackets of a search: several for hyperband, else one.

    Bracket s of hyperband begins at rung s of asha, and the last one stops no trial. As in the
    source, of S + 1 brackets the one that begins at rung s has a share of the trials in proportion
    to reduction ^ (S - s) / (S - s + 1); here they run side by side, and trials take turns.

    Source: Li et al. 2018, arXiv 1603.06560, algorithm 1.

    >>> hyperband = SearchConfig(scheduler="hyperband", first_rung=0.25)
    >>> [(round(bracket.weight, 3), bracket.fidelities) for bracket in brackets(hyperband)]
    [(0.4, (0.25, 0.5, 1.0)), (0.3, (0.5, 1.0)), (0.3, (1.0,))]
    """
    rungs = fidelities(search.scheduler, search.first_rung, search.reduction)
    if search.scheduler != "hyperband":
        return [Bracket(1.0, tuple(rungs))]
    last = len(rungs) - 1
    weights = [search.reduction ** (last - s) / (last - s + 1) for s in range(len(rungs))]
    return [Bracket(weight / sum(weights), tuple(rungs[s:])) for s, weight in enumerate(weights)]


def bracket_of(search: SearchConfig, number: int) -> int:
    """The bracket of a trial by its number, from 0."""
    ends = np.cumsum([bracket.weight for bracket in brackets(search)])
    return int(np.searchsorted(ends[:-1], (number * _GOLDEN) % 1, side="right"))


def fidelities(scheduler: str, first_rung: float, reduction: int) -> list[float]:
    """Shares of the budget at which a trial reports, in whole percent; the last one is 1.

    >>> fidelities("none", 0.5, 2), fidelities("asha", 0.1, 3), fidelities("median", 0.5, 2)
    ([1.0], [0.1, 0.3, 0.9, 1.0], [0.5, 0.62, 0.75, 0.88, 1.0])
    """
    if scheduler in ("asha", "hyperband"):
        shares = [first_rung * reduction**rung for rung in range(math.ceil(-math.log2(0.005)))]
    elif scheduler == "median":
        shares = [first_rung + step / _MEDIAN_STEPS for step in range(_MEDIAN_STEPS)]
    else:
        shares = []
    percents = {round(100 * share) for share in shares}
    return [percent / 100 for percent in sorted(percents) if percent < 100] + [1.0]


class EarlyStopping(DriverOnly, FIFOScheduler):
    """Decides at each share of the budget whether a trial continues.

    A trial that reached this share before an interruption passed then, and passes again. A trial
    without a finite value is stopped and fails.

    Args:
        searcher: looks up the values of trials.
        search: rule, brackets, and the objective that ranks trials.
    """

    def __init__(self, searcher: JournalSearcher, search: SearchConfig) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        objective = search.ranked_by
        assert objective is not None, "the settings name one for a scheduler"
        self._objective = objective
        self._searcher = searcher
        self._search = search
        self._steps = [round(100 * share) for share in brackets(search)[0].fidelities]

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Stop a trial that lags behind the trials that reached this share before it."""
        stops = result[BUDGET_PERCENT] < 100 and self.stops(trial.trial_id, result)
        return str(TrialScheduler.STOP if stops else TrialScheduler.CONTINUE)

    def stops(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether a trial stops at this result."""
        value = result.get(self._objective, math.nan)
        if not math.isfinite(value):
            return True
        percent = result[BUDGET_PERCENT]
        steps = [step for step in self._steps if step < percent] + [percent]
        own = bracket_of(self._search, self._searcher.number_of(trial_id))
        passed_before, rivals = self._searcher.reached(
            trial_id, steps, lambda number: bracket_of(self._search, number) == own
        )
        if passed_before:
            return False
        value, *others = self._gains([{percent: value}, *rivals])
        if self._search.scheduler != "median":
            return halving_stops(
                value[percent], [rival[percent] for rival in others], self._search.reduction
            )
        (earlier,) = self._gains([self._searcher.own_values(trial_id)])
        before = [gained for step, gained in earlier.items() if step < percent]
        return median_stops([*before, value[percent]], [list(rival.values()) for rival in others])

    def _gains(self, values: Sequence[Mapping[int, float]]) -> list[dict[int, float]]:
        """Values by share of the budget, such that higher is better."""
        return [
            {step: gain(self._objective, value) for step, value in by_step.items()}
            for by_step in values
        ]


def halving_stops(value: float, rivals: Sequence[float], reduction: int) -> bool:
    """Asynchronous successive halving: whether a value is not among the best 1 / `reduction`.

    The first trial at a rung passes. The quantile is that of Ray's ASHAScheduler.

    Args:
        value: value of the trial in question.
        rivals: values of the trials that reached this rung before it.
        reduction: one trial in `reduction` passes.

    Source: Li et al. 2020, arXiv 1810.05934, algorithm 2.
    """
    return bool(len(rivals) and value < np.quantile(rivals, 1 - 1 / reduction))


def median_stops(values: Sequence[float], rivals: Sequence[Sequence[float]]) -> bool:
    """Median stopping rule: whether the best value so far is below the median of its rivals.

    Args:
        values: values of the trial in question, up to its present share of the budget.
        rivals: values, up to this share, of each trial that reached it before; with fewer than
            three rivals no trial is stopped. The source counts completed trials alone, which are
            few when trials run in parallel.

    Source: Golovin et al. 2017, Google Vizier, section 3.2.2.
    """
    if len(rivals) < _MIN_RIVALS:
        return False
    return bool(max(values) < np.median([np.mean(rival) for rival in rivals]))
