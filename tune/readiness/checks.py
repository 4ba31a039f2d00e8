"""Compares the state of the nodes with the driver's and names every problem with its remedy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune.readiness.nodes import Node
from tune.readiness.tracking_probe import Problem

# Trials do not compare clocks, but a larger skew makes logs and times in MLflow misleading.
_SKEW_SECONDS = 60.0
# Ray kills processes when 95 % of a node's memory are used.
_MEMORY_SHARE = 0.95
# A process that has imported torch and transformers (measured: 400 to 450).
_PROCESS_MB = 450.0

CODE, STORAGE, DATA, TRACKING = "code", "storage", "data", "tracking"
GPU, DISK, MEMORY, CLOCK = "GPU", "disk", "memory", "clock"
CHECKS = (CODE, STORAGE, DATA, TRACKING, GPU, DISK, MEMORY, CLOCK)

NodeState = Mapping[str, Any]
"""Result of `node_probe.inspect_node`, or of `node_probe.prepare_node`."""


@dataclass(frozen=True)
class Check:
    """Result of one check on one node.

    Attributes:
        node: name and address.
        subject: one of `CHECKS`.
        problem: problem, reason and remedy; "" if the check passed.
        is_warning: whether the study may run in spite of the problem.
        passes: whether the problem may heal by itself.
    """

    node: str
    subject: str
    problem: str = ""
    is_warning: bool = False
    passes: bool = False


@dataclass(frozen=True)
class Needs:
    """Disk and memory that a study needs.

    Attributes:
        disk_mb: peak disk in its storage.
        cache_mb: disk of prepared data.
        process_mb: main memory of one process of a trial.
        origin: source of these figures, for messages.
    """

    disk_mb: float
    cache_mb: float
    process_mb: float
    origin: str


def estimated_memory_mb(parameters: int, on_gpu: bool) -> float:
    """Main memory in MB of one process, from the size of its encoder, without activations.

    Four numbers of 4 bytes per parameter: weight, gradient and AdamW's two moments; with a GPU
    only the weights pass through main memory.

    >>> estimated_memory_mb(100_000_000, on_gpu=False)
    2050.0
    """
    return _PROCESS_MB + parameters * (4 if on_gpu else 16) / 1e6


def check_copy(node: Node, state: NodeState, driver: NodeState) -> Iterator[Check]:
    """Check that code, storage and data are the same as on the driver.

    Args:
        node: the node.
        state: state of the node.
        driver: state of the driver's node.
    """
    yield Check(str(node), CODE, _code_problem(state, driver))
    token, reason = state["storage"]
    problem = ""
    if token != driver["storage"][0]:
        problem = (
            f"{driver['storage_path']}: {reason or 'lacks the file that the driver wrote'}; "
            "every node needs the same storage at the same path (NFS, EFS, Lustre ...): mount it, "
            "or set storage to a shared folder"
        )
    yield Check(str(node), STORAGE, problem)
    problems = []
    for path, (driver_digest, _) in driver["digests"].items():
        digest, reason = state["digests"][path]
        if reason:
            problems.append(f"{path}: {reason}")
        elif digest != driver_digest:
            problems.append(f"{path}: other content than on the driver")
    if problems:
        problems.append("copy the driver's data to the node, or use storage that all nodes share")
        if not all(path.startswith("/") for path in driver["digests"]):
            problems.append("use absolute paths, since nodes run in other folders")
    yield Check(str(node), DATA, "; ".join(problems))


def check_tracking(node: Node, problem: Problem) -> Check:
    """Check that the tracking can be written to."""
    return Check(str(node), TRACKING, problem.text, passes=problem.passes)


def check_room(
    node: Node, state: NodeState, storage: str, cache: str, needs: Needs, processes: int
) -> Iterator[Check]:
    """Check disk and memory.

    Args:
        node: the node.
        state: state of the node.
        storage: folder of all studies.
        cache: folder of prepared data.
        needs: needs of the study.
        processes: number of trial processes that can run on the node at a time.
    """
    short = [
        f"{folder} has {free:,.0f} MB free, {consumer} takes {needed:,.0f} MB"
        for folder, free in state["free_mb"].items()
        for consumer, needed in [
            ("the study", needs.disk_mb)
            if folder == storage
            else ("prepared data", needs.cache_mb if folder == cache else 0.0)
        ]
        if free < needed
    ]
    if short:
        short.append("free some space, or set storage (and HYBRIDIR_CACHE) to a larger disk")
    yield Check(str(node), DISK, "; ".join(short))
    needed, available = processes * needs.process_mb, state["memory_mb"] * _MEMORY_SHARE
    problem = ""
    if needed > available:
        problem = (
            f"{processes} processes fit by CPUs and GPUs and take {needed:,.0f} MB together "
            f"({needs.process_mb:,.0f} MB each, {needs.origin}), but {available:,.0f} MB are "
            "free; raise resources.cpu so that fewer run at a time, lower batch_size, or use a "
            "larger machine"
        )
    yield Check(str(node), MEMORY, problem)


def check_clock(node: Node, state: NodeState, before: float, after: float) -> Check:
    """Check a node's clock against the driver's times before and after the node's answer."""
    skew = max(before - state["clock"], state["clock"] - after, 0.0)
    problem = ""
    if skew > _SKEW_SECONDS:
        problem = f"its clock differs from the driver's by {skew:.0f} s; set up NTP (chrony)"
    return Check(str(node), CLOCK, problem, is_warning=True)


def check_preparation(
    node: Node, state: NodeState, driver_digest: str, needs_gpu: bool
) -> Iterator[Check]:
    """Check prepared data and the GPU.

    Args:
        node: the node.
        state: result of `node_probe.prepare_node`.
        driver_digest: digest of the training table on the driver.
        needs_gpu: whether the study needs a GPU.
    """
    digest, reason = state["data"]
    if reason:
        yield Check(str(node), DATA, reason)
    elif digest != driver_digest:
        yield Check(
            str(node),
            DATA,
            f"the training table has the digest {digest[:12]}, on the driver "
            f"{driver_digest[:12]}; copy the driver's data to the node",
        )
    if needs_gpu:
        yield Check(str(node), GPU, state["gpu"])


def summary_line(checks: Sequence[Check], nodes: int) -> str:
    """Summary of a preflight without problems, on this number of nodes."""
    subjects = [s for s in CHECKS if any(check.subject == s for check in checks)]
    return f"preflight: {nodes} node{'s' if nodes > 1 else ''}; {', '.join(subjects)}: fine"


def _code_problem(state: NodeState, driver: NodeState) -> str:
    problems = []
    for package, (driver_digest, _) in driver["code"].items():
        digest, reason = state["code"][package]
        if reason:
            problems.append(f"{package}: {reason}")
        elif digest != driver_digest:
            problems.append(f"{package}: other files than on the driver")
    if problems:
        problems.append("put the same checkout at the same path on the node")
    differing = [
        f"{package} {state['versions'][package]} instead of {version}"
        for package, version in driver["versions"].items()
        if state["versions"][package] != version
    ]
    if differing:
        problems += [*differing, "install requirements.lock on the node"]
    return "; ".join(problems)
