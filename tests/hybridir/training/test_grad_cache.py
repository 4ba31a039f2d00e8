import gc
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.packed.packing import pack
from hybridir.training.grad_cache import backpropagate, tokens_that_fit
from tests.support.encoders import MODELS, backbone, texts

PAIRS = 16
KEYS = np.arange(2 * PAIRS, dtype=np.uint32)


def contrastive(embedded_BD: Tensor) -> Tensor:
    queries, passages = embedded_BD.chunk(2)
    return functional.cross_entropy(queries @ passages.T / 0.05, torch.arange(PAIRS))


def gradient(encoder: BiEncoder, chunk_tokens: int | None) -> tuple[float, dict[str, Tensor]]:
    encoder.zero_grad()
    chunks = pack(texts(2 * PAIRS), KEYS, chunk_tokens=chunk_tokens)
    loss = backpropagate(encoder, chunks, contrastive)
    assert not loss.requires_grad
    found = {
        name: weight.grad.clone()
        for name, weight in encoder.named_parameters()
        if weight.grad is not None
    }
    return loss.item(), found


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("chunk_tokens", [600, 150, 1])
def test_the_gradient_in_chunks_is_that_of_the_whole_batch(
    dropout: float, chunk_tokens: int
) -> None:
    # In fp64, so that nothing but a mistake can make a difference.
    encoder = BiEncoder(backbone(dropout=dropout).double(), "cls", pad_token=0).train()
    loss, whole = gradient(encoder, None)
    other_loss, parts = gradient(encoder, chunk_tokens)
    assert len(pack(texts(2 * PAIRS), chunk_tokens=chunk_tokens)) > 1
    # The vectors themselves are fp32.
    assert other_loss == pytest.approx(loss, abs=1e-6)
    assert parts.keys() == whole.keys()
    for name, expected in whole.items():
        torch.testing.assert_close(parts[name], expected, atol=1e-6, rtol=1e-6)


def test_in_fp32_chunks_make_a_difference_of_rounding_alone() -> None:
    encoder = BiEncoder(backbone(dropout=0.1), "mean", pad_token=0).train()
    _, whole = gradient(encoder, None)
    _, parts = gradient(encoder, 150)
    expected, found = (
        torch.cat([value.flatten() for value in g.values()]) for g in (whole, parts)
    )
    assert (found - expected).norm() < 1e-6 * expected.norm()


def test_an_encoder_that_is_padded_drops_the_same_in_both_passes() -> None:
    # With torch's own dropout; were the passes different, the gradient would not be that of any
    # loss. A direction's derivative is compared with a difference of losses.
    torch.manual_seed(0)
    encoder = BiEncoder(MODELS["mpnet"]().double(), "cls", pad_token=0).train()
    _, found = gradient(encoder, 150)
    generator = torch.Generator().manual_seed(1)
    direction = {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in found.items()
    }
    slope = sum(float((found[name] * direction[name]).sum()) for name in found)
    size = 1e-5
    before = {name: weight.detach().clone() for name, weight in encoder.named_parameters()}
    losses = []
    for sign in (1, -1):
        for name, step in direction.items():
            encoder.get_parameter(name).data = before[name] + sign * size * step
        losses.append(gradient(encoder, 150)[0])
    # The loss is fp32, so its difference is known to some 1e-7.
    assert (losses[0] - losses[1]) / (2 * size) == pytest.approx(slope, rel=0.02, abs=0.05)


def test_chunks_keep_to_the_memory_that_is_free() -> None:
    encoder = BiEncoder(backbone(), "mean", pad_token=0).train()
    batch = pack(texts(60))
    fits = tokens_that_fit(encoder, batch, 1100)
    assert tokens_that_fit(encoder, batch, 1500) == fits  # both have 2^10 MB
    assert tokens_that_fit(encoder, batch, 2100) == pytest.approx(2 * fits, abs=1)
    assert tokens_that_fit(encoder, batch, 0.0) >= 1


def test_nothing_of_an_encoder_stays_in_memory_once_its_chunks_were_measured() -> None:
    encoder = BiEncoder(backbone(), "mean", pad_token=0).train()
    weights = [weakref.ref(weight) for weight in encoder.parameters()]
    tokens_that_fit(encoder, pack(texts(60)), 1100)
    assert all(weight() is not None for weight in weights)
    del encoder
    gc.collect()
    assert all(weight() is None for weight in weights)


@pytest.mark.parametrize("autocast", [False, True])
def test_a_chunk_of_the_size_that_fits_keeps_what_was_planned(autocast: bool) -> None:
    # What the backward pass keeps is counted here as torch reports it, tensor by tensor.
    encoder = BiEncoder(backbone(), "mean", pad_token=0).train()
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()

    same = [np.full(20, 7, dtype=np.int32)] * 800
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        fits = tokens_that_fit(encoder, pack(same), 33.0)  # of them 32 MB count
        (chunk,) = pack(same[: fits // 20])
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            embedded = encoder(chunk)
    assert embedded.requires_grad
    assert 2000 < fits < 16000
    weights = sum(weight.nbytes for weight in encoder.parameters())
    # Weights are saved too, in bf16 once more, and a filling of up to 128 tokens.
    assert sum(kept.values()) == pytest.approx(0.6 * 32e6, rel=0.05, abs=2 * weights)
