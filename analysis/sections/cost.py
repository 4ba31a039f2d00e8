"""What the study was expected to take, held against what it took."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.page.model import Section, Table
from analysis.study.mlflow import Study
from hybridir import names

# Measures of a trial: the metric that tells the truth, and how the table calls it.
_MEASURES = {
    names.TRAIN_SECONDS: "training, s",
    names.EVALUATION_SECONDS: "evaluation, s",
    names.PEAK_MEMORY_MB: "memory, MB",
}


class _PlannedInfo(NamedTuple):
    """Plan against truth.

    Attributes:
        trials: a row per phase and batch size and measure: ``phase, batch_size, trials, measure,
            planned, measured, ratio``; measured is the median over `trials` complete trials.
        totals: a row per quantity of the whole study: ``quantity, low, high, measured, ratio``;
            the ratio is that to the nearer end, and 1 between them.
    """

    trials: pd.DataFrame
    totals: pd.DataFrame


def planned_section(study: Study) -> Section | None:
    """Show plan against truth; None for a study that was begun without a plan."""
    if study.plan is None:
        return None
    info = _get_planned_info(study, study.plan)
    return Section(
        "Plan against truth",
        [
            f"Before the study a probe on {study.plan['host']} measured some steps of each batch "
            f"size, while nothing else ran. {study.plan['at_a_time']} trials were expected to run "
            "at a time, without slowing each other. A ratio above 1: it took more than planned."
        ],
        tables=[
            Table(
                "plan_totals",
                info.totals,
                {
                    "quantity": "of the whole study",
                    "low": "planned, low",
                    "high": "planned, high",
                    "measured": "measured",
                    "ratio": "measured / planned",
                },
                "The low end takes it that search trials are stopped as early as the scheduler "
                "may and that the best batch size is the fastest; the ratio is that to the nearer "
                "end, 1 between the two. Time is that of the driver, without pauses between "
                "interruptions; disk is what is kept; cost is that of all trials' time.",
            ),
            Table(
                "plan_trials",
                info.trials,
                {
                    "phase": "phase",
                    names.BATCH_SIZE: "batch",
                    "trials": "trials",
                    "measure": "of a trial",
                    "planned": "planned",
                    "measured": "measured",
                    "ratio": "measured / planned",
                },
                "Medians over the trials that had the whole budget.",
            ),
        ],
    )


def _get_planned_info(study: Study, plan: dict[str, Any]) -> _PlannedInfo:
    rows = []
    for phase in plan["phases"]:
        complete = _of_phase(study.trials, phase["phase"])
        complete = complete[complete["state"] == names.COMPLETE]
        if names.BATCH_SIZE not in complete:  # nothing was trained at all
            continue
        for key, group in complete.groupby(names.BATCH_SIZE):
            size = float(str(key))
            expected = {
                names.TRAIN_SECONDS: _at(plan["points"], "train_seconds", size),
                names.EVALUATION_SECONDS: phase["evaluation_seconds"],
                names.PEAK_MEMORY_MB: _at(plan["points"], "memory_mb", size),
            }
            for metric, label in _MEASURES.items():
                measured = group[metric].median() if metric in group else np.nan
                planned = expected[metric]
                row = (phase["phase"], size, len(group), label, planned, measured)
                rows.append((*row, measured / planned if planned else np.nan))
    columns = ["phase", names.BATCH_SIZE, "trials", "measure", "planned", "measured", "ratio"]
    return _PlannedInfo(pd.DataFrame(rows, columns=columns), _totals(study, plan))


def _totals(study: Study, plan: dict[str, Any]) -> pd.DataFrame:
    hours = study.trials["seconds"].sum() / 3600
    quantities: list[tuple[str, tuple[float, float], float]] = []
    for phase in plan["phases"]:
        count, ran = phase["trials"], len(_of_phase(study.trials, phase["phase"]))
        quantities.append((f"{phase['phase']} trials", (count, count), ran))
    worked = [tuple(phase["trial_seconds"]) for phase in plan["phases"]]
    quantities += [
        (
            "time of all trials, h",
            (sum(low for low, _ in worked) / 3600, sum(high for _, high in worked) / 3600),
            hours,
        ),
        (
            "time from start to end, h",
            (plan["seconds"][0] / 3600, plan["seconds"][1] / 3600),
            study.totals.get(names.STUDY_SECONDS, np.nan) / 3600,
        ),
        (
            "disk, MB",
            (plan["kept_mb"], plan["kept_mb"]),
            study.totals.get(names.STUDY_DISK_MB, np.nan),
        ),
    ]
    if plan["cost"]:
        quantities.append(("cost", tuple(plan["cost"]), hours * plan["hourly_price"]))
    rows = [
        (what, low, high, measured, _ratio(low, high, measured))
        for what, (low, high), measured in quantities
    ]
    return pd.DataFrame(rows, columns=["quantity", "low", "high", "measured", "ratio"])


def _ratio(low: float, high: float, measured: float) -> float:
    nearer = min(max(measured, low), high)
    return measured / nearer if nearer else np.nan


def _at(points: list[dict[str, Any]], measure: str, size: float) -> float:
    """A measure at a batch size, between two that were probed by a straight line."""
    sizes = [point["batch_size"] for point in points]
    return float(np.interp(size, sizes, [point[measure] for point in points]))


def _of_phase(trials: pd.DataFrame, phase: str) -> pd.DataFrame:
    return trials[trials["phase"] == phase]
