"""Stops trials that lag behind, consistently across interruptions.

Ray's own schedulers keep their history in memory: after an interruption they would let trials pass
that they had stopped before. Here the values come from Optuna's journal.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune.driver_only import DriverOnly
from tune.outcome import BUDGET_PERCENT
from tune.searching.searcher import JournalSearcher

Scheduler = Literal["none", "asha", "median"]

# Every eighth of the budget (assumption): each measurement costs an evaluation.
_MEDIAN_STEPS = 8
# A median of fewer trials says little; as in Ray's MedianStoppingRule.
_MIN_RIVALS = 3


def fidelities(scheduler: Scheduler, first_rung: float, reduction: int) -> list[float]:
    """Shares of the budget at which a trial reports, in whole percent; the last one is 1.

    >>> fidelities("none", 0.5, 2), fidelities("asha", 0.1, 3), fidelities("median", 0.5, 2)
    ([1.0], [0.1, 0.3, 0.9, 1.0], [0.5, 0.62, 0.75, 0.88, 1.0])
    """
    if scheduler == "asha":
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
        rule: name of the rule.
        objective: metric to maximise.
        steps: shares in percent at which trials report.
        reduction: see `halving_stops`.
    """

    def __init__(
        self,
        searcher: JournalSearcher,
        rule: Literal["asha", "median"],
        objective: str,
        *,
        steps: Sequence[int],
        reduction: int,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher
        self._rule = rule
        self._objective = objective
        self._steps = steps
        self._reduction = reduction

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
        passed_before, rivals = self._searcher.reached(trial_id, steps)
        if passed_before:
            return False
        if self._rule == "asha":
            return halving_stops(value, [rival[percent] for rival in rivals], self._reduction)
        own_values = self._searcher.own_values(trial_id)
        earlier = [v for step, v in own_values.items() if step < percent]
        return median_stops([*earlier, value], [list(rival.values()) for rival in rivals])


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
