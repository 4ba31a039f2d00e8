"""What a study's folder tells about it: ``--status``, and the curve at the end."""

from collections import Counter, defaultdict

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from hybridir import names
from tune.folders import PROGRESS, RunFolder, TrialFolder
from tune.narrator import headline


def show_status(folder: RunFolder, console: Console) -> None:
    """Print trials by state, what runs now, failures with their reasons, and the curve so far."""
    trials = folder.trials()
    states = Counter(_state(trial) for trial in trials)
    finished = "finished" if folder.finished else "not finished"
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    lines = [f"{folder.path}: {finished}; {counts or 'no trial yet'}"]
    for trial in trials:
        outcome = trial.outcome
        if outcome is None and (progress := trial.read(PROGRESS)):
            share = progress["step"] / progress["steps"]
            lines.append(
                f"  {trial.name}: step {progress['step']} of {progress['steps']} ({share:.0%}) "
                f"on {progress['host']}"
            )
        elif outcome and outcome.state == names.FAIL:
            lines.append(f"  {trial.name}: FAIL on {outcome.host}: {headline(outcome)}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(trial.phase == names.PHASE_CONFIRM and trial.outcome for trial in trials):
        console.print(curve_table(folder))


def curve_table(folder: RunFolder) -> Table:
    """The confirmed curve: means over seeds with 95 % t intervals, one row per ratio.

    These intervals speak of training seeds only; the report's speak of questions as well.
    """
    measures = [*(f"map_{setting}" for setting in names.SETTINGS), names.RANK_DISTANCE]
    values: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for trial in folder.trials():
        outcome = trial.outcome
        if trial.phase != names.PHASE_CONFIRM or not outcome or outcome.state != names.COMPLETE:
            continue
        ratio = float(trial.name.split("-")[1].removeprefix("a"))
        for metric, value in outcome.metrics.items():
            benchmark, _, measure = metric.partition("/")
            if measure in measures and benchmark != names.DEV:
                values[benchmark, ratio][measure].append(value)
    table = Table(
        title="Confirmed curve: mean over seeds, 95 % t interval over seeds", title_justify="left"
    )
    table.add_column("benchmark")
    table.add_column("alpha", justify="right")
    for setting in names.SETTINGS:
        table.add_column(f"{names.LABELS[setting]} mAP", justify="right")
    table.add_column(names.LABELS[names.RANK_DISTANCE], justify="right")
    table.add_column("n seeds", justify="right")
    for (benchmark, ratio), found in sorted(values.items()):
        cells = [_mean_interval(found.get(measure, [])) for measure in measures]
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


def _state(trial: TrialFolder) -> str:
    outcome = trial.outcome
    if outcome:
        return outcome.state
    return "running" if trial.read(PROGRESS) else "waiting"
