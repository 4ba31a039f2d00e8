"""What a study's folder tells about it: ``--status``, and the curve at the end.

Only reads, so it may be asked while the study runs, and loads neither Ray nor MLflow nor torch.
"""

import json
import math
import time
from collections import Counter, defaultdict

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from hybridir import names
from tune.folders import RunFolder, TrialFolder
from tune.study.file import StudyConfig, load_study
from tune.view.narrator import duration
from tune.view.progress import (
    Running,
    attempts,
    count,
    running_trials,
    seconds_left,
    totals,
    trials_per_hour,
)
from tune.view.watching import mlflow_lines

# No step is counted while a trial is evaluated, which took minutes on large benchmarks
# (assumption: never 10).
_SILENT_SECONDS = 600.0
_STATES = (names.COMPLETE, names.PRUNED, names.FAIL, "running", "waiting")


def show_status(folder: RunFolder, console: Console) -> None:
    """Print trials by state, what runs now, time left, failures, tracking and where to look."""
    trials, now = folder.trials(), time.time()
    study = load_study(folder.study_file, []) if folder.study_file.is_file() else None
    held = folder.is_held
    phases = count(trials)
    states: Counter[str] = sum(phases.values(), Counter())
    counts = ", ".join(f"{states[state]} {state}" for state in sorted(states))
    standing = "finished" if folder.finished else "running" if held else "not finished"
    _say(console, f"{folder.path}: {standing}; {counts or 'no trial yet'}")
    if study:
        console.print(_phase_table(study, phases))
    for running in running_trials(trials, now):
        _say(console, f"  {_describe(running, held)}")
    if study and not folder.finished:
        _say(console, _outlook(folder, study, trials, now))
    for trial in trials:
        for line in _failure(trial):
            _say(console, line)
    if any(trial.phase == names.PHASE_CONFIRM and trial.outcome for trial in trials):
        console.print(curve_table(folder))
    for line in [*_tracking(folder, trials), *_where(folder, study, held)]:
        _say(console, line)


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _phase_table(study: StudyConfig, phases: dict[str, Counter[str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    for column in ("phase", *_STATES, "of"):
        table.add_column(column, justify="left" if column == "phase" else "right")
    for phase, total in totals(study).items():
        found = phases.get(phase, Counter())
        table.add_row(phase, *(str(found[state]) for state in _STATES), str(total))
    return table


def _describe(trial: Running, held: bool) -> str:
    if not trial.steps:
        where = "begun, no step yet"
    else:
        where = f"step {trial.step} of {trial.steps} ({trial.share:.0%})"
        if not math.isnan(trial.pairs_per_second):
            where += f", {trial.pairs_per_second:.0f} pairs/s"
        where += f" on {trial.host}"
    if not held:
        return f"{trial.name}: {where}; interrupted"
    silent = trial.silent >= _SILENT_SECONDS
    seen = "no sign of life for " if silent else "last seen "
    return f"{trial.name}: {where}; {seen}{duration(trial.silent)}{'' if silent else ' ago'}"


def _outlook(folder: RunFolder, study: StudyConfig, trials: list[TrialFolder], now: float) -> str:
    pace, left = trials_per_hour(trials), seconds_left(folder, study, now)
    if math.isnan(left):
        return "time left: not known before the first trial has ended"
    pace_told = "" if math.isnan(pace) else f"{pace:.3g} trials per hour; "
    return f"{pace_told}about {duration(left)} left"


def _failure(trial: TrialFolder) -> list[str]:
    """How a trial failed, with the last lines of its reason; or how often it was begun again."""
    outcome, again = trial.outcome, len(attempts(trial)) - 1
    retried = f" ({again} times begun again)" if again > 0 else ""
    if outcome is None or outcome.state != names.FAIL:
        return [f"  {trial.name}:{retried}"] if retried else []
    lines = outcome.reason.strip().splitlines() or ["no reason is known"]
    told = [f"  {trial.name}: FAIL on {outcome.host}{retried}: {lines[-1]}"]
    return told + [f"    {line}" for line in lines[:-1]]


def _tracking(folder: RunFolder, trials: list[TrialFolder]) -> list[str]:
    if not folder.tracking.is_file():
        return ["tracking: not begun"]
    noted = json.loads(folder.tracking.read_text())
    sent = set(noted.get("sent", []))
    behind = [trial.name for trial in trials if trial.outcome and trial.name not in sent]
    trials_behind = f"{len(behind)} trial{'' if len(behind) == 1 else 's'}"
    standing = f"behind by {trials_behind}" if behind else "in step"
    away = f"; the server is away: {noted['away']}" if noted.get("away") else ""
    return [f"tracking: {noted['uri']}: {standing}{away}"]


def _where(folder: RunFolder, study: StudyConfig | None, held: bool) -> list[str]:
    """Commands that show more, or go on."""
    lines = []
    if folder.tracking.is_file():
        noted = json.loads(folder.tracking.read_text())
        lines += mlflow_lines(noted["uri"], noted.get("view", ""))
    if folder.journal.is_file():
        lines.append(f"search:   optuna-dashboard {folder.journal}")
    if study and not folder.finished and not held:
        storage = folder.path.parent.parent
        elsewhere = "" if str(storage) == "results" else f" --storage {storage}"
        lines.append(f"go on:    python tune/run_sweep.py --resume {study.name}{elsewhere}")
    return lines


def curve_table(folder: RunFolder) -> Table:
    """The confirmed curve: means over seeds with 95 % t intervals, one row per ratio.

    These intervals speak of training seeds only; the report's speak of questions as well. Where
    the training data are dealt into parts, seeds of one part are averaged first.
    """
    measures = [*(f"map_{setting}" for setting in names.SETTINGS), names.RANK_DISTANCE]
    values: dict[tuple[str, float], dict[str, dict[int | str, list[float]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    unit = "seeds"
    for trial in folder.trials():
        outcome = trial.outcome
        if trial.phase != names.PHASE_CONFIRM or not outcome or outcome.state != names.COMPLETE:
            continue
        ratio = float(trial.name.split("-")[1].removeprefix("a"))
        config = trial.read(names.ARTIFACT_CONFIG) or {}
        part = config.get("data", {}).get(names.DATA_PART)
        unit = unit if part is None else "parts of the data"
        sample = trial.name if part is None else part["number"]
        for metric, value in outcome.metrics.items():
            benchmark, _, measure = metric.partition("/")
            if measure in measures and benchmark != names.DEV:
                values[benchmark, ratio][measure][sample].append(value)
    table = Table(
        title=f"Confirmed curve: mean over {unit}, 95 % t interval over {unit}",
        title_justify="left",
    )
    table.add_column("benchmark")
    table.add_column("alpha", justify="right")
    for setting in names.SETTINGS:
        table.add_column(f"{names.LABELS[setting]} mAP", justify="right")
    table.add_column(names.LABELS[names.RANK_DISTANCE], justify="right")
    table.add_column(f"n {unit}", justify="right")
    for (benchmark, ratio), found in sorted(values.items()):
        means = {name: [float(np.mean(one)) for one in of.values()] for name, of in found.items()}
        cells = [_mean_interval(means.get(measure, [])) for measure in measures]
        count = max(map(len, found.values()))
        table.add_row(benchmark, f"{ratio:g}", *cells, str(count))
    return table


def _mean_interval(values: list[float]) -> str:
    if not values:
        return "-"
    digits = 1 if np.mean(values) > 2 else 3  # ranks or shares
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"
