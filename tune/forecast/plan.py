"""``plan.json``: trials x time x memory x disk x money of a study, from a measured probe."""

import time
from collections.abc import Sequence

import ray
from pydantic import TypeAdapter
from rich.table import Table

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import replacing
from hybridir.runtime.memory import release_memory
from tune.folders import RunFolder, cache_folder
from tune.forecast.estimate import Plan, add_up
from tune.forecast.probe import Measured, measure
from tune.readiness.cluster import on_cluster
from tune.readiness.inputs import Inputs, batch_sizes
from tune.readiness.nodes import Node, trials_at_a_time
from tune.study.file import StudyConfig
from tune.study.resources import ResourcesConfig
from tune.view.narrator import duration

_PROBE_SECONDS = 900.0
# A worker that starts and imports torch, transformers and numba, on two cores (measured).
_STARTUP_SECONDS = 8.0
_PLAN = TypeAdapter(Plan)


def write_plan(plan: Plan, folder: RunFolder) -> None:
    """Leave the plan in a run's folder."""
    with replacing(folder.path / names.ARTIFACT_PLAN) as part:
        part.write_bytes(_PLAN.dump_json(plan, indent=1))


def read_plan(folder: RunFolder) -> Plan | None:
    """The plan of a run, or None if it was made without one."""
    path = folder.path / names.ARTIFACT_PLAN
    return _PLAN.validate_json(path.read_bytes()) if path.is_file() else None


def make_plan(study: StudyConfig, inputs: Inputs, nodes: Sequence[Node]) -> Plan:
    """Measure a probe where trials would run, with the resources of a trial's process; add up.

    On this machine alone and without a GPU that is here: a worker would take longer to start than
    to measure.

    Raises:
        InputError: if it cannot be run, or no batch size fits into memory.
    """
    sizes = tuple(sorted({size for found in batch_sizes(study).values() for size in found}))
    config = study.trial({}, seed=0, report=study.reports).model_dump_json()
    asked = study.resources
    arguments = (
        config,
        sizes,
        asked.processes,
        asked.cpu,
        str(cache_folder(study.storage).resolve()),
    )
    if on_cluster() or asked.gpu:
        start = time.monotonic()
        measured = _measure_on_ray(asked, arguments)
        startup = time.monotonic() - start - measured.busy_seconds
    else:
        measured, startup = measure(*arguments), _STARTUP_SECONDS
        release_memory()
    return add_up(study, inputs, measured, startup, trials_at_a_time(nodes, asked))


def _measure_on_ray(
    asked: ResourcesConfig, arguments: tuple[str, tuple[int, ...], int, int, str]
) -> Measured:
    probe = ray.remote(num_cpus=asked.cpu, num_gpus=asked.gpu, max_retries=0)(measure)
    answer = probe.remote(*arguments)
    try:
        measured: Measured = ray.get(answer, timeout=_PROBE_SECONDS)
    except ray.exceptions.GetTimeoutError:
        raise InputError(
            f"the probe gave no answer in {_PROBE_SECONDS / 60:.0f} minutes: is the cluster busy? "
            "`ray status` shows it"
        ) from None
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, InputError) else error) from None
    except ray.exceptions.RayError as error:
        raise InputError(
            f"the probe's process died ({str(error).strip().splitlines()[0]}); if memory ran out, "
            f"lower batch_size ({', '.join(map(str, arguments[1]))} were tried) or take a larger "
            "machine"
        ) from None
    return measured


def render(study: StudyConfig, plan: Plan) -> list[Table | str]:
    """The plan as a table and some lines."""
    table = Table(title=f"{study.name}: what it will take", title_justify="left")
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
                duration(point.train_seconds or 0.0),
                duration(phase.evaluation_seconds),
                f"{point.memory_mb or 0.0:,.0f} MB",
            )
    low, high = map(duration, plan.seconds)
    lines: list[Table | str] = [
        table,
        f"time:  {low} to {high} with {plan.at_a_time} at a time; the low end takes it that they "
        "do not slow each other and that search trials are stopped early",
        f"disk:  at most {plan.disk_mb:,.0f} MB, {plan.kept_mb:,.0f} MB are kept",
    ]
    if plan.cost:
        lines.append(f"cost:  {plan.cost[0]:.2f} to {plan.cost[1]:.2f}")
    return lines
