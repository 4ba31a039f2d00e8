"""Extrapolates the measurements of a probe to the whole study: arithmetic alone.

Assumptions, which the report compares with the actual figures: the batch sizes of a search are
proposed equally often; at each rung all but one in ``reduction`` trials stop; parallel trials do
not slow each other down; a worker loads data and weights once per phase; training time is
proportional to the budget; BM25 takes as long as the encoder's evaluation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybridir import names
from hybridir.errors import InputError
from hybridir.training.schedule import expected_checkpoints
from tune.forecast.disk import estimated_disk
from tune.forecast.probe import BatchSizeCost, ProbeResult
from tune.readiness.checks import Needs, estimated_memory_mb
from tune.readiness.inputs import Inputs, batch_sizes
from tune.searching.stopping import brackets
from tune.space.settings import SearchConfig
from tune.study.baselines import baselines_to_run
from tune.study.file import StudyConfig
from tune.view.progress import planned_trials


@dataclass(frozen=True)
class PhasePlan:
    """Expected time of one phase of a study.

    Attributes:
        phase: `names.PHASE_SEARCH`, `names.PHASE_CONFIRM` or `names.PHASE_BASELINE`.
        trials: number of trials.
        batch_sizes: batch sizes that the trials may use.
        evaluation_seconds: evaluation time of one trial with the whole budget.
        seconds: (low, high) time of the phase from start to end.
        trial_seconds: (low, high) sum over its trials, which determines the cost.
        budgets: budgets of its trials, as multiples of the study's own.
    """

    phase: str
    trials: int
    batch_sizes: tuple[int, ...]
    evaluation_seconds: float
    seconds: tuple[float, float]
    trial_seconds: tuple[float, float]
    budgets: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class Plan:
    """Expected time, memory, disk and cost of a study; ``plan.json`` in its folder.

    Attributes:
        phases: the phases in order.
        points: training time and memory by batch size.
        at_a_time: number of trials that run in parallel.
        startup_seconds: time until a new worker can train.
        seconds: (low, high) time of the whole study.
        disk_mb: peak disk in the storage, prepared data included.
        kept_mb: disk in the study's folder after its end, the report included.
        cache_mb: disk of prepared data, part of `disk_mb`.
        process_mb: main memory of one process of a trial.
        cost: (low, high) at `hourly_price`; None without a price.
        hourly_price: price of one trial's resources per hour.
        host: machine of the probe.
        checkpoint_mb: size of one checkpoint.
        checkpoints_mb: most that all trials write as checkpoints; None in a plan of version 0.2.
        report_mb: disk of the report, part of `kept_mb`; as the next two 0 in an older plan.
        tracking_mb: disk of a tracking database and its artifacts on this machine.
        temporary_mb: disk of Ray's own files in the folder of temporary files.
    """

    phases: tuple[PhasePlan, ...]
    points: tuple[BatchSizeCost, ...]
    at_a_time: int
    startup_seconds: float
    seconds: tuple[float, float]
    disk_mb: float
    kept_mb: float
    cache_mb: float
    process_mb: float
    cost: tuple[float, float] | None
    hourly_price: float | None
    host: str
    checkpoint_mb: float = 0.0
    checkpoints_mb: float | None = None
    report_mb: float = 0.0
    tracking_mb: float = 0.0
    temporary_mb: float = 0.0

    @property
    def needs(self) -> Needs:
        """Disk and memory that the preflight checks."""
        return Needs(
            disk_mb=self.disk_mb,
            cache_mb=self.cache_mb,
            process_mb=self.process_mb,
            origin=f"measured on {self.host}",
            tracking_mb=self.tracking_mb,
            temporary_mb=self.temporary_mb,
        )


def extrapolate(
    study: StudyConfig, inputs: Inputs, measured: ProbeResult, startup: float, at_a_time: int
) -> Plan:
    """Extrapolate the measurements of a probe to the whole study.

    Args:
        study: the settings.
        inputs: its data and encoder.
        measured: measurements of the probe.
        startup: seconds until a new worker can train.
        at_a_time: number of trials that run in parallel.

    Raises:
        InputError: if a batch size does not fit into memory.
    """
    too_large = [point.batch_size for point in measured.points if point.memory_mb is None]
    if too_large:
        raise InputError(
            f"batch_size {', '.join(map(str, too_large))}: out of the GPU's memory on "
            f"{measured.host}; lower batch_size, use a larger GPU, or raise resources.processes"
        )
    phases = tuple(
        _phase(study, phase, sizes, measured, startup, at_a_time)
        for phase, sizes in batch_sizes(study).items()
    )
    disk = estimated_disk(study, inputs, at_a_time)
    price = study.resources.hourly_price
    paid = _sum([phase.trial_seconds for phase in phases])
    memory = max(point.memory_mb or 0.0 for point in measured.points)
    if measured.on_gpu:  # the measured memory is the GPU's
        memory = estimated_memory_mb(inputs.parameters, on_gpu=True)
    return Plan(
        phases=phases,
        points=measured.points,
        at_a_time=at_a_time,
        startup_seconds=startup,
        seconds=_sum([phase.seconds for phase in phases]),
        disk_mb=disk.peak,
        kept_mb=disk.kept,
        cache_mb=disk.cache,
        process_mb=memory,
        cost=None if price is None else (paid[0] / 3600 * price, paid[1] / 3600 * price),
        hourly_price=price,
        host=measured.host,
        checkpoint_mb=_checkpoint_mb(inputs),
        checkpoints_mb=sum(
            _checkpoints(study, phase, measured, inputs) * _checkpoint_mb(inputs)
            for phase in phases
        ),
        report_mb=disk.report,
        tracking_mb=disk.tracking,
        temporary_mb=disk.temporary,
    )


def estimated_needs(study: StudyConfig, inputs: Inputs, at_a_time: int) -> Needs:
    """Disk and memory before any measurement; memory is a lower bound."""
    disk = estimated_disk(study, inputs, at_a_time)
    return Needs(
        disk_mb=disk.peak,
        cache_mb=disk.cache,
        process_mb=estimated_memory_mb(inputs.parameters, study.resources.gpu > 0),
        origin="at least, by the size of the encoder",
        tracking_mb=disk.tracking,
        temporary_mb=disk.temporary,
    )


def _phase(
    study: StudyConfig,
    phase: str,
    sizes: tuple[int, ...],
    measured: ProbeResult,
    startup: float,
    at_a_time: int,
) -> PhasePlan:
    shares, times = [1.0], _times(study, phase, sizes, measured)
    fast, slow = (float(np.mean(ends)) for ends in zip(*times, strict=True))
    slowest = max(high for _, high in times)
    if phase == names.PHASE_SEARCH:
        assert study.search is not None, "the study has this phase"
        search = study.search
        shares = list(brackets(search)[0].fidelities)
        trained, evaluations = _until_stopped(search)
        evaluation = measured.evaluation_seconds.get(names.DEV, 0.0)
        trials = trains = search.trials
        slow = slowest  # the sampler may prefer the slowest batch size
    else:
        trials = trains = planned_trials(study)[phase]
        if phase == names.PHASE_BASELINE:
            trains = sum(trial.retriever == "trained" for trial in baselines_to_run(study))
        trained, evaluations = trains / trials, 1.0
        evaluation = sum(measured.evaluation_seconds.values())
    own = measured_pairs(study)
    budgets = tuple(sorted({pairs / own for pairs, _ in _conditions(study, phase, sizes)}))
    low = trials * (trained * fast + evaluations * evaluation)
    evaluated = len(shares) * evaluation
    high = trains * slow + trials * evaluated
    longest = (slowest if trains else 0.0) + evaluated
    # Both hold for any order of the trials; the second is that of Graham 1969, theorem 1.
    rounds = math.ceil(trials / at_a_time) * longest
    greedy = high / at_a_time + (1 - 1 / at_a_time) * longest
    return PhasePlan(
        phase=phase,
        trials=trials,
        batch_sizes=sizes,
        evaluation_seconds=evaluated,
        seconds=(startup + low / min(at_a_time, trials), startup + min(rounds, greedy)),
        trial_seconds=(low, high),
        budgets=budgets,
    )


def _conditions(
    study: StudyConfig, phase: str, sizes: tuple[int, ...]
) -> list[tuple[int, tuple[int, ...]]]:
    """Budget in pairs and possible batch sizes of each condition of a phase, all as frequent."""
    own = measured_pairs(study)
    if phase == names.PHASE_SEARCH:
        searched = study.space.get(names.PAIRS)
        budgets = [int(pairs) for pairs in searched.extremes] if searched else [own]
        return [(pairs, (size,)) for pairs in budgets for size in sizes]
    conditions = study.confirm.design if study.confirm else [{}]
    if phase == names.PHASE_BASELINE:  # at the first value of what is crossed
        conditions = conditions[:1]
    return [
        (
            int(condition.get(names.PAIRS, own)),
            # "at: best" is one of the sizes; which one is unknown. Its budget is the largest.
            (int(condition[names.BATCH_SIZE]),) if names.BATCH_SIZE in condition else sizes,
        )
        for condition in conditions
    ]


def measured_pairs(study: StudyConfig) -> int:
    """The budget that the probe's times are of: the largest."""
    return int(study.dearest.get(names.PAIRS, study.training.pairs))


def _times(
    study: StudyConfig, phase: str, sizes: tuple[int, ...], measured: ProbeResult
) -> list[tuple[float, float]]:
    """(fastest, slowest) training of each condition, in seconds."""
    train = {point.batch_size: point.train_seconds or 0.0 for point in measured.points}
    times = []
    for pairs, possible in _conditions(study, phase, sizes):
        seconds = [train[size] * pairs / measured_pairs(study) for size in possible]
        times.append((min(seconds), max(seconds)))
    return times


def _until_stopped(search: SearchConfig) -> tuple[float, float]:
    """Training and evaluations of an average trial before it stops.

    ``asha`` and ``hyperband`` let one in `reduction` trials pass each rung; ``median`` stops half
    of the trials at the first opportunity (assumption).

    Returns:
        (share of the training, number of evaluations).

    >>> _until_stopped(SearchConfig(scheduler="asha")), _until_stopped(SearchConfig())
    ((0.75, 1.5), (1.0, 1.0))
    """
    trained, evaluations = 0.0, 0.0
    for bracket in brackets(search):
        before, alive = 0.0, bracket.weight
        for index, share in enumerate(bracket.fidelities):
            trained += alive * (share - before)
            evaluations += alive
            before = share
            if search.scheduler in ("asha", "hyperband"):
                alive /= search.reduction
            elif index == 0:
                alive = bracket.weight / 2
    return trained, evaluations


def _checkpoint_mb(inputs: Inputs) -> float:
    """A checkpoint has the weights and AdamW's two moments."""
    return 3 * inputs.parameters * 4 / 1e6


def _checkpoints(
    study: StudyConfig, phase: PhasePlan, measured: ProbeResult, inputs: Inputs
) -> float:
    """Most checkpoints that the trials of a phase write, in the mean over its conditions."""
    pauses, trains = 1, phase.trials
    if phase.phase == names.PHASE_SEARCH and (search := study.search):
        pauses = len(brackets(search)[0].fidelities)
    if phase.phase == names.PHASE_BASELINE:
        trains = sum(trial.retriever == "trained" for trial in baselines_to_run(study))
    train = {point.batch_size: point.train_seconds or 0.0 for point in measured.points}
    cost = measured.write_seconds_per_mb * _checkpoint_mb(inputs)
    most = [
        max(
            expected_checkpoints(
                study.training,
                steps=math.ceil(pairs / size),
                seconds=train[size] * pairs / measured_pairs(study),
                cost=cost,
                pauses=pauses,
            )
            for size in possible
        )
        for pairs, possible in _conditions(study, phase.phase, phase.batch_sizes)
    ]
    return trains * float(np.mean(most))


def _sum(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)
