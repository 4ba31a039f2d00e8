"""The training loop.

With several processes each embeds its part of the batch, gathers the embeddings of the others and
computes the loss of the whole batch; gradients are added up before they are clipped. That is done
by hand, since texts are embedded in several forward passes, in each process another number of
them, while torch's DistributedDataParallel looks for unused weights, such as those of a pooler, in
the last one alone.

Not here yet: chunked gradients. Their place is the step itself.

Notation: N pairs of the whole batch, D dimensions.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.optim import AdamW, Optimizer

from hybridir.batching import BatchPlan
from hybridir.checkpoint import LoopState
from hybridir.contrastive import info_nce
from hybridir.data.prepare import TokenTable
from hybridir.encoder import BiEncoder, embed
from hybridir.errors import TrialError
from hybridir.processes import ALONE, Processes


@contextmanager
def accelerator(precision: str) -> Iterator[Accelerator]:
    """An Accelerator for one trial, whose process-wide state ends with it.

    Without the reset the next trial in the same process could not choose another precision.

    Args:
        precision: ``fp32`` or ``bf16`` (autocast; weights stay fp32).
    """
    try:
        yield Accelerator(
            mixed_precision="bf16" if precision == "bf16" else "no",
            # Several processes without a GPU are known to accelerate by this alone.
            cpu=dist.is_initialized() and not torch.cuda.is_available(),
        )
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def choose_precision(wanted: str, hidden_size: int) -> str:
    """Resolve ``auto``: bf16 where the hardware has it and the encoder gains by it.

    A step of a 6 x 384 encoder took 1.5 s instead of 2.3 s (measured on an avx512_bf16 core); a
    2 x 128 encoder gains nothing. That the border lies at a width of 256 is an assumption.

    Returns:
        ``fp32`` or ``bf16``.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = torch.cpu.get_capabilities()
        native = bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    return "bf16" if native and hidden_size >= 256 else "fp32"


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
        seed: decides dropout; each process draws its own.
        checkpoint: file that the state is kept in.
        checkpoint_every: steps between two checkpoints.
        fingerprint: digest of this training; a checkpoint with another one is not continued.
        pauses: called after the given number of steps, for evaluation; the encoder's mode and the
            random state are as before when training goes on. A continuation from such a step calls
            it again.
        on_step: called after every step, for progress.
        processes: those that share each batch; its size must be divisible by their number.

    Returns:
        The final state; ``state.losses`` has one entry per step.

    Raises:
        TrialError: as soon as a loss or gradient is not finite, in every process.
    """
    optimizer = make_optimizer(
        encoder, learning_rate=learning_rate, weight_decay=weight_decay, betas=betas
    )
    model = accelerator.prepare_model(encoder, evaluation_mode=True)  # adds precision alone
    optimizer = accelerator.prepare_optimizer(optimizer)
    state = LoopState(model=accelerator.unwrap_model(model), optimizer=_unwrap(optimizer))
    torch.manual_seed(seed + processes.rank)
    continued = state.load(checkpoint, fingerprint, processes)
    model.train()
    if continued and state.step in pauses:  # the interruption may have come before its end
        _pause(pauses[state.step], state, model)
    clock = time.perf_counter() - state.seconds

    while state.step < plan.steps:
        batch = plan[state.step]
        own = batch.part(processes.rank, processes.count)
        groups_N = torch.from_numpy(batch.groups).to(accelerator.device)
        positive_N = torch.arange(len(groups_N), device=accelerator.device)
        rate = learning_rate_at(state.step, plan.steps, peak=learning_rate, warmup=warmup)
        for group in state.optimizer.param_groups:
            group["lr"] = rate

        # ------------------------------------------------------------------ the step
        texts = questions.take(own.questions) + passages.take(own.passages)
        own_queries, own_passages = embed(model, texts, encoder.pad_token).chunk(2)
        loss = info_nce(
            processes.gather(own_queries),
            processes.gather(own_passages),
            query_groups_B=groups_N,
            passage_groups_N=groups_N,
            positive_B=positive_N,
            temperature=temperature,
            symmetric=symmetric,
        )
        accelerator.backward(loss)
        processes.add_gradients(model.parameters())
        norm = accelerator.clip_grad_norm_(model.parameters(), clip_norm)
        loss_value = loss.item()
        _check_finite(loss_value, float(norm), state.step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        # ---------------------------------------------------------------------------

        state.step += 1
        state.losses.append(loss_value)
        state.seconds = time.perf_counter() - clock
        if state.step % checkpoint_every == 0 or state.step in pauses:
            state.save(checkpoint, fingerprint, processes)
        if state.step in pauses:
            _pause(pauses[state.step], state, model)
            clock = time.perf_counter() - state.seconds
        on_step(state)
    return state


def _check_finite(loss: float, norm: float, step: int) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrialError(
            f"step {step}: loss {loss}, gradient norm {norm}; the training diverged "
            "(a lower learning rate or a higher temperature may help)"
        )


def _pause(callback: Callable[[LoopState], None], state: LoopState, model: nn.Module) -> None:
    model.eval()
    with torch.random.fork_rng(), torch.no_grad():
        callback(state)
    model.train()


def _unwrap(optimizer: Optimizer) -> Optimizer:
    """The optimizer inside accelerate's wrapper, whose state is the one to keep."""
    inner = getattr(optimizer, "optimizer", optimizer)
    assert isinstance(inner, Optimizer)
    return inner
