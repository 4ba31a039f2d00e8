"""The training loop.

With several processes each embeds its part of the batch, gathers the embeddings of the others and
computes the loss of the whole batch; gradients are added up before they are clipped. That is done
by hand, since texts may be embedded in several chunks, in each process another number of them,
while torch's DistributedDataParallel looks for unused weights, such as those of a pooler, in the
last one alone.

Notation: N pairs of the whole batch, D dimensions.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from hybridir.batches import Batch, BatchPlan
from hybridir.encoder import BiEncoder
from hybridir.encoder.packed.dropout import text_keys
from hybridir.encoder.packed.packing import Packed, handed_over, pack
from hybridir.encoder.token_table import TokenTable
from hybridir.errors import TrialError
from hybridir.runtime.distributed import ALONE, Processes
from hybridir.runtime.memory import free_memory_mb
from hybridir.training.checkpoint import LoopState
from hybridir.training.grad_cache import backpropagate, tokens_that_fit
from hybridir.training.loss import info_nce

# A GPU works ahead of the program, which would wait for it if it looked at the loss of each step.
_LOOK_EVERY = 16


def make_optimizer(
    model: nn.Module, *, learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> AdamW:
    """AdamW that decays matrices only; biases and normalisation weights are left alone."""
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in parameters if w.ndim >= 2], "weight_decay": weight_decay},
        {"params": [w for w in parameters if w.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=learning_rate, betas=betas, fused=True)


def learning_rate_at(step: int, steps: int, *, peak: float, warmup: float) -> float:
    """Linear warm-up to `peak` over the first share of the steps, then linear decay to zero.

    >>> [learning_rate_at(step, 10, peak=1.0, warmup=0.2) for step in (0, 1, 2, 6)]
    [0.5, 1.0, 1.0, 0.5]
    """
    rising = math.ceil(steps * warmup)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (steps - step) / (steps - rising)


def train(
    accelerator: Accelerator,
    encoder: BiEncoder,
    questions: TokenTable,
    passages: TokenTable,
    plan: BatchPlan,
    *,
    temperature: float,
    symmetric: bool,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    warmup: float,
    clip_norm: float,
    seed: int,
    chunk_tokens: int | None,
    checkpoint: Path,
    checkpoint_every: int,
    fingerprint: str,
    pauses: dict[int, Callable[[LoopState], None]],
    on_step: Callable[[LoopState], None] = lambda state: None,
    processes: Processes = ALONE,
) -> LoopState:
    """Train an encoder on a batch plan, from its checkpoint if there is one.

    Args:
        accelerator: places model and optimizer; see `accelerator`.
        encoder: trained in place.
        questions: token ids of the plan's question rows.
        passages: token ids of the plan's passage rows.
        plan: the batches.
        temperature: divides the cosine similarity.
        symmetric: add the loss in the other direction.
        learning_rate: peak of the schedule.
        weight_decay: of matrices.
        betas: of AdamW.
        warmup: share of the steps in which the learning rate rises.
        clip_norm: largest gradient norm.
        seed: decides dropout.
        chunk_tokens: encoded at once; None decides by the memory that is free.
        checkpoint: file that the state is kept in.
        checkpoint_every: steps between two checkpoints.
        fingerprint: digest of this training; a checkpoint with another one is not continued.
        pauses: called after the given number of steps, for evaluation; the encoder's mode is as
            before when training goes on. A continuation from such a step calls it again.
        on_step: called after every step, for progress.
        processes: those that share each batch; its size must be divisible by their number.

    Returns:
        The final state; ``state.losses`` has one entry per step.

    Raises:
        TrialError: when a loss or gradient is not finite, in every process; with a GPU up to
            16 steps later, but before the next checkpoint.
    """
    optimizer = make_optimizer(
        encoder, learning_rate=learning_rate, weight_decay=weight_decay, betas=betas
    )
    model = accelerator.prepare_model(encoder, evaluation_mode=True)  # adds precision alone
    optimizer = accelerator.prepare_optimizer(optimizer)
    state = LoopState(model=accelerator.unwrap_model(model), optimizer=_unwrap(optimizer))
    continued = state.load(checkpoint, fingerprint, processes)
    model.train()

    def prepared(step: int) -> tuple[list[Packed], Tensor]:
        return _prepare(plan[step], questions, passages, seed, state.chunk_tokens, processes)

    if not state.chunk_tokens:
        state.chunk_tokens = chunk_tokens or min(
            processes.collect(tokens_that_fit(model, prepared(0)[0], free_memory_mb()))
        )
    if continued and state.step in pauses:  # the interruption may have come before its end
        _pause(pauses[state.step], state, model)
    clock = time.perf_counter() - state.seconds
    look_every = 1 if accelerator.device.type == "cpu" else _LOOK_EVERY
    unseen: list[Tensor] = []

    with closing(ahead(prepared, state.step, plan.steps)) as batches:
        for chunks, groups in batches:
            rate = learning_rate_at(state.step, plan.steps, peak=learning_rate, warmup=warmup)
            for group in state.optimizer.param_groups:
                group["lr"] = rate

            loss_of = partial(
                _batch_loss,
                groups_N=handed_over(groups, accelerator.device),
                temperature=temperature,
                symmetric=symmetric,
                processes=processes,
            )
            # ------------------------------------------------------------------ the step
            loss = backpropagate(model, chunks, loss_of)
            processes.add_gradients(model.parameters())
            norm = accelerator.clip_grad_norm_(model.parameters(), clip_norm)
            unseen.append(torch.stack([loss, norm.to(loss.device)]))
            optimizer.step()
            encoder.clear_gradients()
            # ---------------------------------------------------------------------------

            state.step += 1
            keep = state.step % checkpoint_every == 0 or state.step in pauses
            if keep or state.step == plan.steps or len(unseen) == look_every:
                _look_at(unseen, state)
                state.seconds = time.perf_counter() - clock
            if keep:
                state.save(checkpoint, fingerprint, processes)
            if state.step in pauses:
                _pause(pauses[state.step], state, model)
                clock = time.perf_counter() - state.seconds
            on_step(state)
    return state


def _prepare(
    batch: Batch,
    questions: TokenTable,
    passages: TokenTable,
    seed: int,
    chunk_tokens: int,
    processes: Processes,
) -> tuple[list[Packed], Tensor]:
    """The chunks of this process's part of a batch, and the passage groups of all of it."""
    own = batch.part(processes.rank, processes.count)
    texts = questions.take(own.questions) + passages.take(own.passages)
    first, size = processes.rank * len(own.questions), len(batch.questions)
    numbers = np.arange(first, first + len(own.questions))
    keys = text_keys(seed, batch.step, np.concatenate([numbers, size + numbers]))
    return pack(texts, keys, chunk_tokens=chunk_tokens or None), torch.from_numpy(batch.groups)


def _batch_loss(
    embedded_BD: Tensor,
    *,
    groups_N: Tensor,
    temperature: float,
    symmetric: bool,
    processes: Processes,
) -> Tensor:
    """The loss of the whole batch, from this process's questions and, behind them, passages."""
    own_queries, own_passages = embedded_BD.chunk(2)
    return info_nce(
        processes.gather(own_queries),
        processes.gather(own_passages),
        query_groups_B=groups_N,
        passage_groups_N=groups_N,
        positive_B=torch.arange(len(groups_N), device=groups_N.device),
        temperature=temperature,
        symmetric=symmetric,
    )


def _look_at(unseen: list[Tensor], state: LoopState) -> None:
    """Add the losses of the latest steps to the state, if they and the gradients are finite."""
    for loss, norm in torch.stack(unseen).tolist():
        _check_finite(loss, norm, len(state.losses))
        state.losses.append(loss)
    unseen.clear()


def _check_finite(loss: float, norm: float, step: int) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrialError(
            f"step {step}: loss {loss}, gradient norm {norm}; the training diverged "
            "(a lower learning rate or a higher temperature may help)"
        )


def _pause(callback: Callable[[LoopState], None], state: LoopState, model: nn.Module) -> None:
    model.eval()
    with torch.no_grad():
        callback(state)
    model.train()


def _unwrap(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside accelerate's wrapper, whose state is the one to keep."""
    inner = getattr(optimizer, "optimizer", optimizer)
    assert isinstance(inner, Optimizer)
    return inner


Thing = TypeVar("Thing")


def ahead(make: Callable[[int], Thing], start: int, stop: int, depth: int = 2) -> Generator[Thing]:
    """What `make` gives for each number, made in a thread of its own, in order.

    Args:
        make: may be called while what it gave before is in use.
        start: first number.
        stop: number behind the last one.
        depth: how many are made ahead.

    Raises:
        Exception: what `make` raised, when its turn has come.
    """
    numbers = iter(range(start, stop))
    waiting: deque[Future[Thing]] = deque()
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")
    try:
        for number in numbers:
            waiting.append(worker.submit(make, number))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        worker.shutdown(wait=True, cancel_futures=True)
