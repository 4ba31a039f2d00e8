import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hybridir.batches.plan import BatchPlan
from hybridir.config import BatchConfig, FromScratchConfig, TrainingConfig
from hybridir.encoder.backbone import new_backbone
from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.token_table import TokenTable
from hybridir.errors import InputError, TrialError
from hybridir.runtime import notice
from hybridir.runtime.precision import accelerator
from hybridir.training.checkpoint import LoopState
from hybridir.training.loop import learning_rate_at, make_optimizer, train
from tests.support.tiny import parallel

STEPS = 12
QUESTIONS = 24


def tokens_of(offset: int) -> TokenTable:
    """Texts of random tokens; those of a question share two tokens, which can be learned."""
    rng = np.random.default_rng(1)
    texts = []
    for question in range(QUESTIONS):
        for language in range(2):
            shared = [10 + question, 40 + question]
            own = rng.integers(70 + 10 * language, 80 + 10 * language, size=rng.integers(1, 30))
            texts.append(np.array([1, *shared, *(own + offset), 2], dtype=np.int32))
    return TokenTable(np.concatenate(texts), np.cumsum([0, *map(len, texts)]))


def tiny_encoder(dropout: float = 0.1, *, cpu_kernels: bool = True) -> BiEncoder:
    size = FromScratchConfig(layers=1, hidden_size=32, intermediate_size=32, heads=2)
    model = new_backbone(size, vocabulary=120, max_length=64, pad_token=0, dropout=dropout, seed=0)
    return BiEncoder.wrap(model, "mean", pad_token=0, cpu_kernels=cpu_kernels)


def run(
    checkpoint: Path,
    *,
    precision: str = "fp32",
    dropout: float = 0.1,
    cpu_kernels: bool = True,
    **changes: Any,
) -> tuple[BiEncoder, LoopState]:
    """Train on batches of 8 of 24 questions in two languages, 12 steps."""
    encoder = tiny_encoder(dropout, cpu_kernels=cpu_kernels)
    plan = changes.pop("plan", None) or BatchPlan(
        [parallel(QUESTIONS, "de en")], BatchConfig(batch_size=8), pairs=8 * STEPS, seed=0
    )
    arguments: dict[str, Any] = {"seed": 5, "checkpoint": checkpoint, "fingerprint": "this"}
    settings: dict[str, Any] = {
        "learning_rate": 3e-3,
        "checkpoint_every": 5,
        "checkpoint_share": 1.0,
    }
    for name, value in changes.items():
        (settings if name in TrainingConfig.model_fields else arguments)[name] = value
    # A copy is not validated: a test may ask for a learning rate that diverges.
    config = TrainingConfig().model_copy(update=settings)
    with accelerator(precision) as accelerate:
        state = train(config, accelerate, encoder, tokens_of(0), tokens_of(20), plan, **arguments)
    return encoder, state


def weights(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in encoder.state_dict().items()}


def assert_identical(first: nn.Module, second: nn.Module) -> None:
    expected = weights(second)
    different = [n for n, weight in weights(first).items() if not torch.equal(weight, expected[n])]
    assert not different


class Interrupted(Exception):
    """Stands for anything that ends a process between two steps."""


def stop_at(step: int) -> Callable[[LoopState], None]:
    def on_step(state: LoopState) -> None:
        if state.step == step:
            raise Interrupted

    return on_step


def test_the_learning_rate_rises_linearly_and_falls_to_zero() -> None:
    # 20 steps, a quarter of them warm-up: 5 steps up to the peak of 2, 15 down.
    rates = [learning_rate_at(step, 20, peak=2.0, warmup=0.25) for step in range(20)]
    assert rates[:5] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert rates[5:] == pytest.approx([2 * (20 - step) / 15 for step in range(5, 20)])
    assert learning_rate_at(20, 20, peak=2.0, warmup=0.25) == 0


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_learning_rate_is_positive_and_within_its_peak_on_the_shortest_plans(
    steps: int, warmup: float
) -> None:
    rates = [learning_rate_at(step, steps, peak=1.0, warmup=warmup) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    assert max(rates) == 1


def test_only_matrices_decay() -> None:
    encoder = tiny_encoder()
    optimizer = make_optimizer(encoder, learning_rate=0.1, weight_decay=0.5, betas=(0.9, 0.98))
    before = weights(encoder)
    for weight in encoder.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for name, after in weights(encoder).items():
        # Without a gradient AdamW only shrinks, by learning rate times decay = 5 %.
        factor = 0.95 if after.ndim == 2 else 1.0
        torch.testing.assert_close(after, before[name] * factor)
    assert {weight.ndim for weight in encoder.parameters()} == {1, 2}


def test_training_lowers_the_loss_and_records_a_loss_per_step(tmp_path: Path) -> None:
    _, state = run(tmp_path / "c.pt", dropout=0.0)
    assert state.step == len(state.losses) == STEPS
    assert np.mean(state.losses[-3:]) < 0.8 * np.mean(state.losses[:3])
    assert state.seconds > 0


def test_the_first_step_is_adamw_on_the_clipped_gradient_of_the_loss(tmp_path: Path) -> None:
    # One step of torch's own, unfused AdamW, on a loss written out here.
    with pytest.raises(Interrupted):
        run(tmp_path / "c.pt", dropout=0.0, checkpoint_every=1, on_step=stop_at(1))
    after = torch.load(tmp_path / "c.pt", weights_only=True)["model"]

    encoder = tiny_encoder(0.0).train()
    model = encoder.backbone
    model.set_attn_implementation("eager")
    plan = BatchPlan(
        [parallel(QUESTIONS, "de en")], BatchConfig(batch_size=8), pairs=8 * STEPS, seed=0
    )
    questions, passages = tokens_of(0), tokens_of(20)

    def vectors(table: TokenTable, rows: np.ndarray[Any, Any]) -> Tensor:
        texts = [torch.from_numpy(table[row].astype(np.int64)) for row in rows]
        hidden = [model(input_ids=text[None]).last_hidden_state[0] for text in texts]
        return torch.stack([torch.nn.functional.normalize(h.mean(dim=0), dim=0) for h in hidden])

    batch = plan[0]
    logits = vectors(questions, batch.questions) @ vectors(passages, batch.passages).T / 0.05
    assert len(set(batch.groups.tolist())) == 8  # nothing to mask
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(8))
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
    used = [weight for weight in encoder.parameters() if weight.grad is not None]
    rate = 3e-3 / 2  # warm-up: 10 % of 12 steps are 2
    groups = [
        {"params": [weight for weight in used if weight.ndim == 2], "weight_decay": 0.01},
        {"params": [weight for weight in used if weight.ndim == 1], "weight_decay": 0.0},
    ]
    torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), foreach=False, fused=False).step()
    assert float(torch.load(tmp_path / "c.pt", weights_only=True)["losses"][0]) == pytest.approx(
        loss.item(), rel=1e-5
    )
    for name, weight in encoder.state_dict().items():
        # Adam's first step has the size of the rate whatever the gradient, so that a gradient
        # of rounding noise may go either way; all others agree closely.
        agree = torch.isclose(after[name], weight, atol=1e-5, rtol=1e-4)
        assert agree.float().mean() > 0.99, name


def padded_losses(plan: BatchPlan, peak: float) -> list[float]:
    """The losses of a plain loop: padded texts, the model of Hugging Face, torch's AdamW."""
    model = tiny_encoder(0.0).backbone.train()
    model.set_attn_implementation("eager")
    matrices = [weight for weight in model.parameters() if weight.ndim == 2]
    others = [weight for weight in model.parameters() if weight.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
        lr=peak,
        betas=(0.9, 0.98),
        foreach=False,
        fused=False,
    )
    questions, passages = tokens_of(0), tokens_of(20)

    def vectors(table: TokenTable, rows: np.ndarray[Any, Any]) -> Tensor:
        texts = [torch.from_numpy(table[row].astype(np.int64)) for row in rows]
        tokens = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
        mask = (tokens != 0).long()
        hidden = model(input_ids=tokens, attention_mask=mask).last_hidden_state * mask[..., None]
        return torch.nn.functional.normalize(hidden.sum(1) / mask.sum(1, keepdim=True), dim=-1)

    losses = []
    for step in range(plan.steps):
        batch = plan[step]
        rate = learning_rate_at(step, plan.steps, peak=peak, warmup=0.1)
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits = vectors(questions, batch.questions) @ vectors(passages, batch.passages).T / 0.05
        same = torch.from_numpy(batch.groups[:, None] == batch.groups[None])
        logits = logits.masked_fill(same & ~torch.eye(len(same), dtype=torch.bool), -torch.inf)
        loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("chunk_tokens", [10_000, 60])
def test_the_losses_of_200_steps_are_those_of_a_plain_padded_loop(
    tmp_path: Path, chunk_tokens: int
) -> None:
    plan = BatchPlan(
        [parallel(QUESTIONS, "de en")], BatchConfig(batch_size=8), pairs=8 * 200, seed=0
    )
    # So slow that the loss stays well above zero, where its rounding would be all that is left.
    options: dict[str, Any] = {"dropout": 0.0, "learning_rate": 5e-5, "plan": plan}
    _, state = run(tmp_path / "c.pt", chunk_tokens=chunk_tokens, **options)
    assert len(state.losses) == 200
    assert min(state.losses) > 0.05
    np.testing.assert_allclose(state.losses, padded_losses(plan, 5e-5), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.0},
        {"dropout": 0.1},
        {"dropout": 0.1, "precision": "bf16", "chunk_tokens": 60},
    ],
    ids=["plain", "dropout", "dropout-bf16-chunks"],
)
@pytest.mark.parametrize(
    "step",
    [1, 5, pytest.param(8, marks=pytest.mark.long), pytest.param(11, marks=pytest.mark.long)],
)
def test_an_interrupted_training_continues_bit_identically(
    tmp_path: Path, step: int, options: dict[str, Any]
) -> None:
    whole, expected = run(tmp_path / "whole.pt", **options)
    with pytest.raises(Interrupted):
        run(tmp_path / "c.pt", **options, on_step=stop_at(step))
    steps: list[int] = []
    continued, state = run(
        tmp_path / "c.pt", **options, on_step=lambda state: steps.append(state.step)
    )
    # Checkpoints are written every 5 steps; later steps are done again.
    assert steps == list(range(step // 5 * 5 + 1, STEPS + 1))
    assert_identical(whole, continued)
    assert state.losses == expected.losses


def test_an_evaluation_leaves_the_training_unchanged(tmp_path: Path) -> None:
    whole, expected = run(tmp_path / "whole.pt")
    modes: list[tuple[int, bool]] = []

    def evaluate(state: LoopState) -> None:
        modes.append((state.step, state.model.training))
        torch.rand(100)  # draws from the random state
        state.model.eval()

    evaluated, state = run(tmp_path / "c.pt", evaluations={3: evaluate, 6: evaluate})
    assert modes == [(3, False), (6, False)]
    assert_identical(whole, evaluated)
    assert state.losses == expected.losses


def test_an_interrupted_evaluation_is_repeated(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole.pt")

    def fail(state: LoopState) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        run(tmp_path / "c.pt", evaluations={7: fail})
    seen: list[int] = []
    continued, _ = run(tmp_path / "c.pt", evaluations={7: lambda state: seen.append(state.step)})
    assert seen == [7]
    assert_identical(whole, continued)


def test_a_checkpoint_of_another_training_is_not_continued(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole.pt", fingerprint="mine")
    with pytest.raises(Interrupted):
        run(tmp_path / "c.pt", fingerprint="other", seed=99, on_step=stop_at(7))
    steps: list[int] = []
    fresh, _ = run(
        tmp_path / "c.pt", fingerprint="mine", on_step=lambda state: steps.append(state.step)
    )
    assert steps[0] == 1
    assert_identical(whole, fresh)


def test_the_seed_decides_dropout(tmp_path: Path) -> None:
    weights_first, first = run(tmp_path / "a.pt", seed=1)
    weights_again, again = run(tmp_path / "b.pt", seed=1)
    assert_identical(weights_first, weights_again)
    _, reseeded = run(tmp_path / "c.pt", seed=2)
    assert first.losses == again.losses
    assert first.losses != reseeded.losses


def test_a_loss_that_is_not_finite_stops_with_its_step(tmp_path: Path) -> None:
    # The first step, taken at 1e30, leaves weights whose products overflow in the second.
    with pytest.raises(TrialError, match=r"^step 1: loss (nan|inf).*a lower learning rate"):
        run(tmp_path / "c.pt", learning_rate=1e30, warmup=0.0)


def test_bf16_trains_about_as_fp32_does_with_weights_of_fp32(tmp_path: Path) -> None:
    full, exact = run(tmp_path / "a.pt", dropout=0.0)
    half, rounded = run(tmp_path / "b.pt", dropout=0.0, precision="bf16")
    again, same = run(tmp_path / "c.pt", dropout=0.0)
    assert {weight.dtype for weight in half.parameters()} == {torch.float32}
    assert rounded.losses != exact.losses
    # bf16 has 8 significant bits: a similarity is off by 2^-8 at most or so, which the
    # temperature of .05 makes .08 of a logit.
    np.testing.assert_allclose(rounded.losses[:3], exact.losses[:3], atol=0.1)
    # The precision of one training does not outlive it.
    assert same.losses == exact.losses
    assert_identical(full, again)


def test_the_symmetric_term_is_added_on_request(tmp_path: Path) -> None:
    _, forward = run(tmp_path / "a.pt", dropout=0.0)
    _, both = run(tmp_path / "b.pt", dropout=0.0, symmetric=True)
    assert math.isfinite(both.losses[0])
    assert both.losses[0] != forward.losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("chunk_tokens", ["auto", 60])
def test_training_works_without_cpu_kernels(tmp_path: Path, chunk_tokens: str | int) -> None:
    _, fast = run(tmp_path / "a.pt", chunk_tokens=chunk_tokens)
    _, plain = run(tmp_path / "b.pt", chunk_tokens=chunk_tokens, cpu_kernels=False)
    # Rounding of fp32, which AdamW's steps carry on.
    np.testing.assert_allclose(plain.losses, fast.losses, rtol=1e-3)


def test_a_notice_writes_a_checkpoint_after_the_step_and_the_training_goes_on(
    tmp_path: Path,
) -> None:
    whole, expected = run(tmp_path / "whole.pt")

    def asking(state: LoopState) -> None:
        if state.step == 3:
            notice.ask()
        if state.step == 7:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(tmp_path / "c.pt", checkpoint_every=100, on_step=asking)
    steps: list[int] = []
    continued, state = run(tmp_path / "c.pt", on_step=lambda state: steps.append(state.step))
    assert steps[0] == 5  # asked after step 3, written after step 4
    assert_identical(whole, continued)
    assert state.losses == expected.losses


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_fused_layers_without_a_gpu_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training\.compile=true needs a GPU.*resources\.gpu"):
        run(tmp_path / "checkpoint.pt", compile=True)
