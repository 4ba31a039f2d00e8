"""The nodes of a Ray cluster: their resources, and the wait for missing ones."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import ray
from ray import cloudpickle
from ray.util import placement_group, remove_placement_group
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hybridir.errors import InputError
from tune.study.resources import ResourcesConfig

_POLL_SECONDS = 1.0
_REPEAT_SECONDS = 60.0


@dataclass(frozen=True)
class Node:
    """A node of the cluster that is alive.

    Attributes:
        id: Ray's id of the node.
        name: host name.
        ip: address in the cluster.
        cpu: CPUs that the node offers to Ray.
        gpu: GPUs that the node offers to Ray.
    """

    id: str
    name: str
    ip: str
    cpu: float
    gpu: float

    def __str__(self) -> str:
        return f"{self.name} ({self.ip})"

    def slots(self, resources: ResourcesConfig) -> int:
        """Number of trial processes that can run on the node at a time."""
        by_cpu = int(self.cpu // resources.cpu)
        return min(by_cpu, int(self.gpu / resources.gpu + 1e-9)) if resources.gpu else by_cpu


def alive_nodes() -> list[Node]:
    """The nodes of the cluster that this process has joined, sorted by name."""
    nodes = [
        Node(
            id=node["NodeID"],
            name=node["NodeManagerHostname"],
            ip=node["NodeManagerAddress"],
            cpu=node["Resources"].get("CPU", 0.0),
            gpu=node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]
    return sorted(nodes, key=lambda node: (node.name, node.id))


def concurrent_trials(nodes: Sequence[Node], resources: ResourcesConfig) -> int:
    """Number of trials that these nodes can run in parallel, at least 1."""
    return max(1, sum(node.slots(resources) for node in nodes) // resources.processes)


def missing(nodes: Sequence[Node], resources: ResourcesConfig) -> list[str]:
    """Phrases that name what these nodes lack for the study; empty if they suffice."""
    slots = [node.slots(resources) for node in nodes]
    able, offer = sum(count > 0 for count in slots), _amounts(resources)
    lacking = []
    if able < resources.nodes:
        lacking.append(
            f"{_count(resources.nodes - able, 'node')} ({able} of {resources.nodes} have joined "
            f"with {offer})"
        )
    if sum(slots) < resources.processes:
        lacking.append(
            f"room for {_count(resources.processes - sum(slots), 'process')} of a trial "
            f"({sum(slots)} of {resources.processes} fit, with {offer} each)"
        )
    return lacking


def wait_for_nodes(resources: ResourcesConfig, say: Callable[[str], None]) -> list[Node]:
    """Wait until the nodes that a study needs have joined and one trial can be placed.

    Meanwhile a placement group passes the demand to an autoscaler: unlike ``request_resources`` it
    can request nodes rather than their sum, and it ends with this process, so that no forgotten
    request causes costs.

    Args:
        resources: resources that the study needs.
        say: prints what is missing, at once and then from time to time.

    Returns:
        The nodes of the cluster.

    Raises:
        InputError: if nodes are still missing after ``wait_minutes``.
    """
    deadline = time.monotonic() + 60 * resources.wait_minutes
    printed, printed_at = "", 0.0
    with _Demand() as demand:
        while lacking := missing(nodes := alive_nodes(), resources):
            now = time.monotonic()
            if now >= deadline:
                raise _too_few(nodes, lacking, resources)
            demand.request(*_bundles(nodes, resources))
            text = f"waiting for {' and '.join(lacking)}; joined: {_list(nodes)}"
            if text != printed or now - printed_at > _REPEAT_SECONDS:
                say(f"{text} (`ray status` shows what the autoscaler does)")
                printed, printed_at = text, now
            time.sleep(_POLL_SECONDS)
    return nodes


def run_on_each(
    function: Callable[..., dict[str, Any]],
    nodes: Sequence[Node],
    arguments: Callable[[Node], tuple[object, ...]],
    seconds: float,
    gpu: float = 0.0,
) -> dict[str, tuple[dict[str, Any] | None, str]]:
    """Run a function on all nodes in parallel, beside other work.

    The function's module is sent along, since a node may lack this checkout.

    Args:
        function: function that returns plain values.
        nodes: the nodes.
        arguments: makes the arguments for a node.
        seconds: longest wait for an answer.
        gpu: GPUs reserved for the function.

    Returns:
        By node id: (answer, ""), or (None, reason).
    """
    if not nodes:
        return {}
    module = sys.modules[function.__module__]
    cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    try:
        task = ray.remote(num_cpus=0, num_gpus=gpu, max_retries=0)(function)
        references = {
            node.id: task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
            ).remote(*arguments(node))
            for node in nodes
        }
    finally:
        cloudpickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]
    ready, _ = ray.wait(list(references.values()), num_returns=len(references), timeout=seconds)
    answers: dict[str, tuple[dict[str, Any] | None, str]] = {}
    for node_id, reference in references.items():
        if reference not in ready:
            ray.cancel(reference, force=True)
            answers[node_id] = None, f"did not answer within {seconds:.0f} s; is it overloaded?"
            continue
        try:
            answers[node_id] = ray.get(reference), ""
        except ray.exceptions.RayError as error:
            answers[node_id] = None, f"the check failed: {str(error).strip().splitlines()[-1]}"
    return answers


class _Demand:
    """Keeps one pending placement group, which an autoscaler answers with nodes."""

    def __init__(self) -> None:
        self._request: tuple[list[dict[str, float]], str] | None = None
        self._group: PlacementGroup | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._group is not None:
            remove_placement_group(self._group)

    def request(self, bundles: list[dict[str, float]], strategy: str) -> None:
        """Request these bundles in place of an earlier request."""
        if self._request != (bundles, strategy):
            if self._group is not None:
                remove_placement_group(self._group)
            self._request = (bundles, strategy)
            self._group = placement_group(bundles, strategy=strategy)


def _bundles(
    nodes: Sequence[Node], resources: ResourcesConfig
) -> tuple[list[dict[str, float]], str]:
    """Bundles of a placement group that cannot be placed before the missing nodes join."""
    gpus = {"GPU": float(resources.gpu)} if resources.gpu else {}
    bundle = {"CPU": float(resources.cpu)} | gpus
    if sum(node.slots(resources) > 0 for node in nodes) < resources.nodes:
        return [bundle] * resources.nodes, "STRICT_SPREAD"
    return [bundle] * resources.processes, "PACK"


def _too_few(nodes: Sequence[Node], lacking: list[str], resources: ResourcesConfig) -> InputError:
    return InputError.collect(
        f"the cluster lacks resources of the study after {resources.wait_minutes:g} minutes",
        [
            *(f"missing: {phrase}" for phrase in lacking),
            f"joined: {_list(nodes)}",
            "`ray status` shows the requests to the autoscaler; monitor.log in "
            "/tmp/ray/session_latest/logs on the head says why a node did not join (quota, no "
            "spot capacity, image, SSH)",
            "on your own machines: run `ray up` with RAY_UP_enable_autoscaler_v2=0, without "
            "which it may start the head alone, or `ray start --address=HEAD:6379` on each",
            "or lower resources.nodes, processes, cpu or gpu, or raise resources.wait_minutes",
        ],
    )


def _list(nodes: Sequence[Node]) -> str:
    return ", ".join(f"{node} with {_offer(node.cpu, node.gpu)}" for node in nodes) or "no node"


def _amounts(resources: ResourcesConfig) -> str:
    return _offer(resources.cpu, resources.gpu) if resources.gpu else f"{resources.cpu:g} CPU"


def _offer(cpu: float, gpu: float) -> str:
    return f"{cpu:g} CPU and {gpu:g} GPU"


def _count(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{plural if number > 1 else ''}"
