"""A process group, started as a launcher would start it."""

import multiprocessing as mp
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

GROUP = "processes"
"""Group of the tests that start some: one worker of pytest-xdist then has the server for all."""

# Processes are forked from a server that has imported everything; a fresh process takes 5 s.
_FORKED = mp.get_context("forkserver")
_FORKED.set_forkserver_preload(["hybridir.trial"])


def reserve_port() -> socket.socket:
    """Reserve a port; the process of rank 0 may still listen at it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("", 0))
    return holder


@dataclass
class Group:
    """A process group that runs one function.

    Attributes:
        processes: by rank.
        answers: connections that bring the results, by rank.
        port: reserved for the group.
    """

    processes: Sequence[BaseProcess]
    answers: list[Connection]
    port: socket.socket

    def results(self) -> list[Any]:
        """Results by rank; an exception of any process is raised here."""
        results: dict[int, Any] = {}
        while len(results) < len(self.answers):
            for answer in wait([a for n, a in enumerate(self.answers) if n not in results]):
                assert isinstance(answer, Connection)
                try:
                    result = answer.recv()
                except EOFError:
                    result = RuntimeError("a process ended without an answer")
                results[self.answers.index(answer)] = result
                if isinstance(result, Exception):
                    self.kill(range(len(self.processes)))  # they would wait for it
                    self.end()
                    raise result
        self.end()
        return [result for _, result in sorted(results.items())]

    def kill(self, ranks: Iterable[int]) -> None:
        for rank in ranks:
            self.processes[rank].kill()

    def end(self) -> list[int | None]:
        """Wait for all processes and return their exit codes."""
        for process in self.processes:
            process.join()
        self.port.close()
        return [process.exitcode for process in self.processes]


def start(world_size: int, function: Callable[..., Any], *arguments: Any) -> Group:
    """Run ``function(*arguments)``, which must be importable, in a process group."""
    port = reserve_port()
    processes, answers = [], []
    for rank in range(world_size):
        answer, sender = _FORKED.Pipe(duplex=False)
        process = _FORKED.Process(
            target=_run_rank,
            args=(sender, rank, world_size, port.getsockname()[1], function, arguments),
            daemon=True,
        )
        process.start()
        sender.close()
        processes.append(process)
        answers.append(answer)
    return Group(processes, answers, port)


def run_together(world_size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run a function in a process group and return the results by rank.

    A function that opens a second group needs another port for it: at this one, a fast process
    can still meet the end of the first.
    """
    return start(world_size, function, *arguments).results()


def set_launcher_environment(rank: int, world_size: int, port: int) -> None:
    """Set the environment variables that a launcher sets for a process."""
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(world_size),
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )


def _run_rank(
    sender: Connection,
    rank: int,
    world_size: int,
    port: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    import torch

    torch.set_num_threads(1)
    set_launcher_environment(rank, world_size, port)
    try:
        sender.send(function(*arguments))
    except Exception as error:
        sender.send(error)
