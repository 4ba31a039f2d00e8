"""Stops trials that lag behind, and remembers across interruptions.

Ray's own schedulers keep what they saw in memory: after an interruption they would let through
what they had stopped before. Here the values stand in Optuna's journal.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune.driver_only import DriverOnly
from tune.searching.searcher import TruthfulSearcher
from tune.worker.trainable import BUDGET_PERCENT

Scheduler = Literal["none", "asha", "median"]

# "Every eighth": measuring costs an evaluation each time (assumption).
_MEDIAN_STEPS = 8
# A median of fewer says little; as in Ray's MedianStoppingRule.
_MEDIAN_OTHERS = 3


def fidelities(scheduler: Scheduler, first_rung: float, reduction: int) -> list[float]:
    """Shares of the budget at which a trial reports, in whole percent; the last one is 1.

    >>> fidelities("none", 0.5, 2), fidelities("asha", 0.1, 3), fidelities("median", 0.5, 2)
    ([1.0], [0.1, 0.3, 0.9, 1.0], [0.5, 0.62, 0.75, 0.88, 1.0])
    """
    if scheduler == "asha":
        shares = [first_rung * reduction**rung for rung in range(math.ceil(-math.log2(0.005)))]
    elif scheduler == "median":
        shares = [first_rung + part / _MEDIAN_STEPS for part in range(_MEDIAN_STEPS)]
    else:
        shares = []
    percents = {round(100 * share) for share in shares}
    return [percent / 100 for percent in sorted(percents) if percent < 100] + [1.0]


class Stopping(DriverOnly, FIFOScheduler):
    """Asks a rule at each share of the budget whether a trial goes on.

    A trial that was at this share before, in front of its driver's death or its own, was let
    through then and is again. A trial without a finite value is stopped, and has failed.

    Args:
        searcher: knows what the trials scored.
        rule: which.
        objective: metric that is maximised.
        steps: shares in percent at which trials report.
        reduction: see `halving_stops`.
    """

    def __init__(
        self,
        searcher: TruthfulSearcher,
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
        """Stop a trial that lags behind those that were here before it."""
        stops = result[BUDGET_PERCENT] < 100 and self.stops(trial.trial_id, result)
        return str(TrialScheduler.STOP if stops else TrialScheduler.CONTINUE)

    def stops(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether a trial ends with this result."""
        value = result.get(self._objective, math.nan)
        if not math.isfinite(value):
            return True
        here = result[BUDGET_PERCENT]
        steps = [step for step in self._steps if step < here] + [here]
        before, others = self._searcher.reached(trial_id, steps)
        if before:
            return False
        if self._rule == "asha":
            return halving_stops(value, [other[here] for other in others], self._reduction)
        own = [v for step, v in self._searcher.own_values(trial_id).items() if step < here]
        return median_stops([*own, value], [list(other.values()) for other in others])


def halving_stops(value: float, others: Sequence[float], reduction: int) -> bool:
    """Asynchronous successive halving: whether a value is not among the best 1 / `reduction`.

    The first to come passes. The quantile is that of Ray's ASHAScheduler.

    Args:
        value: of the trial in question.
        others: values of those that came to this rung before it.
        reduction: one of so many passes.

    Source: Li et al. 2020, arXiv 1810.05934, algorithm 2.
    """
    return bool(len(others) and value < np.quantile(others, 1 - 1 / reduction))


def median_stops(values: Sequence[float], others: Sequence[Sequence[float]]) -> bool:
    """The median stopping rule: whether the best value so far is below the others' median.

    Args:
        values: of the trial in question, up to here.
        others: values of each trial that came here before it, up to here; with fewer than three
            none is stopped. The source counts completed trials alone, of which there are few where
            trials run side by side.

    Source: Golovin et al. 2017, Google Vizier, section 3.2.2.
    """
    if len(others) < _MEDIAN_OTHERS:
        return False
    return bool(max(values) < np.median([np.mean(other) for other in others]))
