"""How a trial ended: complete, pruned or failed, decided once and written to its folder."""

import math
import socket
from collections.abc import Sequence
from typing import Any

from hybridir import names
from tune.folders import FAILURE, Outcome, TrialFolder

# Share of the budget in percent, as trials report it: Ray schedulers count in whole numbers.
BUDGET_PERCENT = "budget_percent"


def finalize_trial(
    folder: TrialFolder, result: dict[str, Any], error: bool, objectives: Sequence[str] = ()
) -> Outcome:
    """Decide how a trial ended and write it down.

    Args:
        folder: folder of the trial.
        result: last result that Ray received; may be empty.
        error: whether Ray gave the trial up.
        objectives: metrics that must be finite; otherwise the trial has failed.
    """
    error = error or has_failed(folder)
    failure = (folder.read(FAILURE) or {}) if error else {}
    reason = failure.get("reason", "the worker process died") if error else ""
    reason = reason or objective_problem(result, objectives)
    outcome = Outcome(
        state=final_state(result, error=error or bool(reason)),
        metrics=figures_of(result),
        reason=reason,
        host=failure.get("host") or result.get("hostname") or socket.gethostname(),
    )
    folder.finalize(outcome)
    return outcome


def has_failed(folder: TrialFolder) -> bool:
    """Whether a trial failed in a way that a retry would only repeat."""
    failure = folder.read(FAILURE)
    return bool(failure and failure["final"])


def final_state(result: dict[str, Any], *, error: bool) -> str:
    """State that follows from a trial's last result.

    Returns:
        `names.FAIL` after an error or without any result, `names.PRUNED` if the trial stopped
        before its whole budget, else `names.COMPLETE`.
    """
    if error or BUDGET_PERCENT not in result:
        return names.FAIL
    return names.COMPLETE if result[BUDGET_PERCENT] >= 100 else names.PRUNED


def objective_problem(result: dict[str, Any], objectives: Sequence[str]) -> str:
    """Why a result cannot be compared with others: objectives that are missing or not finite.

    Returns:
        "" if every objective is a finite number.
    """
    unusable = [name for name in objectives if not math.isfinite(result.get(name, math.nan))]
    return ", ".join(
        f"{name} is {result[name]}" if name in result else f"{name} was not measured"
        for name in unusable
    )


def figures_of(result: dict[str, Any]) -> dict[str, float]:
    """Metrics of the trial itself, without the process ids and times that Ray adds."""
    return {
        key: float(value)
        for key, value in result.items()
        if ("/" in key or key == names.FIDELITY)
        and key != BUDGET_PERCENT
        and isinstance(value, (int, float))
        and not key.startswith("config/")
        and math.isfinite(value)
    }
