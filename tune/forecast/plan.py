"""``plan.json``: trials, time, memory, disk and cost of a study, from a measured probe."""

import math
import time
from collections.abc import Sequence

import ray
from pydantic import TypeAdapter
from rich.table import Table

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write, read_json
from hybridir.runtime.memory import release_memory
from tune.folders import RunFolder, cache_folder
from tune.forecast.disk import estimated_disk
from tune.forecast.estimate import PhasePlan, Plan, extrapolate, measured_pairs
from tune.forecast.probe import ProbeResult, measure
from tune.readiness.cluster import on_cluster
from tune.readiness.inputs import Inputs, batch_sizes
from tune.readiness.nodes import Node, concurrent_trials
from tune.space.parameters import Value
from tune.study.file import StudyConfig
from tune.study.resources import ResourcesConfig
from tune.view.narrator import duration, time_span
from tune.view.progress import planned_trials

_PROBE_SECONDS = 900.0
# Start of a worker and imports of torch, transformers and numba, on two cores (measured).
_STARTUP_SECONDS = 8.0
_EXCESS = 0.05  # of a budget, from which the plan tells that whole batches exceed it
_PLAN = TypeAdapter(Plan)


def write_plan(plan: Plan, folder: RunFolder) -> None:
    """Write the plan to a run's folder."""
    with atomic_write(folder.path / names.ARTIFACT_PLAN) as unfinished:
        unfinished.write_bytes(_PLAN.dump_json(plan, indent=1))


def read_plan(folder: RunFolder) -> Plan | None:
    """The plan of a run; None if it has none.

    Raises:
        InputError: if somebody has damaged it.
    """
    path = folder.path / names.ARTIFACT_PLAN
    if not path.is_file():
        return None
    plan: Plan = read_json(path, Plan, "delete it, and the study goes on without a plan")
    return plan


def measure_plan(study: StudyConfig, inputs: Inputs, nodes: Sequence[Node]) -> Plan:
    """Run a probe with the resources of a trial's process, and extrapolate to the whole study.

    On a single machine without GPUs the probe runs in this process, since a worker would take
    longer to start than to measure.

    Raises:
        InputError: if the probe cannot run, or a batch size does not fit into memory.
    """
    by_phase = batch_sizes(study).values()
    sizes = tuple(sorted({size for phase_sizes in by_phase for size in phase_sizes}))
    probed = study.dearest | _ratio_of_trials(study)
    config = study.trial(probed, seed=0, report=study.reports).model_dump_json()
    resources = study.resources
    arguments = (
        config,
        sizes,
        resources.processes,
        resources.cpu,
        resources.gpu,
        str(cache_folder(study.storage).resolve()),
    )
    if on_cluster() or resources.gpu:
        start = time.monotonic()
        measured = _measure_on_ray(resources, arguments)
        startup = time.monotonic() - start - measured.busy_seconds
    else:
        measured, startup = measure(*arguments), _STARTUP_SECONDS
        release_memory()
    return extrapolate(study, inputs, measured, startup, concurrent_trials(nodes, resources))


def _ratio_of_trials(study: StudyConfig) -> dict[str, Value]:
    """A mixing ratio that trials have, where they leave out the study's own one.

    Data without translations have batches at a ratio of 1 alone.
    """
    if names.MIXING_RATIO in study.space:
        ratios = [float(ratio) for ratio in study.space[names.MIXING_RATIO].extremes]
    else:
        ratios = list(study.confirm.mixing_ratio) if study.confirm else []
    own = study.batch.mixing_ratio
    if not ratios or min(ratios) <= own <= max(ratios):
        return {}
    return {names.MIXING_RATIO: min(ratios, key=lambda ratio: abs(ratio - own))}


def _measure_on_ray(
    resources: ResourcesConfig, arguments: tuple[str, tuple[int, ...], int, int, float, str]
) -> ProbeResult:
    probe = ray.remote(num_cpus=resources.cpu, num_gpus=resources.gpu, max_retries=0)(measure)
    answer = probe.remote(*arguments)
    try:
        measured: ProbeResult = ray.get(answer, timeout=_PROBE_SECONDS)
    except ray.exceptions.GetTimeoutError:
        raise InputError(
            f"the probe did not answer within {_PROBE_SECONDS / 60:.0f} minutes; check with "
            "`ray status` whether the cluster is busy"
        ) from None
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, InputError) else error) from None
    except ray.exceptions.RayError as error:
        raise InputError(
            f"the probe's process died ({str(error).strip().splitlines()[0]}); if memory ran out, "
            f"lower batch_size (tried: {', '.join(map(str, arguments[1]))}) or use a larger "
            "machine"
        ) from None
    return measured


def render(study: StudyConfig, plan: Plan) -> list[Table | str]:
    """The plan as a table and some lines."""
    table = Table(title=f"{study.name}: plan", title_justify="left")
    for column in ("phase", "trials", "batch", "training", "evaluation", "memory"):
        table.add_column(column, justify="left" if column == "phase" else "right")
    points = {point.batch_size: point for point in plan.points}
    for phase in plan.phases:
        for row, size in enumerate(phase.batch_sizes):
            point = points[size]
            table.add_row(
                phase.phase if row == 0 else "",
                str(phase.trials) if row == 0 else "",
                str(size),
                _range([(point.train_seconds or 0.0) * budget for budget in phase.budgets]),
                duration(phase.evaluation_seconds),
                f"{point.memory_mb or 0.0:,.0f} MB",
            )
    lines: list[Table | str] = [
        table,
        f"time:  {time_span(*plan.seconds)} with {plan.at_a_time} trials at a time; the "
        "low end assumes that they do not slow each other down and that search trials are "
        "stopped early",
        _disk_line(plan.disk_mb, plan.kept_mb, plan.tracking_mb),
    ]
    if plan.checkpoints_mb is not None:
        training = study.training
        lines.append(
            f"saved: at most {plan.checkpoints_mb:,.0f} MB of checkpoints are written in all, "
            f"{plan.checkpoint_mb:,.1f} MB each, every {training.checkpoint_every} steps or "
            f"{training.checkpoint_minutes:g} minutes and in at most "
            f"{training.checkpoint_share:.0%} of the training's time"
        )
    if study.search and (study.search.sampler != "grid" or study.search.scheduler != "none"):
        lines.append(
            "note:  the search serves optimisation: its sampler and scheduler favour what is "
            "good, so effects of parameters are read from a confirmation that crosses them"
        )
    if note := _whole_batches(measured_pairs(study), plan.phases):
        lines.append(f"note:  {note}")
    if plan.cost:
        ends = list(dict.fromkeys(f"{end:.2f}" for end in plan.cost))
        lines.append(f"cost:  {' to '.join(ends) if ends[1:] else f'about {ends[0]}'}")
    return lines


def render_unmeasured(
    study: StudyConfig, inputs: Inputs, lacking: Sequence[str]
) -> list[Table | str]:
    """The plan of a study that cannot run here, as on a login node: all but what a probe measures.

    Args:
        study: the settings.
        inputs: its data and encoder.
        lacking: phrases that name what this machine lacks.
    """
    table = Table(title=f"{study.name}: plan, not measured", title_justify="left")
    for column in ("phase", "trials", "batch"):
        table.add_column(column, justify="left" if column == "phase" else "right")
    trials = planned_trials(study)
    for phase, sizes in batch_sizes(study).items():
        table.add_row(phase, str(trials[phase]), ", ".join(map(str, sizes)))
    resources = study.resources
    gpus = math.ceil(resources.gpu)
    fitting = int(gpus / resources.gpu + 1e-9) if gpus else 1
    node = Node("", "", "", cpu=resources.cpu * fitting, gpu=gpus)
    at_a_time = concurrent_trials([node] * resources.nodes, resources)
    disk = estimated_disk(study, inputs, at_a_time)
    return [
        table,
        "time:  not measured, as memory and cost, since the study cannot run here; where it runs, "
        "it measures them before its first trial",
        f"{_disk_line(disk.peak, disk.kept, disk.tracking)}; assumed: {at_a_time} at a time, on "
        f"resources.nodes={resources.nodes} with {node.cpu} CPU and {gpus} GPU each",
        *(f"note:  {phrase}" for phrase in lacking),
    ]


def _disk_line(peak: float, kept: float, tracking: float) -> str:
    return (
        f"disk:  at most {peak:,.0f} MB, of which {kept:,.0f} MB remain; as much as "
        f"{tracking:,.0f} MB beside it for a tracking database and its artifacts"
    )


def _whole_batches(pairs: int, phases: Sequence[PhasePlan]) -> str:
    """Say which budget is exceeded most by its last, whole batch; empty if by little.

    >>> _whole_batches(100, [PhasePlan("confirm", 2, (16, 64), 1.0, (1.0, 2.0), (1.0, 2.0))])
    'a budget of 100 pairs trains 128 at batch size 64, since batches are whole'
    """
    trained = [
        (math.ceil(budget / size) * size, budget, size)
        for phase in phases
        for budget in (round(pairs * share) for share in phase.budgets)
        for size in phase.batch_sizes
    ]
    most, budget, size = max(trained, key=lambda row: row[0] / row[1], default=(1, 1, 1))
    if most / budget - 1 < _EXCESS:
        return ""
    return (
        f"a budget of {budget:,} pairs trains {most:,} at batch size {size}, since batches are "
        "whole"
    )


def _range(seconds: list[float]) -> str:
    ends = dict.fromkeys((duration(min(seconds)), duration(max(seconds))))
    return " to ".join(ends)
