"""Status of a study from its folder: ``--status``, and the confirmed curve at the end.

Reads only, so that it is safe while the study runs, and loads neither Ray nor MLflow nor torch.
"""

import csv
import math
import time
from collections import Counter, defaultdict
from statistics import fmean

from rich.console import Console
from rich.table import Table

from hybridir import names
from tune.folders import RunFolder, TrialFolder
from tune.record.address import address_of, database_file, read_record
from tune.space.parameters import condition_levels
from tune.study.file import PUT_BACK, StudyConfig, read_study_file
from tune.study.recorded import settings_problem
from tune.view.narrator import duration
from tune.view.progress import (
    Running,
    count_states,
    planned_trials,
    read_attempts,
    running_trials,
    seconds_left,
    trials_per_hour,
)
from tune.view.watching import mlflow_lines, resume_command, search_line

# Evaluation reports no steps and took minutes on large benchmarks; under 10 (assumption).
_SILENT_SECONDS = 600.0
_MEASURES = (*(f"map_{setting}" for setting in names.SETTINGS), names.RANK_DISTANCE)
_CUT_OFF = "cut off"
_STATES = (names.COMPLETE, names.PRUNED, names.FAIL, "running", "waiting")


def show_status(folder: RunFolder, console: Console) -> None:
    """Print trials by state, running trials, time left, failures, tracking and commands."""
    trials, now = folder.trials(), time.time()
    file = folder.study_file
    study = read_study_file(file, [], PUT_BACK) if file.is_file() else None
    locked = folder.is_locked
    phases = count_states(trials)
    states: Counter[str] = sum(phases.values(), Counter())
    counts = ", ".join(f"{states[state]} {_shown(state, locked)}" for state in sorted(states))
    run_state = "finished" if folder.finished else "running" if locked else "interrupted"
    if not (trials or locked or folder.finished):
        run_state = "not started"
    _say(console, f"{folder.path}: {run_state}; {counts or 'no trial yet'}")
    if study:
        console.print(_phase_table(study, phases, locked))
    for running in running_trials(trials, now):
        _say(console, f"  {_describe(running, locked)}")
    if study and not folder.finished:
        outlook = _outlook(folder, study, trials, now) if locked else _rest(study, phases)
        _say(console, outlook)
    for trial in trials:
        for line in _failure(trial):
            _say(console, line)
    if any(trial.phase == names.PHASE_CONFIRM and trial.outcome for trial in trials):
        console.print(confirmed_curve_table(folder))
    if study and (note := development_note(study)):
        _say(console, f"note: {note}")
    if study and (problem := settings_problem(folder)):
        _say(console, f"note: {problem}")
    for line in [*_tracking(folder, trials, locked), *_commands(folder, study, locked)]:
        _say(console, line)


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True)


def _shown(state: str, locked: bool) -> str:
    """The word for a state of trials: without a driver none of them runs."""
    return _CUT_OFF if state == "running" and not locked else state


def _phase_table(study: StudyConfig, phases: dict[str, Counter[str]], locked: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    for column in ("phase", *(_shown(state, locked) for state in _STATES), "of"):
        table.add_column(column, justify="left" if column == "phase" else "right")
    for phase, total in planned_trials(study).items():
        counts = phases.get(phase, Counter())
        table.add_row(phase, *(str(counts[state]) for state in _STATES), str(total))
    return table


def _describe(trial: Running, locked: bool) -> str:
    if not trial.steps:
        progress = "started, no step yet"
    else:
        progress = f"step {trial.step} of {trial.steps} ({trial.share:.0%})"
        if not math.isnan(trial.pairs_per_second):
            progress += f", {trial.pairs_per_second:.0f} pairs/s"
        progress += f" on {trial.host}"
    if not locked:
        return f"{trial.name}: {progress}; {_CUT_OFF}"
    silence = duration(trial.silent)
    is_silent = trial.silent >= _SILENT_SECONDS
    report = f"no progress for {silence}" if is_silent else f"last report {silence} ago"
    return f"{trial.name}: {progress}; {report}"


def _outlook(folder: RunFolder, study: StudyConfig, trials: list[TrialFolder], now: float) -> str:
    pace, left = trials_per_hour(trials), seconds_left(folder, study, now)
    if math.isnan(left):
        return "time left: unknown until the first trial has ended"
    rate = "" if math.isnan(pace) else f"{pace:.3g} trials per hour; "
    return f"{rate}about {duration(left)} left"


def _rest(study: StudyConfig, phases: dict[str, Counter[str]]) -> str:
    """What is left of a study that no driver holds, and so makes no progress."""
    ended = (names.COMPLETE, names.PRUNED, names.FAIL)
    total = planned_trials(study).values()
    done = sum(counts[state] for counts in phases.values() for state in ended)
    return f"nothing runs: {max(0, sum(total) - done)} of {sum(total)} trials are left"


def _failure(trial: TrialFolder) -> list[str]:
    """Why a trial failed, with the last lines of its reason; or how often it was restarted."""
    outcome, restarts = trial.outcome, len(read_attempts(trial)) - 1
    restarted = f" (restarted {_times(restarts)})" if restarts > 0 else ""
    if outcome is None or outcome.state != names.FAIL:
        return [f"  {trial.name}:{restarted}"] if restarted else []
    lines = outcome.reason.strip().splitlines() or ["unknown reason"]
    first = f"  {trial.name}: FAIL on {outcome.host}{restarted}: {lines[-1]}"
    return [first, *(f"    {line}" for line in lines[:-1])]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _tracking(folder: RunFolder, trials: list[TrialFolder], locked: bool) -> list[str]:
    if not folder.tracking.is_file():
        return ["tracking: not started"]
    record, address = read_record(folder), address_of(folder, "nowhere")
    sent = set(record.sent)
    behind = [trial.name for trial in trials if trial.outcome and trial.name not in sent]
    missing = f"{len(behind)} trial{'' if len(behind) == 1 else 's'}"
    progress = f"{missing} not yet sent" if behind else "up to date"
    database = database_file(address.uri)
    if database and not database.is_file():
        progress = "the database is gone; --resume writes a new one"
    elif not (locked or record.closed):
        progress += ", but its runs were left open, as by a killed driver; --resume closes them"
    what = "database" if database else "server"
    away = f"; the {what} is unreachable: {record.away}" if record.away else ""
    lines = [f"tracking: {address.uri}: {progress}{away}"]
    if address.moved_from:
        lines.append(
            f"note: copied or moved from {address.moved_from}; --resume tracks it by itself"
        )
    return lines


def _commands(folder: RunFolder, study: StudyConfig | None, locked: bool) -> list[str]:
    """Commands that show more, or resume the study."""
    lines = []
    if folder.tracking.is_file():
        lines += mlflow_lines(address_of(folder, "nowhere").uri, read_record(folder).view)
    if folder.journal.is_file():
        lines.append(search_line(folder))
    if study and not folder.finished and not locked:
        lines.append(f"resume:   {resume_command(folder)}")
    return lines


def development_note(study: StudyConfig) -> str:
    """Why the figures of a study are no answer, and the remedy; "" if benchmarks are reported.

    Args:
        study: the settings.
    """
    if study.reports and study.report_on:
        return ""
    missing = [] if study.reports else ["a confirmation (confirm)"]
    missing += [] if study.report_on else ["a benchmark that nothing was tuned on (report_on)"]
    remedy = f"for an answer, add {' and '.join(missing)} to the study file"
    if study.tune_on is None:
        return f"no trial was evaluated; {remedy}"
    origin = "chose the parameters" if study.search else "are held out of the training data"
    return f"the figures are those of development data, which {origin}; {remedy}"


# By sample, which is a seed or a part of the data: the values of its trials.
_Samples = dict[int, list[float]]


def confirmed_curve_table(folder: RunFolder) -> Table:
    """The confirmed curves so far: means over seeds, a row for each condition and ratio.

    Intervals need the scores of single questions, and come with the report. If the training data
    are divided into parts, the seeds of one part are averaged first. The development benchmark is
    shown only where no other is reported.
    """
    values, unit = _confirmed_values(folder)
    reported = {benchmark for benchmark, *_ in values} - {names.DEV}
    scope = "" if reported or not values else " on development data, which is no answer"
    table = Table(
        title=f"Confirmed curve{scope}: mean over {unit}; intervals come with the report",
        title_justify="left",
    )
    conditions = {condition for _, condition, _ in values}
    varied = list(condition_levels(next(iter(conditions), "")))
    table.add_column("benchmark", overflow="fold")
    for column in (*varied, "alpha"):
        table.add_column(column, justify="right")
    for setting in names.SETTINGS:
        table.add_column(f"{names.LABELS[setting]} mAP", justify="right")
    table.add_column(names.LABELS[names.RANK_DISTANCE], justify="right")
    table.add_column(f"n {unit}", justify="right")
    for benchmark, condition, ratio in sorted(values, key=_in_order):
        if reported and benchmark == names.DEV:
            continue
        by_measure = values[benchmark, condition, ratio]
        means = {
            measure: [fmean(repeats) for repeats in samples.values()]
            for measure, samples in by_measure.items()
        }
        cells = [_mean(means.get(measure, [])) for measure in _MEASURES]
        count = max(map(len, by_measure.values()))
        levels = condition_levels(condition).values()
        table.add_row(benchmark, *levels, f"{ratio:g}", *cells, str(count))
    return table


def _confirmed_values(
    folder: RunFolder,
) -> tuple[dict[tuple[str, str, float], dict[str, _Samples]], str]:
    """Figures of the complete confirmed trials.

    Returns:
        (benchmark, condition, mixing ratio) -> measure -> samples, and the name of a sample in the
        plural.
    """
    values: dict[tuple[str, str, float], dict[str, _Samples]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    unit = "seeds"
    for trial in folder.trials():
        outcome, name = trial.outcome, names.read_confirmed_trial(trial.name)
        if name is None or outcome is None or outcome.state != names.COMPLETE:
            continue
        config = trial.read(names.ARTIFACT_CONFIG) or {}
        data_part = config.get("data", {}).get(names.DATA_PART)
        unit = unit if data_part is None else "parts of the data"
        sample = name.repeat if data_part is None else data_part["number"]
        for metric, value in outcome.metrics.items():
            benchmark, _, measure = metric.partition("/")
            if measure in _MEASURES:
                row = (benchmark, name.condition, name.ratio)
                values[row][measure][sample].append(value)
    return values, unit


def _in_order(row: tuple[str, str, float]) -> tuple[str, list[tuple[float, str]], float]:
    """Sorts by benchmark, values of the condition as numbers where they are, and ratio."""
    benchmark, condition, ratio = row
    levels = [(_number(level), level) for level in condition_levels(condition).values()]
    return benchmark, levels, ratio


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf


def _mean(values: list[float]) -> str:
    if not values:
        return "-"
    digits = 1 if fmean(values) > 2 else 3  # ranks or shares
    return f"{fmean(values):.{digits}f}"


def reported_curve_table(folder: RunFolder) -> Table | None:
    """The confirmed curves with the intervals of the report, a row for each ratio and measure.

    Returns:
        mAP and F1 at R in every setting, as in the report's own table; None without a report.
    """
    files = sorted(
        (folder.report / names.REPORT_TABLES).glob(f"{names.curve_table_name('*')}.csv")
    )
    if not files:
        return None
    over = " and ".join(_crossed(folder))
    seeds = set()
    table = Table(title_justify="left")
    for column in ("benchmark", "measure", "alpha"):
        table.add_column(column, justify="right" if column == "alpha" else "left")
    for setting in names.SETTINGS:
        table.add_column(names.LABELS[setting], justify="right")
    for column in ("seeds", "clusters"):
        table.add_column(column, justify="right")
    for path in files:
        benchmark = path.stem.removeprefix(names.curve_table_name(""))
        with path.open(newline="", encoding="utf-8") as file:
            points = list(csv.DictReader(file))
        for measure in (names.AP, names.SET_F1):
            rows = [point for point in points if point["measure"] == measure]
            for ratio in dict.fromkeys(row[names.MIXING_RATIO] for row in rows):
                at = {row["setting"]: row for row in rows if row[names.MIXING_RATIO] == ratio}
                first = next(iter(at.values()))
                seeds.add(first["n_seeds"])
                table.add_row(
                    benchmark,
                    names.LABELS[measure],
                    f"{float(ratio):g}",
                    *(_interval(at.get(setting)) for setting in names.SETTINGS),
                    first["n_seeds"],
                    first["n_clusters"],
                )
    table.title = (
        f"Confirmed curve: mean{f' over {over}' if over else ''} "
        f"[95 % interval for other {'' if seeds == {'1'} else 'seeds and '}clusters of questions]"
    )
    return table


def _crossed(folder: RunFolder) -> list[str]:
    """The parameters that are crossed with the ratio, which the curve is a mean over."""
    read = (names.read_confirmed_trial(trial.name) for trial in folder.trials())
    return list(condition_levels(next((name.condition for name in read if name), "")))


def _interval(row: dict[str, str] | None) -> str:
    if row is None:
        return "-"
    mean, low, high = (float(row[key]) for key in ("mean", "low", "high"))
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"
