from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.packed.dropout import text_keys
from hybridir.encoder.packed.packing import inverse_permutation, pack
from hybridir.runtime.memory import free_memory_mb, limit_gpu_memory
from hybridir.runtime.precision import accelerator
from hybridir.training import grad_cache
from hybridir.training.loss import info_nce
from tests.hybridir.training.test_loop import STEPS, run
from tests.support.encoders import backbone, texts

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("chunk_tokens", ["auto", 60])
def test_a_training_repeats_to_the_last_bit_and_continues_so(
    tmp_path: Path, precision: str, dropout: float, chunk_tokens: str | int
) -> None:
    def trained(name: str, **changes: Any) -> tuple[BiEncoder, list[float]]:
        encoder, state = run(
            tmp_path / name,
            precision=precision,
            dropout=dropout,
            chunk_tokens=chunk_tokens,
            **changes,
        )
        return encoder, state.losses

    class Interrupted(Exception):
        pass

    def stop(state: object) -> None:
        if getattr(state, "step", 0) == 7:
            raise Interrupted

    first, losses = trained("first")
    again, repeated = trained("again")
    with pytest.raises(Interrupted):
        trained("stopped", on_step=stop)
    continued, resumed = trained("stopped")
    assert len(losses) == STEPS
    assert losses[-1] < losses[0]
    assert losses == repeated == resumed
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
        assert torch.equal(weight, continued.state_dict()[name]), name


def test_losses_are_those_of_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, state = run(tmp_path / "gpu", dropout=0.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    _, expected = run(tmp_path / "cpu", dropout=0.0)
    np.testing.assert_allclose(state.losses, expected.losses, rtol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_grad_cache_repeats_the_dropout_of_its_first_pass(precision: str) -> None:
    rows = texts(16)
    chunks = pack(rows, text_keys(0, 0, np.arange(16)), chunk_tokens=100)
    assert len(chunks) > 2
    groups = torch.arange(8, device="cuda")

    def loss_of(embedded: torch.Tensor) -> torch.Tensor:
        queries, passages = embedded.chunk(2)
        return info_nce(
            queries,
            passages,
            query_groups_B=groups,
            passage_groups_N=groups,
            positive_B=groups,
            temperature=0.1,
        )

    gradients = []
    with accelerator(precision) as accelerate:
        for cached in (True, False):
            encoder = BiEncoder.wrap(backbone(dropout=0.2), "mean", pad_token=0).cuda().train()
            model = accelerate.prepare_model(encoder, evaluation_mode=True)
            if cached:
                loss = grad_cache.backward(model, chunks, loss_of)
            else:  # all activations at once
                moved = [chunk.to(torch.device("cuda")) for chunk in chunks]
                embedded = torch.cat([model(chunk) for chunk in moved])
                loss = loss_of(embedded[inverse_permutation(moved)])
                loss.backward()  # type: ignore[no-untyped-call]
            gradients.append(
                [loss.detach(), *(w.grad for w in encoder.parameters() if w.grad is not None)]
            )
    for mine, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-5, rtol=1e-3)


def test_a_share_of_a_gpu_is_a_share_of_its_memory_and_more_raises() -> None:
    whole = free_memory_mb()
    limit_gpu_memory(0.25)
    try:
        assert free_memory_mb() < 0.3 * whole
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(int(0.5 * whole * 1e6), dtype=torch.uint8, device="cuda")
    finally:
        limit_gpu_memory(1.0)


def test_a_trial_out_of_memory_fails_for_good(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    assert ray
    from tests.tune.worker.test_trainable import spec
    from tune.worker.trial_process import run_in_process

    failure = run_in_process(replace(spec(tmp_path), gpu=1e-5), lambda metrics: None)
    limit_gpu_memory(1.0)
    assert failure is not None
    assert failure.reason.startswith("out of GPU memory at ")
    assert failure.final
    assert failure.poisoned
