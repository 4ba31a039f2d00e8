"""Stops the worse half of the trials at half the budget, and remembers across interruptions."""

from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune.driver_only import DriverOnly
from tune.searcher import TruthfulSearcher
from tune.trainable import BUDGET_PERCENT


class Halving(DriverOnly, FIFOScheduler):
    """Asynchronous successive halving with one rung and a factor of two.

    The rule is that of Ray's ASHAScheduler, which keeps its rungs in memory: after an interruption
    it would let through what it had stopped before.

    Args:
        searcher: knows what the other trials scored.

    Source: Li et al. 2020, arXiv 1810.05934, algorithm 2.
    """

    def __init__(self, searcher: TruthfulSearcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]
    ) -> str:
        """Stop a trial that lags behind those that were here before it."""
        if result[BUDGET_PERCENT] < 100 and self._searcher.lags(trial.trial_id, result):
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)
