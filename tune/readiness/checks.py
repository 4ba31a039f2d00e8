"""Compares the state of the nodes with the driver's and names every problem with its remedy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tune.readiness import node_probe
from tune.readiness.nodes import Node
from tune.readiness.tracking_probe import Problem

# Trials do not compare clocks, but a larger skew makes logs and times in MLflow misleading.
_SKEW_SECONDS = 60.0
# Ray kills processes when 95 % of a node's memory are used.
_MEMORY_SHARE = 0.95
# A process that has imported torch and transformers (measured: 400 to 450).
_PROCESS_MB = 450.0

# Files on a file system that count them; a trial writes about 25, a report 120.
_FILES = 2000
_CONSUMERS = {
    node_probe.STORAGE: "the study",
    node_probe.CACHE: "prepared data",
    node_probe.TRACKING: "its tracking database and artifacts",
    node_probe.TEMPORARY: "Ray's files",
}
_SETTINGS = {
    node_probe.STORAGE: "storage",
    node_probe.CACHE: "HYBRIDIR_CACHE",
    node_probe.TRACKING: "tracking_uri (sqlite:////FOLDER/mlflow.db)",
    node_probe.TEMPORARY: "TMPDIR",
}

CODE, STORAGE, DATA, TRACKING = "code", "storage", "data", "tracking"
TOKEN = "token"
GPU, DISK, MEMORY, CLOCK = "GPU", "disk", "memory", "clock"
CHECKS = (CODE, STORAGE, DATA, TRACKING, TOKEN, GPU, DISK, MEMORY, CLOCK)

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
        disk_mb: peak disk in its storage, prepared data included.
        cache_mb: disk of prepared data.
        process_mb: main memory of one process of a trial.
        origin: source of these figures, for messages.
        tracking_mb: disk of a tracking database and its artifacts on the driver's machine.
        temporary_mb: disk of Ray's own files in the folder of temporary files.
        continued: whether the study has begun, so that its storage and tracking are settled.
    """

    disk_mb: float
    cache_mb: float
    process_mb: float
    origin: str
    tracking_mb: float = 0.0
    temporary_mb: float = 0.0
    continued: bool = False

    def by_folder(self) -> dict[str, float]:
        """Disk in MB by the purpose of a folder, see `node_probe.room`."""
        return {
            node_probe.STORAGE: self.disk_mb - self.cache_mb,
            node_probe.CACHE: self.cache_mb,
            node_probe.TRACKING: self.tracking_mb,
            node_probe.TEMPORARY: self.temporary_mb,
        }

    def after(self, done: float, written_mb: float) -> "Needs":
        """Return what a continued study still needs.

        Args:
            done: share of its trials that have ended.
            written_mb: disk that its folder takes already.
        """
        return replace(
            self,
            disk_mb=max(self.cache_mb, self.disk_mb - written_mb),
            tracking_mb=(1 - done) * self.tracking_mb,
            continued=True,
        )


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


def check_token(node: Node, asks: bool) -> Check:
    """Check that the cluster asks its clients for a token."""
    problem = (
        "the cluster asks for no token, so that whoever reaches its ports runs programs in it; "
        "start every node with RAY_AUTH_MODE=token and the same ~/.ray/auth_token"
    )
    return Check(str(node), TOKEN, "" if asks else problem, is_warning=True)


def check_room(node: Node, state: NodeState, needs: Needs, processes: int) -> Iterator[Check]:
    """Check disk and memory.

    Args:
        node: the node.
        state: state of the node.
        needs: needs of the study.
        processes: number of trial processes that can run on the node at a time.
    """
    yield Check(str(node), DISK, "; ".join(_short_of_disk(state, needs)))
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


def _short_of_disk(state: NodeState, needs: Needs) -> Iterator[str]:
    """Compare each file system with the sum of what folders on it will take."""
    takes = needs.by_folder()
    by_device: dict[int, dict[str, Any]] = {}
    for role, room in state["room"].items():
        if takes[role]:
            by_device.setdefault(room["device"], {})[role] = room
    for rooms in by_device.values():
        mount = next(iter(rooms.values()))["mount"]
        free, files = (min(room[key] for room in rooms.values()) for key in ("mb", "files"))
        needed = sum(takes[role] for role in rooms)
        settled = (node_probe.STORAGE, node_probe.TRACKING) if needs.continued else ()
        movable = " or ".join(_SETTINGS[role] for role in rooms if role not in settled)
        remedy = f"free some{f', or let {movable} name another disk' if movable else ''}"
        if free < needed:
            consumers = ", ".join(
                f"{_CONSUMERS[role]} {takes[role]:,.0f} MB in {room['path']}"
                for role, room in rooms.items()
            )
            yield (
                f"{mount} has {free:,.0f} MB free, and {needed:,.0f} MB are needed ({consumers}); "
                f"{remedy}"
            )
        elif files < _FILES:
            yield (
                f"{mount} has room for {files:,.0f} more files (df -i), and a study writes "
                f"thousands; {remedy}"
            )


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
    """Summary of a preflight without problems, on this number of nodes; warnings follow it."""
    warned = {check.subject for check in checks if check.problem}
    checked = {check.subject for check in checks} - warned
    subjects = [subject for subject in CHECKS if subject in checked]
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
