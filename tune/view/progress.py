"""How far a run is, read from its folder alone: what is done, what runs, what is left."""

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
    """A trial that has begun and not ended.

    Attributes:
        name: of the trial.
        step: steps done; 0 before the first sign of life.
        steps: steps in all; 0 before the first sign of life.
        host: machine that it was seen on last; empty if it was not.
        pairs_per_second: since its last (re)start, loading and evaluation included; NaN before
            the first steps.
        silent: seconds since the last sign of life.
    """

    name: str
    step: int
    steps: int
    host: str
    pairs_per_second: float
    silent: float

    @property
    def share(self) -> float:
        """Part of the steps that are done."""
        return self.step / self.steps if self.steps else 0.0


def running_trials(trials: Iterable[TrialFolder], now: float) -> list[Running]:
    """Look at the trials that have begun and not ended.

    Args:
        trials: some of a run's.
        now: seconds since 1970.
    """
    return [_running(trial, now) for trial in trials if state(trial) == "running"]


def _running(trial: TrialFolder, now: float) -> Running:
    progress = trial.read(PROGRESS) or {"step": 0, "steps": 0, "host": ""}
    seen = trial.started
    rate = math.nan
    if progress["step"]:
        seen = (trial.path / PROGRESS).stat().st_mtime
        begun = (attempts(trial) or [{"step": 0, "time": trial.started}])[-1]
        config = trial.read(names.ARTIFACT_CONFIG) or {}
        batch = config.get("batch", {}).get(names.BATCH_SIZE, math.nan)
        if seen > begun["time"] and progress["step"] > begun["step"]:
            rate = (progress["step"] - begun["step"]) * batch / (seen - begun["time"])
    return Running(
        trial.name, progress["step"], progress["steps"], progress["host"], rate, now - seen
    )


def attempts(trial: TrialFolder) -> list[dict[str, Any]]:
    """The times that a trial was begun or begun again: host, process, step and time of each."""
    found: list[dict[str, Any]] = (trial.read(ATTEMPTS) or {"attempts": []})["attempts"]
    return found


def state(trial: TrialFolder) -> str:
    """How a trial ended, or ``running`` if it has begun, or ``waiting``."""
    outcome = trial.outcome
    if outcome:
        return outcome.state
    begun = (trial.path / STARTED).is_file() or (trial.path / PROGRESS).is_file()
    return "running" if begun else "waiting"


def count(trials: Iterable[TrialFolder]) -> dict[str, Counter[str]]:
    """Number of trials by phase and state."""
    found: dict[str, Counter[str]] = {}
    for trial in trials:
        found.setdefault(trial.phase, Counter())[state(trial)] += 1
    return found


def totals(study: StudyConfig) -> dict[str, int]:
    """Number of trials that a study's phases have in all."""
    found = {}
    if study.search:
        found[names.PHASE_SEARCH] = study.search.trials
    if study.confirm:
        found[names.PHASE_CONFIRM] = len(study.confirm.mixing_ratio) * len(study.repeats)
    if baselines := baselines_to_run(study):
        found[names.PHASE_BASELINE] = len(baselines)
    return found


def trials_per_hour(trials: Iterable[TrialFolder]) -> float:
    """Trials that ended, by the hours from the first one's begin to the last one's end.

    NaN before the first end. Hours in which nobody ran the study count as well.
    """
    ended = [trial for trial in trials if trial.outcome]
    if not ended:
        return math.nan
    span = max(t.ended for t in ended) - min(t.started for t in ended)
    return len(ended) / span * 3600 if span > 0 else math.nan


def seconds_left(folder: RunFolder, study: StudyConfig, now: float) -> float:
    """Estimate the time that a run still takes; NaN before anything is known.

    A trial takes the mean time of its phase's ended trials: seconds of training and evaluation,
    which interruptions do not lengthen, or from begin to end where they were not measured. A phase
    without one takes the other's. Running trials lack one minus their share of it, others all of
    it; the sum is divided by the number of trials that run at once, now or, if none does, 1.
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
    for phase, total in totals(study).items():
        known = took.get(phase, overall)
        mean = sum(known) / len(known)
        shares = sum(r.share for r in running if r.name.startswith(f"{phase}-"))
        left += mean * max(0.0, total - done.get(phase, 0) - shares)
    return left / max(1, len(running))


def _duration(trial: TrialFolder) -> float:
    outcome = trial.outcome
    measured = [outcome.metrics[key] for key in _SECONDS if outcome and key in outcome.metrics]
    return sum(measured) if measured else trial.ended - trial.started
