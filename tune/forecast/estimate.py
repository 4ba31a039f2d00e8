"""From what a probe measured to what the whole study takes: arithmetic alone.

Assumptions, which the report compares with what came: the batch sizes of a search are proposed
equally often; of trials that are compared, all but one in ``reduction`` stop at each rung; trials
that run side by side do not slow each other; a worker loads data and weights once a phase; BM25
takes as long as the encoder's evaluation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybridir import names
from hybridir.errors import InputError
from tune.forecast.probe import Measured, Point
from tune.readiness.checks import Needs, estimated_memory_mb
from tune.readiness.inputs import Inputs, batch_sizes
from tune.searching.stopping import fidelities
from tune.study.baselines import baselines_to_run
from tune.study.file import StudyConfig
from tune.view.progress import totals

# Of a row of a per-query table as Parquet: 12 for XQuAD-R with random ranks (measured), and a
# reserve.
_ROW_BYTES = 20
# An int32 for each token; three characters a token is on the safe side (assumption).
_BYTES_PER_CHARACTER = 4 / 3


@dataclass(frozen=True)
class Phase:
    """What one phase of a study is expected to take.

    Attributes:
        phase: `names.PHASE_SEARCH`, `names.PHASE_CONFIRM` or `names.PHASE_BASELINE`.
        trials: how many.
        batch_sizes: those that it may use.
        evaluation_seconds: of one trial with the whole budget.
        seconds: (low, high) of the phase from its start to its end.
        trial_seconds: (low, high) of its trials added up, which is what is paid for.
    """

    phase: str
    trials: int
    batch_sizes: tuple[int, ...]
    evaluation_seconds: float
    seconds: tuple[float, float]
    trial_seconds: tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """What a study is expected to take; ``plan.json`` in its folder.

    Attributes:
        phases: in their order.
        points: training and memory by batch size.
        at_a_time: trials that run together.
        startup_seconds: until a new worker can train.
        seconds: (low, high) of the whole study.
        disk_mb: in its storage at most, prepared data included.
        kept_mb: in its folder after its end.
        cache_mb: of that, prepared data.
        process_mb: main memory of one process of a trial.
        cost: (low, high) at `hourly_price`; None without one.
        hourly_price: of one trial's resources.
        host: where the probe ran.
    """

    phases: tuple[Phase, ...]
    points: tuple[Point, ...]
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

    @property
    def needs(self) -> Needs:
        """Disk and memory as the preflight judges them."""
        return Needs(self.disk_mb, self.cache_mb, self.process_mb, f"measured on {self.host}")


def add_up(
    study: StudyConfig, inputs: Inputs, measured: Measured, startup: float, at_a_time: int
) -> Plan:
    """From what was measured to the whole study.

    Args:
        study: the settings.
        inputs: its data and encoder.
        measured: by the probe.
        startup: seconds until a new worker can train.
        at_a_time: trials that run together.

    Raises:
        InputError: if a batch size does not fit into memory.
    """
    too_large = [point.batch_size for point in measured.points if point.memory_mb is None]
    if too_large:
        raise InputError(
            f"batch_size {', '.join(map(str, too_large))}: out of the GPU's memory on "
            f"{measured.host}; take smaller ones, a larger GPU or more resources.processes"
        )
    phases = tuple(
        _phase(study, phase, sizes, measured, startup, at_a_time)
        for phase, sizes in batch_sizes(study).items()
    )
    disk, kept, cache = _disk(study, inputs, at_a_time)
    price = study.resources.hourly_price
    paid = _sum([phase.trial_seconds for phase in phases])
    memory = max(point.memory_mb or 0.0 for point in measured.points)
    if measured.on_gpu:  # what was measured is the GPU's
        memory = estimated_memory_mb(inputs.parameters, on_gpu=True)
    return Plan(
        phases=phases,
        points=measured.points,
        at_a_time=at_a_time,
        startup_seconds=startup,
        seconds=_sum([phase.seconds for phase in phases]),
        disk_mb=disk,
        kept_mb=kept,
        cache_mb=cache,
        process_mb=memory,
        cost=None if price is None else (paid[0] / 3600 * price, paid[1] / 3600 * price),
        hourly_price=price,
        host=measured.host,
    )


def estimated_needs(study: StudyConfig, inputs: Inputs, at_a_time: int) -> Needs:
    """Disk and memory before anything was measured; memory is a lower bound."""
    disk, _, cache = _disk(study, inputs, at_a_time)
    memory = estimated_memory_mb(inputs.parameters, study.resources.gpu > 0)
    origin = "at least, by the size of the encoder"
    return Needs(disk, cache, memory, origin)


def _phase(
    study: StudyConfig,
    phase: str,
    sizes: tuple[int, ...],
    measured: Measured,
    startup: float,
    at_a_time: int,
) -> Phase:
    train = {point.batch_size: point.train_seconds or 0.0 for point in measured.points}
    times = [train[size] for size in sizes]
    if phase == names.PHASE_SEARCH:
        assert study.search is not None, "a phase that there is"
        search = study.search
        shares = fidelities(search.scheduler, search.first_rung, search.reduction)
        trained, evaluations = _until_stopped(shares, search.scheduler, search.reduction)
        once = measured.evaluation_seconds.get(names.DEV, 0.0)
        trials, trains, typical = search.trials, search.trials, float(np.mean(times))
    else:
        trials = totals(study)[phase]
        trains = trials
        if phase == names.PHASE_BASELINE:
            trains = sum(each.retriever == "trained" for each in baselines_to_run(study))
        shares, trained, evaluations = [1.0], trains / trials, 1.0
        once = sum(measured.evaluation_seconds.values())
        typical = min(times)  # "at: best" is one of these, and nobody knows which
    low = trained * typical + evaluations * once
    evaluated = len(shares) * once
    high = (max(times) if trains else 0.0) + evaluated
    return Phase(
        phase=phase,
        trials=trials,
        batch_sizes=sizes,
        evaluation_seconds=evaluated,
        seconds=(
            startup + trials * low / min(at_a_time, trials),
            startup + math.ceil(trials / at_a_time) * high,
        ),
        trial_seconds=(trials * low, trains * max(times) + trials * evaluated),
    )


def _until_stopped(shares: Sequence[float], scheduler: str, reduction: int) -> tuple[float, float]:
    """What an average trial is trained and evaluated before it is stopped.

    ``asha`` lets one in `reduction` pass each rung; that ``median`` stops half of them, at the
    first chance, is an assumption.

    Returns:
        (share of the training, number of evaluations).

    >>> _until_stopped([0.5, 1.0], "asha", 2), _until_stopped([1.0], "none", 2)
    ((0.75, 1.5), (1.0, 1.0))
    """
    trained, evaluations, before, going_on = 0.0, 0.0, 0.0, 1.0
    for index, share in enumerate(shares):
        trained += going_on * (share - before)
        evaluations += going_on
        before = share
        if scheduler == "asha":
            going_on /= reduction
        elif index == 0:
            going_on = 0.5
    return trained, evaluations


def _disk(study: StudyConfig, inputs: Inputs, at_a_time: int) -> tuple[float, float, float]:
    """Disk in MB: at most, what is kept in the study's folder, and prepared data."""
    weights = inputs.parameters * 4 / 1e6
    encoders = len(study.confirm.mixing_ratio) if study.confirm else 0
    rows = sum(count * inputs.rows[phase] for phase, count in totals(study).items())
    tables = rows * _ROW_BYTES / 1e6
    cache = inputs.characters * _BYTES_PER_CHARACTER / 1e6
    # A checkpoint holds the weights and AdamW's two moments, and is written beside the last one.
    checkpoints = at_a_time * 2 * 3 * weights
    embeddings = at_a_time * inputs.stored_mb
    return (
        checkpoints + embeddings + encoders * weights + tables + cache,
        bool(encoders) * weights + tables,
        cache,
    )


def _sum(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)
