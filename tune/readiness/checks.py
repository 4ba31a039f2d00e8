"""From what was found on the nodes to what is wrong there, why, and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune.readiness.nodes import Node

# Trials compare no clocks; a larger difference makes logs and times in MLflow misleading.
_SKEW_SECONDS = 60.0
# Ray kills processes when a node's memory is used to 95 %.
_MEMORY_SHARE = 0.95
# Of a process that has imported torch and transformers (measured: 400 to 450).
_PROCESS_MB = 450.0

CODE, STORAGE, DATA, TRACKING = "code", "storage", "data", "tracking"
GPU, DISK, MEMORY, CLOCK = "GPU", "disk", "memory", "clock"
CHECKS = (CODE, STORAGE, DATA, TRACKING, GPU, DISK, MEMORY, CLOCK)

Findings = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at on one node.

    Attributes:
        node: name and address.
        what: one of `CHECKS`.
        problem: what was found, the reason and the remedy; "" if all is well.
        is_warning: whether the study may run in spite of it.
    """

    node: str
    what: str
    problem: str = ""
    is_warning: bool = False


@dataclass(frozen=True)
class Needs:
    """What a study takes.

    Attributes:
        disk_mb: in its storage, at most.
        cache_mb: prepared data.
        process_mb: main memory of one process of a trial.
        origin: where these figures come from.
    """

    disk_mb: float
    cache_mb: float
    process_mb: float
    origin: str


def estimated_memory_mb(parameters: int, on_gpu: bool) -> float:
    """Main memory of one process from the size of its encoder, without activations, in MB.

    Four numbers of 4 bytes a parameter: weight, gradient and AdamW's two moments; with a GPU only
    the weights pass through main memory.

    >>> estimated_memory_mb(100_000_000, on_gpu=False)
    2050.0
    """
    return _PROCESS_MB + parameters * (4 if on_gpu else 16) / 1e6


def judge_copy(node: Node, found: Findings, here: Findings) -> Iterator[Check]:
    """Judge what must be as it is on the driver: code, storage and data.

    Args:
        node: what was looked at.
        found: what `node_probe.look` found there.
        here: what it found on the driver.
    """
    yield Check(str(node), CODE, _code_problem(found, here))
    told, reason = found["storage"]
    problem = ""
    if told != here["storage"][0]:
        problem = (
            f"{here['storage_path']}: {reason or 'holds another file than the driver wrote'}; "
            "every node needs the same storage at the same path (NFS, EFS, Lustre ...): mount it, "
            "or set storage to a folder that is shared"
        )
    yield Check(str(node), STORAGE, problem)
    wrong = []
    for path, (digest, _) in here["digests"].items():
        there, reason = found["digests"][path]
        if reason:
            wrong.append(f"{path}: {reason}")
        elif there != digest:
            wrong.append(f"{path}: other content than on the driver")
    if wrong:
        wrong.append("copy it there, or keep it on storage that all nodes share")
        if not all(path.startswith("/") for path in here["digests"]):
            wrong.append("write absolute paths, since nodes work in other folders")
    yield Check(str(node), DATA, "; ".join(wrong))


def judge_tracking(node: Node, problem: str) -> Check:
    """Judge whether the tracking can be written to."""
    return Check(str(node), TRACKING, problem)


def judge_room(
    node: Node, found: Findings, storage: str, cache: str, needs: Needs, processes: int
) -> Iterator[Check]:
    """Judge disk and memory.

    Args:
        node: what was looked at.
        found: what `node_probe.look` found there.
        storage: folder of all studies.
        cache: folder of prepared data.
        needs: what the study takes.
        processes: how many processes of trials can run there at a time.
    """
    short = [
        f"{folder} has {free:,.0f} MB free, {why} takes {needed:,.0f} MB"
        for folder, free in found["free_mb"].items()
        for why, needed in [
            ("the study", needs.disk_mb)
            if folder == storage
            else ("prepared data", needs.cache_mb if folder == cache else 0.0)
        ]
        if free < needed
    ]
    if short:
        short.append("free some, or set storage (and HYBRIDIR_CACHE) to a larger disk")
    yield Check(str(node), DISK, "; ".join(short))
    needed, has = processes * needs.process_mb, found["memory_mb"] * _MEMORY_SHARE
    problem = ""
    if needed > has:
        problem = (
            f"{processes} processes fit by CPUs and GPUs and take {needed:,.0f} MB together "
            f"({needs.process_mb:,.0f} MB each, {needs.origin}), but {has:,.0f} MB are free; "
            "raise resources.cpu so that fewer run at a time, lower batch_size, or take a larger "
            "machine"
        )
    yield Check(str(node), MEMORY, problem)


def judge_clock(node: Node, found: Findings, before: float, after: float) -> Check:
    """Judge a node's clock against the driver's before and after the node was asked."""
    skew = max(before - found["clock"], found["clock"] - after, 0.0)
    problem = ""
    if skew > _SKEW_SECONDS:
        problem = f"its clock differs from the driver's by {skew:.0f} s; set up NTP (chrony)"
    return Check(str(node), CLOCK, problem, is_warning=True)


def judge_preparation(
    node: Node, found: Findings, digest: str, needs_gpu: bool
) -> Iterator[Check]:
    """Judge what `node_probe.prepare` found.

    Args:
        node: where.
        found: its answer.
        digest: of the training table on the driver.
        needs_gpu: whether a GPU was asked for.
    """
    there, reason = found["data"]
    if reason:
        yield Check(str(node), DATA, reason)
    elif there != digest:
        yield Check(
            str(node),
            DATA,
            f"the training table has the digest {there[:12]}, on the driver {digest[:12]}; copy "
            "the driver's data there",
        )
    if needs_gpu:
        yield Check(str(node), GPU, found["gpu"])


def summary(checks: Sequence[Check], nodes: int) -> str:
    """The whole in one line, for a study that may begin on so many nodes."""
    looked_at = [what for what in CHECKS if any(check.what == what for check in checks)]
    return f"preflight: {nodes} node{'s' if nodes > 1 else ''}; {', '.join(looked_at)}: fine"


def _code_problem(found: Findings, here: Findings) -> str:
    wrong = []
    for package, (digest, _) in here["code"].items():
        there, reason = found["code"][package]
        if reason:
            wrong.append(f"{package}: {reason}")
        elif there != digest:
            wrong.append(f"{package}: other files than on the driver")
    if wrong:
        wrong.append("put the same checkout at the same path there")
    differing = [
        f"{package} {found['versions'][package]} instead of {version}"
        for package, version in here["versions"].items()
        if found["versions"][package] != version
    ]
    if differing:
        wrong += [*differing, "install requirements.lock there"]
    return "; ".join(wrong)
