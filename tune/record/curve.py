"""The confirmed curve as metrics of the study's run: the step is the mixing ratio in percent.

One more metric, `names.CURVE_RATIO`, has the ratio at each step, as an x axis for MLflow's charts.
A confirmation that crosses the ratio with other parameters has a curve of means for each
condition, whose name ends with the condition:
``curve/xquad-r/map_multilingual/temperature0.02-pairs2048``.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from hybridir import names
from tune.folders import TrialFolder

_MEASURES = (*(f"map_{setting}" for setting in names.SETTINGS), names.RANK_DISTANCE)


@dataclass(frozen=True)
class CurvePoint:
    """One point of a curve.

    Attributes:
        metric: name of the metric in MLflow.
        percent: mixing ratio in percent, rounded.
        value: mean over seeds.
        seeds: number of seeds.
        time: end of the last trial of the point, in seconds since 1970.
    """

    metric: str
    percent: int
    value: float
    seeds: int
    time: float


def curve_points(trials: Iterable[TrialFolder]) -> list[CurvePoint]:
    """The points that are final.

    MLflow keeps every value that it ever received, so only final points are sent: the first seed's
    as soon as its trial has ended, the mean over seeds when all trials of a ratio have. Failed
    trials are left out. Ratios that round to the same percent share a point. The first seed's is
    left out where conditions are crossed, which would double many curves.

    Args:
        trials: all trials of a run. A confirmation's folders are made before its first trial.
    """
    by_point: dict[tuple[str, int], list[TrialFolder]] = defaultdict(list)
    for trial in trials:
        config = trial.read(names.ARTIFACT_CONFIG) if trial.phase == names.PHASE_CONFIRM else None
        parts = names.read_confirmed_trial(trial.name)
        if config and parts:
            percent = round(100 * config["batch"][names.MIXING_RATIO])
            by_point[parts.condition, percent].append(trial)
    points = []
    for (condition, percent), of_ratio in sorted(by_point.items()):
        first = [trial for trial in of_ratio if _repeat(trial) == min(map(_repeat, of_ratio))]
        if len(of_ratio) > len(first) and not condition:
            points += _means(condition, percent, first, first_seed=True)
        points += _means(condition, percent, of_ratio, first_seed=False)
    return points


def _repeat(trial: TrialFolder) -> int:
    name = names.read_confirmed_trial(trial.name)
    assert name is not None, "asked only of trials of the confirmation"
    return name.repeat


def _means(
    condition: str, percent: int, trials: list[TrialFolder], *, first_seed: bool
) -> list[CurvePoint]:
    """Means over trials, by benchmark and measure; empty before all trials have ended."""
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
        CurvePoint(
            names.curve_metric(metric, condition, first_seed=first_seed),
            percent,
            math.fsum(seed_values) / len(seed_values),
            len(seed_values),
            ended,
        )
        for metric, seed_values in sorted(values.items())
    ]
