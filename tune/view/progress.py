"""Progress of a run, read from its folder alone: ended, running and remaining trials."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hybridir import names
from tune.folders import ATTEMPTS, PROGRESS, STARTED, RunFolder, TrialFolder
from tune.study.baselines import baselines_to_run
from tune.study.file import StudyConfig

_SECONDS = (names.TRAIN_SECONDS, names.EVALUATION_SECONDS)


@dataclass(frozen=True)
class Running:
    """A trial that has started and not ended.

    Attributes:
        name: name of the trial.
        step: steps done; 0 before the first report of progress.
        steps: steps in total; 0 before the first report of progress.
        host: machine that reported last; "" before the first report.
        pairs_per_second: since the last (re)start, loading and evaluation included; NaN before
            the first steps.
        silent: seconds since the last report of progress.
    """

    name: str
    step: int
    steps: int
    host: str
    pairs_per_second: float
    silent: float

    @property
    def share(self) -> float:
        """Fraction of the steps that are done."""
        return self.step / self.steps if self.steps else 0.0


def running_trials(trials: Iterable[TrialFolder], now: float) -> list[Running]:
    """The trials that have started and not ended.

    Args:
        trials: trials of a run.
        now: seconds since 1970.
    """
    return [_running(trial, now) for trial in trials if trial_state(trial) == "running"]


def _running(trial: TrialFolder, now: float) -> Running:
    progress = trial.read(PROGRESS) or {"step": 0, "steps": 0, "host": ""}
    last_report = trial.started
    rate = math.nan
    if progress["step"]:
        last_report = trial.progressed or last_report
        attempt = (read_attempts(trial) or [{"step": 0, "time": trial.started}])[-1]
        config = trial.read(names.ARTIFACT_CONFIG) or {}
        batch = config.get("batch", {}).get(names.BATCH_SIZE, math.nan)
        if last_report > attempt["time"] and progress["step"] > attempt["step"]:
            steps, seconds = progress["step"] - attempt["step"], last_report - attempt["time"]
            rate = steps * batch / seconds
    return Running(
        name=trial.name,
        step=progress["step"],
        steps=progress["steps"],
        host=progress["host"],
        pairs_per_second=rate,
        silent=max(0.0, now - last_report),
    )


def read_attempts(trial: TrialFolder) -> list[dict[str, Any]]:
    """Host, process, step and time of each start and restart of a trial."""
    attempts: list[dict[str, Any]] = (trial.read(ATTEMPTS) or {"attempts": []})["attempts"]
    return attempts


def trial_state(trial: TrialFolder) -> str:
    """How a trial ended; else ``running`` if it has started, or ``waiting``."""
    outcome = trial.outcome
    if outcome:
        return outcome.state
    started = (trial.path / STARTED).is_file() or (trial.path / PROGRESS).is_file()
    return "running" if started else "waiting"


def count_states(trials: Iterable[TrialFolder]) -> dict[str, Counter[str]]:
    """Number of trials by phase and state."""
    counts: dict[str, Counter[str]] = {}
    for trial in trials:
        counts.setdefault(trial.phase, Counter())[trial_state(trial)] += 1
    return counts


def planned_trials(study: StudyConfig) -> dict[str, int]:
    """Number of trials by phase of a study."""
    counts = {}
    if study.search:
        counts[names.PHASE_SEARCH] = study.search.trials
    if study.confirm:
        counts[names.PHASE_CONFIRM] = len(study.confirm.design) * len(study.repeats)
    if baselines := baselines_to_run(study):
        counts[names.PHASE_BASELINE] = len(baselines)
    return counts


def trials_per_hour(trials: Iterable[TrialFolder]) -> float:
    """Ended trials, divided by the hours from the first start to the last end.

    NaN before the first end. Hours in which the study was interrupted count as well.
    """
    ended = [trial for trial in trials if trial.outcome]
    if not ended:
        return math.nan
    span = max(t.ended for t in ended) - min(t.started for t in ended)
    return len(ended) / span * 3600 if span > 0 else math.nan


def seconds_left(folder: RunFolder, study: StudyConfig, now: float) -> float:
    """Estimate the time that a run still takes; NaN before the first trial has ended.

    A trial takes the mean time of its phase's ended trials: seconds of training and evaluation,
    which interruptions do not lengthen, or from start to end if these were not measured. A phase
    without ended trials uses the mean over all phases. A running trial still takes the rest of
    this time, a waiting one all of it. The sum is divided by the number of trials that run at
    present, at least 1.
    """
    trials = folder.trials()
    took: dict[str, list[float]] = {}
    for trial in trials:
        if trial.outcome and trial.outcome.state != names.FAIL:
            took.setdefault(trial.phase, []).append(_duration(trial))
    if not took:
        return math.nan
    overall = [seconds for phase in took.values() for seconds in phase]
    running = running_trials(trials, now)
    done = {phase: sum(1 for t in trials if t.phase == phase and t.outcome) for phase in took}
    left = 0.0
    for phase, total in planned_trials(study).items():
        durations = took.get(phase, overall)
        mean = sum(durations) / len(durations)
        shares = sum(r.share for r in running if r.name.startswith(f"{phase}-"))
        left += mean * max(0.0, total - done.get(phase, 0) - shares)
    return left / max(1, len(running))


def _duration(trial: TrialFolder) -> float:
    outcome = trial.outcome
    measured = [outcome.metrics[key] for key in _SECONDS if outcome and key in outcome.metrics]
    return sum(measured) if measured else trial.ended - trial.started
