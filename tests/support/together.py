"""Several processes of one group, as a launcher would start them."""

import multiprocessing as mp
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

# Processes are forked from one that has loaded everything: a process of its own takes 5 seconds.
_FORKED = mp.get_context("forkserver")
_FORKED.set_forkserver_preload(["hybridir.trial"])


def held_port() -> socket.socket:
    """A port that no one else is given, while the first process may still listen at it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("", 0))
    return holder


@dataclass
class Group:
    """Processes that run one function together.

    Attributes:
        processes: by rank.
        answers: what each sends back, by rank.
        port: where they meet.
    """

    processes: Sequence[BaseProcess]
    answers: list[Connection]
    port: socket.socket

    def results(self) -> list[Any]:
        """What each process returned; an exception of one of them is raised here."""
        found: dict[int, Any] = {}
        while len(found) < len(self.answers):
            for ready in wait([a for n, a in enumerate(self.answers) if n not in found]):
                assert isinstance(ready, Connection)
                try:
                    result = ready.recv()
                except EOFError:
                    result = RuntimeError("a process ended without an answer")
                found[self.answers.index(ready)] = result
                if isinstance(result, Exception):
                    self.kill(range(len(self.processes)))  # they would wait for it
                    self.end()
                    raise result
        self.end()
        return [result for _, result in sorted(found.items())]

    def kill(self, ranks: Iterable[int]) -> None:
        for rank in ranks:
            self.processes[rank].kill()

    def end(self) -> list[int | None]:
        """Wait for all processes and return their exit codes."""
        for process in self.processes:
            process.join()
        self.port.close()
        return [process.exitcode for process in self.processes]


def start(count: int, function: Callable[..., Any], *arguments: Any) -> Group:
    """Run ``function(*arguments)``, which must live in a module, in a group of processes."""
    port = held_port()
    processes, answers = [], []
    for rank in range(count):
        answer, sender = _FORKED.Pipe(duplex=False)
        process = _FORKED.Process(
            target=_member,
            args=(sender, rank, count, port.getsockname()[1], function, arguments),
            daemon=True,
        )
        process.start()
        sender.close()
        processes.append(process)
        answers.append(answer)
    return Group(processes, answers, port)


def together(count: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run a function in a group of processes and return what each returned, by rank."""
    return start(count, function, *arguments).results()


def be_member(rank: int, count: int, port: int) -> None:
    """Tell this process what a launcher would."""
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(count),
        LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )


def _member(
    sender: Connection,
    rank: int,
    count: int,
    port: int,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    import torch

    torch.set_num_threads(1)
    be_member(rank, count, port)
    try:
        sender.send(function(*arguments))
    except Exception as error:
        sender.send(error)
