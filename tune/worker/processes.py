"""Trials of several processes, placed by Ray.

Tune reserves one bundle for each process. Its own actor, the coordinator, takes none of them: it
starts one actor in each bundle, passes the first one's reports on to Tune, and watches all of
them. Ray's TorchTrainer inside a Tune function does the same, but leaves its placement group
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

from tune.worker.trial_process import Failure, run_here

Report = Callable[[dict[str, float]], None]

# When a process dies, others may hear of it before Ray does, by a broken connection. They are
# given this long, in seconds, so that the one that died is named and not those that noticed.
_LAST_WORDS = 5.0
# A trial that was told to stop has nothing left to do but to leave its process group.
_STOPPING = 20.0


def trial_resources(*, cpu: int, gpu: float, processes: int) -> PlacementGroupFactory:
    """What Tune reserves for a trial.

    Args:
        cpu: of each process.
        gpu: of each process.
        processes: of a trial. One runs in Tune's own actor, several in actors beside it.
    """
    bundle = {"CPU": cpu, "GPU": gpu}
    if processes == 1:
        return PlacementGroupFactory([bundle])
    return PlacementGroupFactory([{}, *[bundle] * processes], strategy="PACK")


class _Stopped(BaseException):
    """The trial is not to go on after its report."""


class Member:
    """One process of a trial; an actor that is kept for the next trial."""

    def __init__(self) -> None:
        self._reports: SimpleQueue[dict[str, float] | None] = SimpleQueue()
        self._answers: SimpleQueue[bool] = SimpleQueue()
        self._port = socket.socket()

    def place(self) -> tuple[str, str, int]:
        """Where this process is: host, address, and a port that is free there."""
        # Held until the trial ends, so that no one else is given the port while torch is imported.
        # Who only holds a port does not keep others from listening at it.
        self._port.close()
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("", 0))
        return socket.gethostname(), _address(), int(self._port.getsockname()[1])

    def run(
        self, trial: dict[str, Any], rank: int, count: int, address: str, port: int
    ) -> Failure | None:
        """Run this process's part of a trial.

        Args:
            trial: see `tune.worker.trainable.trial_spec`.
            rank: of this process.
            count: number of processes.
            address: of the first process.
            port: that it will listen at.
        """
        group = {
            "RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_RANK": "0",  # Ray shows each process its own GPU alone
            "MASTER_ADDR": address,
            "MASTER_PORT": str(port),
        }
        os.environ.update(group)
        _use_interface(_address())
        try:
            return run_here(trial, self._report)
        except _Stopped:
            return None
        finally:
            for name in group:
                os.environ.pop(name, None)
            self._port.close()
            self._reports.put(None)

    def next_report(self, go_on: bool | None) -> dict[str, float] | None:
        """Answer the last report, if there was one, and wait for the next.

        Returns:
            The report; None once the trial has ended.
        """
        if go_on is not None:
            self._answers.put(go_on)
        return self._reports.get()

    def _report(self, metrics: dict[str, float]) -> None:
        self._reports.put(metrics)
        if not self._answers.get():
            raise _Stopped


class Team:
    """The processes of one trial after the other, in this actor's placement group.

    Args:
        cpu: of each process.
        gpu: of each process.
        count: number of processes.
    """

    def __init__(self, *, cpu: int, gpu: float, count: int) -> None:
        self.shape = (cpu, gpu, count)
        group = get_current_placement_group()
        assert group is not None, "Tune reserves one, see trial_resources"
        actor: Any = ray.remote(Member)
        self._members: list[Any] = [
            actor.options(
                num_cpus=cpu,
                num_gpus=gpu,
                max_concurrency=2,  # one trial, and the talk about its reports
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, rank),
            ).remote()
            for rank in range(count)
        ]
        self.alive = True

    def run(self, trial: dict[str, Any], report: Report) -> Failure | None:
        """Run a trial in all processes.

        Args:
            trial: see `tune.worker.trainable.trial_spec`.
            report: receives the first process's reports; what it raises ends the trial everywhere
                and is raised here.

        Returns:
            What went wrong; None if nothing did.
        """
        try:
            return self._run(trial, report)
        except RayActorError as error:
            self.close()
            return Failure(f"a process died before the trial began: {error}", final=False)

    def _run(self, trial: dict[str, Any], report: Report) -> Failure | None:
        count = len(self._members)
        places = ray.get([member.place.remote() for member in self._members])
        _, address, port = places[0]
        running = {
            member.run.remote(trial, rank, count, address, port): rank
            for rank, member in enumerate(self._members)
        }
        talk = [self._members[0].next_report.remote(None)]
        failures: list[Failure] = []
        died = False
        while running and not died:
            patience = _LAST_WORDS if failures else None
            ready, _ = ray.wait([*running, *talk], num_returns=1, timeout=patience)
            if not ready:
                break
            if ready == talk:
                talk = self._pass_on(talk[0], report, list(running))
                continue
            rank = running.pop(ready[0])
            try:
                failure = ray.get(ready[0])
            except RayActorError:
                died = True
                reason = f"process {rank} of {count} on {places[rank][0]} died"
                failure = Failure(reason, final=False, worn=True, host=places[rank][0])
                failures.insert(0, failure)
            else:
                failures += [failure] if failure else []
        if not failures:
            return None
        # The cause, not its echo in the other processes: a process that died, then what no retry
        # would mend.
        cause = failures[0] if died else max(failures, key=lambda failure: failure.final)
        if running or any(failure.worn for failure in failures):
            self.close()
        return cause

    def _pass_on(self, talk: Any, report: Report, running: list[Any]) -> list[Any]:
        """Pass a report on and ask for the next one.

        Returns:
            The reference to wait for, or nothing if there will be no report.
        """
        try:
            metrics = ray.get(talk)
        except RayActorError:
            return []  # what became of it is told by its run
        if metrics is None:
            return []
        first = self._members[0]
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
        """End the processes at once."""
        self.alive = False
        for member in self._members:
            ray.kill(member)


_team: Team | None = None


def run_together(trial: dict[str, Any], report: Report) -> Failure | None:
    """Run a trial in several processes, those of the trial before if there was one.

    Args:
        trial: see `tune.worker.trainable.trial_spec`.
        report: see `Team.run`.

    Returns:
        What went wrong; None if nothing did.
    """
    global _team
    shape = (trial["cpu"], trial["gpu"], trial["processes"])
    if _team is not None and _team.alive and _team.shape != shape:
        _team.close()
    if _team is None or not _team.alive:
        cpu, gpu, count = shape
        _team = Team(cpu=cpu, gpu=gpu, count=count)
    return _team.run(trial, report)


def _address() -> str:
    return str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]


def _use_interface(address: str) -> None:
    """Let torch talk over the network that Ray uses.

    It would look its own host's name up, which on many machines leads to the loopback.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if any(entry.address == address for entry in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", name)
