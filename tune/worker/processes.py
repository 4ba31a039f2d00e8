"""Trials of several processes, placed by Ray.

Tune reserves one bundle for each process. Tune's own actor, the coordinator, takes none of them:
it starts one actor in each bundle, passes the reports of the first one on to Tune, and watches
them all. Ray's TorchTrainer inside a Tune function does the same, but leaves its placement group
behind when a scheduler stops the trial.
"""

import os
import socket
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import psutil  # type: ignore[import-untyped]
import ray
from ray.exceptions import RayActorError
from ray.tune import PlacementGroupFactory
from ray.util import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tune.worker.notices import heed
from tune.worker.spec import TrialSpec
from tune.worker.trial_process import Failure, run_in_process

Report = Callable[[dict[str, float]], None]

# When a process dies, the others may notice a broken connection before Ray does. They get this
# many seconds, so that the failure names the process that died and not those that noticed.
_LAST_WORDS = 5.0
# Seconds for a stopped trial to leave its process group, which is all it has left to do.
_STOPPING = 20.0


def trial_resources(*, cpu: int, gpu: float, processes: int) -> PlacementGroupFactory:
    """The bundles that Tune reserves for a trial.

    Args:
        cpu: CPUs of each process.
        gpu: GPUs of each process.
        processes: processes of a trial. One runs in Tune's own actor, several in actors beside it.
    """
    bundle = {"CPU": cpu, "GPU": gpu}
    if processes == 1:
        return PlacementGroupFactory([bundle])
    return PlacementGroupFactory([{}, *[bundle] * processes], strategy="PACK")


class _Stopped(BaseException):
    """The trial was stopped after its report."""


class TrialProcess:
    """One process of a trial; an actor that is kept for the next trial."""

    def __init__(self) -> None:
        self._reports: SimpleQueue[dict[str, float] | None] = SimpleQueue()
        self._answers: SimpleQueue[bool] = SimpleQueue()
        self._port = socket.socket()
        heed()

    def address(self) -> tuple[str, str, int]:
        """Host, IP address and a free port of this process."""
        # Bound until the trial ends, so that no other program gets the port while torch is
        # imported. A port that is bound but not listening does not keep torch from listening.
        self._port.close()
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind((_node_address(), 0))
        return socket.gethostname(), _node_address(), int(self._port.getsockname()[1])

    def run(
        self, spec: TrialSpec, rank: int, world_size: int, address: str, port: int
    ) -> Failure | None:
        """Run this process's share of a trial.

        Args:
            spec: the trial.
            rank: rank of this process.
            world_size: number of processes.
            address: address of the first process.
            port: port at which the first process will listen.
        """
        environment = {
            "RANK": str(rank),
            "WORLD_SIZE": str(world_size),
            "LOCAL_RANK": "0",  # Ray shows each process its own GPU alone
            "MASTER_ADDR": address,
            "MASTER_PORT": str(port),
        }
        os.environ.update(environment)
        _use_interface(_node_address())
        try:
            return run_in_process(spec, self._report)
        except _Stopped:
            return None
        finally:
            for name in environment:
                os.environ.pop(name, None)
            self._port.close()
            self._reports.put(None)

    def next_report(self, proceed: bool | None) -> dict[str, float] | None:
        """Answer the previous report, if any, and wait for the next.

        Args:
            proceed: whether the trial continues; None if no report awaits an answer.

        Returns:
            The report; None once the trial has ended.
        """
        if proceed is not None:
            self._answers.put(proceed)
        return self._reports.get()

    def _report(self, metrics: dict[str, float]) -> None:
        self._reports.put(metrics)
        if not self._answers.get():
            raise _Stopped


class ProcessGroup:
    """The processes in this actor's placement group, which run one trial after another.

    Args:
        cpu: CPUs of each process.
        gpu: GPUs of each process.
        world_size: number of processes.
    """

    def __init__(self, *, cpu: int, gpu: float, world_size: int) -> None:
        self.shape = (cpu, gpu, world_size)
        group = get_current_placement_group()
        assert group is not None, "Tune reserves one, see trial_resources"
        actor: Any = ray.remote(TrialProcess)
        self._processes: list[Any] = [
            actor.options(
                num_cpus=cpu,
                num_gpus=gpu,
                max_concurrency=2,  # one trial, and the exchange of its reports
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, rank),
            ).remote()
            for rank in range(world_size)
        ]
        self.alive = True

    def run(self, spec: TrialSpec, report: Report) -> Failure | None:
        """Run a trial in all processes.

        Args:
            spec: the trial.
            report: receives the first process's reports. An exception ends the trial in every
                process and is raised here.

        Returns:
            The failure; None if the trial succeeded.
        """
        try:
            return self._run(spec, report)
        except RayActorError as error:
            self.close()
            return Failure(f"a process died before the trial began: {error}", final=False)

    def _run(self, spec: TrialSpec, report: Report) -> Failure | None:
        world_size = len(self._processes)
        addresses = ray.get([process.address.remote() for process in self._processes])
        _, address, port = addresses[0]
        running = {
            process.run.remote(spec, rank, world_size, address, port): rank
            for rank, process in enumerate(self._processes)
        }
        next_report = [self._processes[0].next_report.remote(None)]
        failures: list[Failure] = []
        died = False
        while running and not died:
            patience = _LAST_WORDS if failures else None
            ready, _ = ray.wait([*running, *next_report], num_returns=1, timeout=patience)
            if not ready:
                break
            if ready == next_report:
                next_report = self._pass_on(next_report[0], report, list(running))
                continue
            rank = running.pop(ready[0])
            try:
                failure = ray.get(ready[0])
            except RayActorError:
                died = True
                host = addresses[rank][0]
                reason = f"process {rank} of {world_size} on {host} died"
                failure = Failure(reason, final=False, poisoned=True, host=host)
                failures.insert(0, failure)
            else:
                failures += [failure] if failure else []
        if not failures:
            return None
        # The cause, not its echo in the other processes: first a process that died, then a
        # failure that a retry would repeat.
        cause = failures[0] if died else max(failures, key=lambda failure: failure.final)
        if running or any(failure.poisoned for failure in failures):
            self.close()
        return cause

    def _pass_on(self, pending: Any, report: Report, running: list[Any]) -> list[Any]:
        """Pass a report on and ask for the next one.

        Returns:
            The reference of the next report; empty if no further report will come.
        """
        try:
            metrics = ray.get(pending)
        except RayActorError:
            return []  # the run of this process returns the reason
        if metrics is None:
            return []
        first = self._processes[0]
        try:
            report(metrics)
        except BaseException:
            _, late = ray.wait(
                [*running, first.next_report.remote(False)],
                num_returns=len(running) + 1,
                timeout=_STOPPING,
            )
            if late:
                self.close()
            raise
        return [first.next_report.remote(True)]

    def close(self) -> None:
        """Kill the processes at once."""
        self.alive = False
        for process in self._processes:
            ray.kill(process)


_group: ProcessGroup | None = None


def run_in_group(spec: TrialSpec, report: Report) -> Failure | None:
    """Run a trial in several processes, reusing those of the trial before if they fit.

    Args:
        spec: the trial.
        report: see `ProcessGroup.run`.

    Returns:
        The failure; None if the trial succeeded.
    """
    global _group
    shape = (spec.cpu, spec.gpu, spec.processes)
    if _group is not None and _group.alive and _group.shape != shape:
        _group.close()
    if _group is None or not _group.alive:
        _group = ProcessGroup(cpu=spec.cpu, gpu=spec.gpu, world_size=spec.processes)
    return _group.run(spec, report)


def _node_address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def _use_interface(address: str) -> None:
    """Make torch use the network interface that Ray uses.

    By default torch resolves its own host's name, which on many machines is the loopback.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if any(entry.address == address for entry in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", name)
