"""The confirmed curve as metrics of the study's run: the step is the mixing ratio in percent.

So the charts that MLflow draws of a run by itself show the ratio against the three settings.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from hybridir import names
from tune.folders import TrialFolder

_MEASURES = (*(f"map_{setting}" for setting in names.SETTINGS), names.RANK_DISTANCE)


@dataclass(frozen=True)
class Point:
    """One point of a curve.

    Attributes:
        metric: its name in MLflow.
        percent: the mixing ratio in percent, rounded.
        value: the mean over seeds.
        seeds: number of seeds.
        time: when the last of its trials ended, in seconds since 1970.
    """

    metric: str
    percent: int
    value: float
    seeds: int
    time: float


def curve_points(trials: Iterable[TrialFolder]) -> list[Point]:
    """The points that are known for good.

    MLflow keeps every value that it was ever given, so a point is one that will not change: of the
    first seed as soon as its trial has ended, of the mean over seeds when all of a ratio's have.
    Trials that failed are left out. Ratios that round to the same percent share a point.

    Args:
        trials: all of a run's. The folders of a confirmation are made before its first trial.
    """
    by_percent: dict[int, list[TrialFolder]] = defaultdict(list)
    for trial in trials:
        config = trial.read(names.ARTIFACT_CONFIG) if trial.phase == names.PHASE_CONFIRM else None
        if config:
            by_percent[round(100 * config["batch"][names.MIXING_RATIO])].append(trial)
    points = []
    for percent, of_ratio in sorted(by_percent.items()):
        first = [trial for trial in of_ratio if trial.name.endswith("-s0")]
        if len(of_ratio) > len(first):
            points += _means(percent, first, first_seed=True)
        points += _means(percent, of_ratio, first_seed=False)
    return points


def _means(percent: int, trials: list[TrialFolder], *, first_seed: bool) -> list[Point]:
    """Means over trials, by benchmark and measure; none before all of them have ended."""
    outcomes = [outcome for trial in trials if (outcome := trial.outcome)]
    if len(outcomes) < len(trials):
        return []
    values: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.state == names.COMPLETE:
            for metric, value in outcome.metrics.items():
                benchmark, _, measure = metric.partition("/")
                if measure in _MEASURES and benchmark != names.DEV:
                    values[metric].append(value)
    ended = max((trial.ended for trial in trials), default=0.0)
    return [
        Point(
            names.curve_metric(metric, first_seed=first_seed),
            percent,
            math.fsum(found) / len(found),
            len(found),
            ended,
        )
        for metric, found in sorted(values.items())
    ]
