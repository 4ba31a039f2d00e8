"""The nodes of a Ray cluster: who is there, what fits on them, and waiting for the rest."""

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
_SAY_AGAIN_SECONDS = 60.0


@dataclass(frozen=True)
class Node:
    """A node that is alive.

    Attributes:
        id: Ray's.
        name: of the machine.
        ip: address that Ray knows it by.
        cpu: CPUs that it offers to Ray.
        gpu: GPUs that it offers to Ray.
    """

    id: str
    name: str
    ip: str
    cpu: float
    gpu: float

    def __str__(self) -> str:
        return f"{self.name} ({self.ip})"

    def places(self, asked: ResourcesConfig) -> int:
        """How many processes of trials can run here at a time."""
        by_cpu = int(self.cpu // asked.cpu)
        return min(by_cpu, int(self.gpu / asked.gpu + 1e-9)) if asked.gpu else by_cpu


def alive_nodes() -> list[Node]:
    """The nodes of the cluster that this process has joined, by name."""
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


def trials_at_a_time(nodes: Sequence[Node], asked: ResourcesConfig) -> int:
    """How many trials these nodes can run together, at least 1."""
    return max(1, sum(node.places(asked) for node in nodes) // asked.processes)


def missing(nodes: Sequence[Node], asked: ResourcesConfig) -> list[str]:
    """What these nodes lack for the study to begin, a phrase each; nothing if they suffice."""
    places = [node.places(asked) for node in nodes]
    able, offered = sum(count > 0 for count in places), _amounts(asked)
    lacking = []
    if able < asked.nodes:
        lacking.append(
            f"{_count(asked.nodes - able, 'node')} ({able} of {asked.nodes} are here that offer "
            f"{offered})"
        )
    if sum(places) < asked.processes:
        lacking.append(
            f"room for {_count(asked.processes - sum(places), 'process')} of a trial "
            f"({sum(places)} of {asked.processes} fit, with {offered} each)"
        )
    return lacking


def wait_for_nodes(asked: ResourcesConfig, say: Callable[[str], None]) -> list[Node]:
    """Wait until the nodes that a study expects have joined and one trial can be placed.

    While it waits, a placement group tells an autoscaler what is wanted: unlike
    ``request_resources`` it can ask for nodes rather than for their sum, and it ends with this
    process, so that nobody pays for a request that was left behind.

    Args:
        asked: what the study expects.
        say: is told what is missing, at once and then now and then.

    Returns:
        The nodes that are there.

    Raises:
        InputError: if something is still missing after ``wait_minutes``.
    """
    deadline = time.monotonic() + 60 * asked.wait_minutes
    told, told_at = "", 0.0
    with _Demand() as demand:
        while lacking := missing(nodes := alive_nodes(), asked):
            now = time.monotonic()
            if now >= deadline:
                raise _too_few(nodes, lacking, asked)
            demand.ask(*_wanted(nodes, asked))
            text = f"waiting for {' and '.join(lacking)}; here: {_list(nodes)}"
            if text != told or now - told_at > _SAY_AGAIN_SECONDS:
                say(f"{text} (`ray status` says what the autoscaler does)")
                told, told_at = text, now
            time.sleep(_POLL_SECONDS)
    return nodes


def run_on_each(
    function: Callable[..., dict[str, Any]],
    nodes: Sequence[Node],
    arguments: Callable[[Node], tuple[object, ...]],
    seconds: float,
    gpu: float = 0.0,
) -> dict[str, tuple[dict[str, Any] | None, str]]:
    """Run a function on each node at once, beside whatever else runs there.

    The function's module is sent along, since a node may lack this checkout.

    Args:
        function: returns plain values.
        nodes: where.
        arguments: of each node.
        seconds: how long an answer is waited for.
        gpu: GPUs that the function gets.

    Returns:
        Its answer, or None and the reason that there is none, by node id.
    """
    if not nodes:
        return {}
    module = sys.modules[function.__module__]
    cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    try:
        task = ray.remote(num_cpus=0, num_gpus=gpu, max_retries=0)(function)
        asked = {
            node.id: task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
            ).remote(*arguments(node))
            for node in nodes
        }
    finally:
        cloudpickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]
    ready, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
    answers: dict[str, tuple[dict[str, Any] | None, str]] = {}
    for node, answer in asked.items():
        if answer not in ready:
            ray.cancel(answer, force=True)
            answers[node] = None, f"gave no answer in {seconds:.0f} s; is it overloaded?"
            continue
        try:
            answers[node] = ray.get(answer), ""
        except ray.exceptions.RayError as error:
            answers[node] = None, f"ran nothing: {str(error).strip().splitlines()[-1]}"
    return answers


class _Demand:
    """Keeps one pending placement group, which an autoscaler answers with nodes."""

    def __init__(self) -> None:
        self._asked: tuple[list[dict[str, float]], str] | None = None
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

    def ask(self, bundles: list[dict[str, float]], strategy: str) -> None:
        """Ask for room, instead of what was asked for before."""
        if self._asked != (bundles, strategy):
            if self._group is not None:
                remove_placement_group(self._group)
            self._asked = (bundles, strategy)
            self._group = placement_group(bundles, strategy=strategy)


def _wanted(nodes: Sequence[Node], asked: ResourcesConfig) -> tuple[list[dict[str, float]], str]:
    """The bundles of a placement group that cannot be placed before the missing nodes are here."""
    bundle = {"CPU": float(asked.cpu)} | ({"GPU": float(asked.gpu)} if asked.gpu else {})
    if sum(node.places(asked) > 0 for node in nodes) < asked.nodes:
        return [bundle] * asked.nodes, "STRICT_SPREAD"
    return [bundle] * asked.processes, "PACK"


def _too_few(nodes: Sequence[Node], lacking: list[str], asked: ResourcesConfig) -> InputError:
    return InputError.collect(
        f"the cluster lacks what the study expects after {asked.wait_minutes:g} minutes",
        [
            *(f"missing: {phrase}" for phrase in lacking),
            f"here: {_list(nodes)}",
            "`ray status` says what was asked of the autoscaler; monitor.log in "
            "/tmp/ray/session_latest/logs on the head says why a node did not come (quota, no "
            "spot capacity, image, SSH)",
            "machines of one's own: start `ray up` with RAY_UP_enable_autoscaler_v2=0, without "
            "which it may bring up the head alone, or `ray start --address=HEAD:6379` on them",
            "or expect less: resources.nodes, processes, cpu and gpu; or wait longer: "
            "resources.wait_minutes",
        ],
    )


def _list(nodes: Sequence[Node]) -> str:
    return ", ".join(f"{node} with {_offer(node.cpu, node.gpu)}" for node in nodes) or "no node"


def _amounts(asked: ResourcesConfig) -> str:
    return _offer(asked.cpu, asked.gpu) if asked.gpu else f"{asked.cpu:g} CPU"


def _offer(cpu: float, gpu: float) -> str:
    return f"{cpu:g} CPU and {gpu:g} GPU"


def _count(number: int, what: str) -> str:
    plural = "es" if what.endswith("s") else "s"
    return f"{number} {what}{plural if number > 1 else ''}"
