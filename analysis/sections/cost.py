"""The sections on cost: the time of every trial, and the plan of the study beside its outcome."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.figures.cost import plot_cost
from analysis.page import Figure, Section, Table
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names

# Metrics of a trial that a plan predicts, and their labels in the table.
_MEASURES = {
    names.TRAIN_SECONDS: "training, s",
    names.EVALUATION_SECONDS: "evaluation, s",
    names.PEAK_MEMORY_MB: "memory, MB",
}


class PlanTables(NamedTuple):
    """Planned and measured quantities.

    Attributes:
        trials: a row per phase, batch size and measure: ``phase, batch_size, trials, measure,
            planned, measured, ratio``; measured is the median over the complete trials.
        totals: a row per quantity of the whole study: ``quantity, low, high, measured, ratio``;
            the ratio is to the nearer end of the plan, and 1 inside it.
    """

    trials: pd.DataFrame
    totals: pd.DataFrame


def cost_section(study: Study) -> Section:
    """Show the time and the memory of the trials."""
    chart = plot_cost(study.trials)
    caption = (
        f"Wall-clock time of each trial (n = {len(study.trials)}, confirmation below the search) "
        "and its training speed. These are single measurements; other work on the machine may "
        "have slowed them."
    )
    headings = {
        "phase": "phase",
        "trials": "trials",
        "training": "training",
        "evaluation": "evaluation",
        "speed": "pairs/s, median",
        "memory": "peak memory, MB",
    }
    table = confirmed.cost_table(study)
    table = table.assign(
        training=[duration_text(60 * minutes) for minutes in table["training_minutes"]],
        evaluation=[duration_text(60 * minutes) for minutes in table["evaluation_minutes"]],
        speed=table["pairs_per_second"].round(),
        memory=table["peak_memory_mb"].round(),
    )
    return Section(
        "Cost",
        figures=[Figure("cost", lambda: chart, caption)] if chart else [],
        tables=[Table("cost", table, headings, "Sums over trials.")],
    )


def duration_text(seconds: float) -> str:
    """Write a time in the unit in which it is easily read; "" if it is not known.

    >>> duration_text(8.26), duration_text(266.4), duration_text(9000)
    ('8.3 s', '4.4 min', '2.5 h')
    """
    if np.isnan(seconds):
        return ""
    for limit, size, unit in ((90.0, 1, "s"), (5400.0, 60, "min"), (np.inf, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:,.{0 if seconds / size >= 100 else 1}f} {unit}"
    raise AssertionError("every time is below infinity")


def measure_plan(study: Study) -> PlanTables | None:
    """Compare the plan with the measurements; None for a study without a plan."""
    plan = study.plan
    if plan is None:
        return None
    rows = []
    for phase in plan["phases"]:
        complete = _phase_trials(study.trials, phase["phase"])
        complete = complete[complete["state"] == names.COMPLETE]
        if names.BATCH_SIZE not in complete:  # no trial was trained
            continue
        for batch_size, group in complete.groupby(names.BATCH_SIZE):
            size = float(str(batch_size))
            expected = {
                names.TRAIN_SECONDS: _interpolate(plan["points"], "train_seconds", size),
                names.EVALUATION_SECONDS: phase["evaluation_seconds"],
                names.PEAK_MEMORY_MB: _interpolate(plan["points"], "memory_mb", size),
            }
            for metric, label in _MEASURES.items():
                measured = group[metric].median() if metric in group else np.nan
                planned = expected[metric]
                row = (phase["phase"], size, len(group), label, planned, measured)
                rows.append((*row, measured / planned if planned else np.nan))
    columns = ["phase", names.BATCH_SIZE, "trials", "measure", "planned", "measured", "ratio"]
    return PlanTables(pd.DataFrame(rows, columns=columns), _totals(study, plan))


def _totals(study: Study, plan: dict[str, Any]) -> pd.DataFrame:
    hours = study.trials["seconds"].sum() / 3600
    quantities: list[tuple[str, tuple[float, float], float]] = []
    for phase in plan["phases"]:
        planned, measured = phase["trials"], len(_phase_trials(study.trials, phase["phase"]))
        quantities.append((f"{phase['phase']} trials", (planned, planned), measured))
    trial_seconds = [tuple(phase["trial_seconds"]) for phase in plan["phases"]]
    # Measured before the report is written.
    trials_mb = plan["kept_mb"] - plan.get("report_mb", 0.0)
    quantities += [
        (
            "time of all trials, h",
            (
                sum(low for low, _ in trial_seconds) / 3600,
                sum(high for _, high in trial_seconds) / 3600,
            ),
            hours,
        ),
        (
            "time from start to end, h",
            (plan["seconds"][0] / 3600, plan["seconds"][1] / 3600),
            study.totals.get(names.STUDY_SECONDS, np.nan) / 3600,
        ),
        (
            "disk, MB",
            (trials_mb, trials_mb),
            study.totals.get(names.STUDY_DISK_MB, np.nan),
        ),
    ]
    if plan["cost"]:
        quantities.append(("cost", tuple(plan["cost"]), hours * plan["hourly_price"]))
    rows = [
        (quantity, low, high, measured, _ratio(low, high, measured))
        for quantity, (low, high), measured in quantities
    ]
    return pd.DataFrame(rows, columns=["quantity", "low", "high", "measured", "ratio"])


def _ratio(low: float, high: float, measured: float) -> float:
    nearer = min(max(measured, low), high)
    return measured / nearer if nearer else np.nan


def _interpolate(points: list[dict[str, Any]], measure: str, size: float) -> float:
    """Interpolate a measure linearly between the probed batch sizes."""
    sizes = [point["batch_size"] for point in points]
    return float(np.interp(size, sizes, [point[measure] for point in points]))


def _phase_trials(trials: pd.DataFrame, phase: str) -> pd.DataFrame:
    return trials[trials["phase"] == phase]


def _with_units(totals: pd.DataFrame) -> pd.DataFrame:
    """Add the planned range and the measurement as texts with units."""
    texts = []
    for row in totals.to_dict("records"):
        write = _unit(str(row["quantity"]))
        low, high = write(row["low"]), write(row["high"])
        texts.append((low if low == high else f"{low} to {high}", write(row["measured"])))
    planned, measured = zip(*texts, strict=True) if texts else ((), ())
    return totals.assign(
        name=[str(name).rpartition(", ")[0] or name for name in totals["quantity"]],
        planned_text=list(planned),
        measured_text=list(measured),
        ratio_shown=totals["ratio"].round(2),
    )


def _unit(quantity: str) -> Callable[[float], str]:
    """Choose how a quantity is written: trials, hours, megabytes, or a price."""
    if quantity.endswith(", h"):
        return lambda hours: duration_text(3600 * hours)
    if quantity.endswith(", MB"):
        return lambda size: "" if np.isnan(size) else f"{size:,.0f} MB"
    if quantity == "cost":
        return lambda price: "" if np.isnan(price) else f"{price:,.2f}"
    return lambda count: "" if np.isnan(count) else f"{count:,.0f}"


def plan_section(plan: dict[str, Any], tables: PlanTables) -> Section:
    """Show the plan beside the measurements.

    Args:
        plan: `Study.plan`.
        tables: `measure_plan`.
    """
    totals = {
        "name": "of the whole study",
        "planned_text": "planned",
        "measured_text": "measured",
        "ratio_shown": "measured / planned",
    }
    trials = {
        "phase": "phase",
        names.BATCH_SIZE: "batch",
        "trials": "trials",
        "measure": "per trial",
        "planned_shown": "planned",
        "measured_shown": "measured",
        "ratio_shown": "measured / planned",
    }
    return Section(
        "Plan and outcome",
        [
            f"Before the study, a probe on {plan['host']} timed some steps at each batch size; "
            f"what else ran there is not recorded. The plan assumed {plan['at_a_time']} trials at "
            "a time that do not slow each other. A ratio above 1 means more than planned."
        ],
        tables=[
            Table(
                "plan_totals",
                _with_units(tables.totals),
                totals,
                "The low end assumes that search trials are stopped as early as the scheduler "
                "allows and that the best batch size is the fastest. The ratio is to the nearer "
                "end, and 1 between both. Time is the driver's, without the pauses between "
                "interruptions. Disk is the space of the stored files. Cost is for the time of "
                "all trials.",
            ),
            Table(
                "plan_trials",
                tables.trials.assign(
                    planned_shown=tables.trials["planned"].round(1),
                    measured_shown=tables.trials["measured"].round(1),
                    ratio_shown=tables.trials["ratio"].round(2),
                ),
                trials,
                "Medians over the trials with the full budget.",
            ),
        ],
    )
