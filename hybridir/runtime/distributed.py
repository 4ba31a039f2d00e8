"""The processes that train and evaluate one encoder together; mostly there is only one.

A launcher (torchrun, or the study through Ray) starts them with RANK, WORLD_SIZE, LOCAL_RANK,
MASTER_ADDR and MASTER_PORT in the environment. Each holds the whole encoder and takes its part of
every batch; what one of them does for all, such as writing files, is done by the first.

Notation: B texts of this process, N texts of all processes, D dimensions.
"""

import os
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

# The others wait while the first one scores a benchmark or its report is looked at. A process that
# dies is not found out by waiting: its connections break, and its launcher ends the others.
_PATIENCE = timedelta(days=1)


class FirstProcessFailed(RuntimeError):
    """What the first process did for all ended in an exception there."""


@dataclass(frozen=True)
class Processes:
    """One process among those that work on a trial.

    Every process calls the same methods in the same order. With one process they do nothing.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.
    """

    rank: int = 0
    count: int = 1

    def gather(self, own_BD: Tensor) -> Tensor:
        """Put the embeddings of all processes together.

        Gradients flow into this process's own rows alone. So if every process computes the loss
        over all N rows, its gradient is its part of the whole, and the parts add up to the
        gradient of one process with all N texts; nothing has to be sent backwards.

        Returns:
            [N, D] rows of all processes in the order of their ranks, as many of each.
        """
        if self.count == 1:
            return own_BD
        parts = [torch.empty_like(own_BD) for _ in range(self.count)]
        dist.all_gather(parts, own_BD.detach().contiguous())
        parts[self.rank] = own_BD
        return torch.cat(parts)

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over all processes, to the same bits in each."""
        if self.count == 1:
            return
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, total in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(total.view_as(gradient))

    def add(self, values: NDArray[np.float32]) -> None:
        """Replace an array by its sum over all processes."""
        if self.count > 1:
            dist.all_reduce(torch.from_numpy(values))

    def collect(self, value: Result) -> list[Result]:
        """The values of all processes, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def on_first(self, work: Callable[[], Result]) -> Result:
        """Let the first process do something; the others wait for it.

        Returns:
            The first process's result, in every process.

        Raises:
            FirstProcessFailed: in the other processes, if there was an exception in the first.
        """
        if self.count == 1:
            return work()
        outcome: list[Any] = [None, None]
        if self.rank == 0:
            try:
                outcome = [work(), None]
            except BaseException as error:  # also what ends a thread early
                dist.broadcast_object_list([None, f"{type(error).__name__}: {error}"])
                raise
        dist.broadcast_object_list(outcome)
        result, failure = outcome
        if failure is not None:
            raise FirstProcessFailed(failure)
        found: Result = result
        return found


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that the launcher started, for one trial.

    The group ends with the trial, so that the next one in this process may have another.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    # Without this accelerate would choose a number of threads.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # Tensors on a GPU go by nccl; what lies in main memory by gloo, which waits without a spin.
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE
    )
    try:
        yield Processes(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
