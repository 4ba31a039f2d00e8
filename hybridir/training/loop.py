"""The training loop.

With several processes each embeds its part of the batch, gathers the embeddings of the others and
computes the loss of the whole batch; gradients are summed before they are clipped.
DistributedDataParallel is not used: each process may embed its texts in another number of chunks,
and DDP looks for unused weights, such as those of a pooler, in the last one alone.

Shapes: B texts of this process, N pairs of the whole batch, D dimensions.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from hybridir.batches import Batch, BatchPlan
from hybridir.config import TrainingConfig
from hybridir.encoder import BiEncoder
from hybridir.encoder.packed.dropout import text_keys
from hybridir.encoder.packed.packing import PackedTexts, pack, to_device
from hybridir.encoder.token_table import TokenTable
from hybridir.errors import InputError, TrialError
from hybridir.runtime import notice
from hybridir.runtime.distributed import SINGLE_PROCESS, Distributed
from hybridir.runtime.memory import free_memory_mb
from hybridir.runtime.precision import fixed_order_of_sums
from hybridir.training import grad_cache
from hybridir.training.checkpoint import LoopState
from hybridir.training.loss import info_nce
from hybridir.training.prefetch import prefetch
from hybridir.training.schedule import Schedule, checkpoint_bytes, write_seconds

# Steps between two looks at the loss on a GPU, which runs behind the program: a look at every step
# would make the program wait for it.
_READ_EVERY = 16

Callback = Callable[[LoopState], None]


def make_optimizer(
    model: nn.Module, *, learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> AdamW:
    """AdamW that decays matrices only, neither biases nor normalisation weights."""
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
    config: TrainingConfig,
    accelerator: Accelerator,
    encoder: BiEncoder,
    questions: TokenTable,
    passages: TokenTable,
    plan: BatchPlan,
    *,
    seed: int,
    checkpoint: Path,
    fingerprint: str,
    evaluations: Mapping[int, Callback] = MappingProxyType({}),
    on_step: Callback = lambda state: None,
    distributed: Distributed = SINGLE_PROCESS,
) -> LoopState:
    """Train an encoder on a batch plan, from its checkpoint if it has one.

    Args:
        config: loss and optimizer; the budget is that of the plan, and the precision that of the
            accelerator.
        accelerator: places model and optimizer; see `hybridir.runtime.precision.accelerator`.
        encoder: trained in place.
        questions: token ids of the plan's question rows.
        passages: token ids of the plan's passage rows.
        plan: the batches.
        seed: decides dropout.
        checkpoint: file of the loop's state.
        fingerprint: digest of this training; a checkpoint with another one is not continued.
        evaluations: evaluation callbacks by the number of steps after which they are called. The
            encoder is in evaluation mode meanwhile. A continuation from such a step calls its
            callback again.
        on_step: called after every step, for progress.
        distributed: the processes that share each batch; its size must be divisible by their
            number.

    Returns:
        The final state; ``state.losses`` has one entry per step.

    Raises:
        InputError: if the settings ask for a compilation without a GPU.
        TrialError: when a loss or gradient is not finite, in every process; on a GPU up to 16
            steps later, but before the next checkpoint. The process that writes checkpoints may
            see it before the others.
    """
    optimizer = make_optimizer(
        encoder,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        betas=config.betas,
    )
    model = accelerator.prepare_model(encoder, evaluation_mode=True)  # adds precision alone
    optimizer = accelerator.prepare_optimizer(optimizer)
    state = LoopState(model=accelerator.unwrap_model(model), optimizer=_unwrap(optimizer))
    resumed = state.load(checkpoint, fingerprint, distributed)
    if config.compile:
        _check_compilable(accelerator)
        encoder.compile_layers()
    model.train()

    def chunks_of(step: int) -> tuple[list[PackedTexts], Tensor]:
        return _prepare(plan[step], questions, passages, seed, state.chunk_tokens, distributed)

    if not state.chunk_tokens:
        state.chunk_tokens = config.fixed_chunk or min(
            distributed.all_gather_object(
                grad_cache.max_chunk_tokens(model, chunks_of(0)[0], free_memory_mb())
            )
        )
    if resumed and state.step in evaluations:  # it may have been interrupted
        _evaluate(evaluations[state.step], state, model)

    writes = distributed.rank == 0
    size = checkpoint_bytes(state.model) if writes else 0
    cost = write_seconds(checkpoint.parent, size)
    schedule = Schedule(config, state.step, state.seconds, cost)
    clock = time.perf_counter() - state.seconds
    read_every = 1 if accelerator.device.type == "cpu" else _READ_EVERY
    unread: list[Tensor] = []
    with (
        notice.heeded(writes=writes),
        closing(prefetch(chunks_of, state.step, plan.steps)) as batches,
        nullcontext() if encoder.packs else fixed_order_of_sums(),
    ):
        for chunks, passage_groups in batches:
            rate = learning_rate_at(
                state.step, plan.steps, peak=config.learning_rate, warmup=config.warmup
            )
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            loss_fn = partial(
                _batch_loss,
                groups_N=to_device(passage_groups, accelerator.device),
                config=config,
                distributed=distributed,
            )
            # ------------------------------------------------------------------ the step
            loss = grad_cache.backward(model, chunks, loss_fn)
            distributed.all_reduce_gradients(model.parameters())
            norm = accelerator.clip_grad_norm_(model.parameters(), config.clip_norm)
            unread.append(torch.stack([loss, norm.to(loss.device)]))
            optimizer.step()
            encoder.clear_gradients()
            # ---------------------------------------------------------------------------
            state.step += 1

            # read the losses
            seconds = time.perf_counter() - clock
            pause = state.step in evaluations or state.step == plan.steps
            asked = writes and notice.asked()
            save = asked or (writes and schedule.due(state.step, seconds, long_pause=pause))
            if save or pause or len(unread) == read_every:
                _read_losses(unread, state)
                state.seconds = time.perf_counter() - clock
            # save
            if save:
                state.save(checkpoint, fingerprint, distributed)
                after = time.perf_counter() - clock
                schedule.written(state.step, after, after - state.seconds)
            if asked:
                notice.answer()
            # evaluate
            if state.step in evaluations:
                _evaluate(evaluations[state.step], state, model)
                clock = time.perf_counter() - state.seconds
            # log
            on_step(state)
    return state


def _check_compilable(accelerator: Accelerator) -> None:
    if accelerator.device.type == "cpu":
        raise InputError(
            "training.compile=true needs a GPU, and this process has none; leave it out, or give "
            "trials a GPU (resources.gpu)"
        )


def _prepare(
    batch: Batch,
    questions: TokenTable,
    passages: TokenTable,
    seed: int,
    chunk_tokens: int,
    distributed: Distributed,
) -> tuple[list[PackedTexts], Tensor]:
    """The chunks of this process's part of a batch, and the passage groups of the whole batch."""
    own = batch.shard(distributed.rank, distributed.world_size)
    texts = questions.take(own.questions) + passages.take(own.passages)
    start, size = distributed.rank * len(own.questions), len(batch.questions)
    rows = np.arange(start, start + len(own.questions))
    keys = text_keys(seed, batch.step, np.concatenate([rows, size + rows]))
    return pack(texts, keys, chunk_tokens=chunk_tokens or None), torch.from_numpy(batch.groups)


def _batch_loss(
    embedded_BD: Tensor, *, groups_N: Tensor, config: TrainingConfig, distributed: Distributed
) -> Tensor:
    """The loss of the whole batch, from this process's questions followed by its passages."""
    own_questions, own_passages = embedded_BD.chunk(2)
    return info_nce(
        distributed.all_gather(own_questions),
        distributed.all_gather(own_passages),
        query_groups_B=groups_N,
        passage_groups_N=groups_N,
        positive_B=torch.arange(len(groups_N), device=groups_N.device),
        temperature=config.temperature,
        symmetric=config.symmetric,
    )


def _read_losses(unread: list[Tensor], state: LoopState) -> None:
    """Move the losses of the latest steps to the state, if they and the gradients are finite."""
    for loss, norm in torch.stack(unread).tolist():
        _check_finite(loss, norm, len(state.losses))
        state.losses.append(loss)
    unread.clear()


def _check_finite(loss: float, norm: float, step: int) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrialError(
            f"step {step}: loss {loss}, gradient norm {norm}; the training diverged "
            "(a lower learning rate or a higher temperature may help)"
        )


def _evaluate(callback: Callback, state: LoopState, model: nn.Module) -> None:
    model.eval()
    with torch.no_grad(), notice.unheeded():
        callback(state)
    model.train()


def _unwrap(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside accelerate's wrapper, whose state is checkpointed."""
    inner = getattr(optimizer, "optimizer", optimizer)
    assert isinstance(inner, Optimizer)
    return inner
