"""The processes that train and evaluate one encoder together; usually there is only one.

A launcher (torchrun, or a study through Ray) sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and
MASTER_PORT in the environment of each process.
Each process holds the whole encoder and takes its share of every batch.
Rank zero does the work that is needed only once, such as writing files.

Shapes: B texts of this process, D dimensions, N texts of all processes.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

Result = TypeVar("Result")

# The other ranks wait while rank zero scores a benchmark or a caller looks at its report. No
# timeout is needed for a process that dies: its connections break, and its launcher ends the rest.
_TIMEOUT = timedelta(days=1)


class RankZeroFailed(RuntimeError):
    """Rank zero raised an exception while the other ranks waited for its result."""


@dataclass(frozen=True)
class Distributed:
    """One process among the processes of a trial.

    Every process calls the same methods in the same order. With one process they do nothing.

    Attributes:
        rank: number of this process, from 0.
        world_size: number of processes.
    """

    rank: int = 0
    world_size: int = 1

    def all_gather(self, own_BD: Tensor) -> Tensor:
        """Concatenate the embeddings of all processes.

        Gradients flow only into this process's own rows. If every process computes the loss over
        all N rows, its gradient is its share of the whole: the shares add up to the gradient of
        one process with all N texts, and no gradient has to be sent back.

        Args:
            own_BD: embeddings of this process; B is the same in every process.

        Returns:
            [N, D] rows of all processes, ordered by rank.
        """
        if self.world_size == 1:
            return own_BD
        by_rank = [torch.empty_like(own_BD) for _ in range(self.world_size)]
        dist.all_gather(by_rank, own_BD.detach().contiguous())
        by_rank[self.rank] = own_BD
        return torch.cat(by_rank)

    def all_reduce_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over all processes, bit-identical in each of them."""
        if self.world_size == 1:
            return
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, total in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(total.view_as(gradient))

    def all_reduce(self, values: NDArray[np.float32]) -> None:
        """Replace an array by its sum over all processes."""
        if self.world_size > 1:
            dist.all_reduce(torch.from_numpy(values))

    def all_gather_object(self, value: Result) -> list[Result]:
        """Return the values of all processes, ordered by rank."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def on_rank_zero(self, work: Callable[[], Result]) -> Result:
        """Run a function on rank zero while the other ranks wait.

        Returns:
            Rank zero's result, in every process.

        Raises:
            RankZeroFailed: in the other processes, if the function raised an exception.
        """
        if self.world_size == 1:
            return work()
        outcome: list[Any] = [None, None]
        if self.rank == 0:
            try:
                outcome = [work(), None]
            except BaseException as error:  # including exceptions that end a thread early
                dist.broadcast_object_list([None, f"{type(error).__name__}: {error}"])
                raise
        dist.broadcast_object_list(outcome)
        result: Result
        result, failure = outcome
        if failure is not None:
            raise RankZeroFailed(failure)
        return result


SINGLE_PROCESS = Distributed()


def _store(rank: int, world_size: int) -> Any:
    """Open the store through which the processes find each other.

    torch would let rank zero listen on every address of its machine. The store asks for no
    password, so it listens on MASTER_ADDR alone, which is the loopback on a single machine.

    Returns:
        A ``torch.distributed.TCPStore``.
    """
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    listening = None
    if rank == 0:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((address, port), family=family).detach()
    return dist.TCPStore(  # type: ignore[attr-defined]
        address, port, world_size, rank == 0, timeout=_TIMEOUT, master_listen_fd=listening
    )


@contextmanager
def init_distributed() -> Iterator[Distributed]:
    """Connect the processes that the launcher started, for one trial.

    The process group ends with the trial, so that this process's next trial may have another.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield SINGLE_PROCESS
        return
    # Without OMP_NUM_THREADS accelerate would choose a number of threads.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # GPU tensors go through nccl; CPU tensors through gloo, which waits without spinning.
    rank, store = int(os.environ["RANK"]), None
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # torchrun has its own
        store = _store(rank, world_size)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=store,
        rank=rank if store else -1,
        world_size=world_size if store else -1,
        timeout=_TIMEOUT,
    )
    try:
        yield Distributed(dist.get_rank(), world_size)
    finally:
        dist.destroy_process_group()
