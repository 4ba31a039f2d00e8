import gc
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.packed.packing import pack
from hybridir.training.grad_cache import backward, max_chunk_tokens
from tests.support.encoders import MODELS, backbone, texts

PAIRS = 16
KEYS = np.arange(2 * PAIRS, dtype=np.uint32)


def contrastive(embedded_BD: Tensor) -> Tensor:
    queries, passages = embedded_BD.chunk(2)
    return functional.cross_entropy(queries @ passages.T / 0.05, torch.arange(PAIRS))


def gradient(encoder: BiEncoder, chunk_tokens: int | None) -> tuple[float, dict[str, Tensor]]:
    encoder.zero_grad()
    chunks = pack(texts(2 * PAIRS), KEYS, chunk_tokens=chunk_tokens)
    loss = backward(encoder, chunks, contrastive)
    assert not loss.requires_grad
    gradients = {
        name: weight.grad.clone()
        for name, weight in encoder.named_parameters()
        if weight.grad is not None
    }
    return loss.item(), gradients


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("chunk_tokens", [600, 150, 1])
def test_pain_19_chunks_have_the_gradient_of_the_whole_batch(
    dropout: float, chunk_tokens: int
) -> None:
    # In fp64, so that only a mistake makes a difference.
    encoder = BiEncoder.wrap(backbone(dropout=dropout).double(), "cls", pad_token=0).train()
    loss, whole = gradient(encoder, None)
    chunked_loss, chunked = gradient(encoder, chunk_tokens)
    assert len(pack(texts(2 * PAIRS), chunk_tokens=chunk_tokens)) > 1
    # The vectors themselves are fp32.
    assert chunked_loss == pytest.approx(loss, abs=1e-6)
    assert chunked.keys() == whole.keys()
    for name, expected in whole.items():
        torch.testing.assert_close(chunked[name], expected, atol=1e-6, rtol=1e-6)


def test_in_fp32_chunks_differ_by_rounding_alone() -> None:
    encoder = BiEncoder.wrap(backbone(dropout=0.1), "mean", pad_token=0).train()
    _, whole = gradient(encoder, None)
    _, chunked = gradient(encoder, 150)
    expected, flat = (
        torch.cat([value.flatten() for value in g.values()]) for g in (whole, chunked)
    )
    assert (flat - expected).norm() < 1e-6 * expected.norm()


def test_a_padded_encoder_drops_the_same_in_both_passes() -> None:
    # With torch's own dropout; were the passes different, the gradient would not be that of any
    # loss. A direction's derivative is compared with a difference of losses.
    torch.manual_seed(0)
    encoder = BiEncoder.wrap(MODELS["mpnet"]().double(), "cls", pad_token=0).train()
    _, gradients = gradient(encoder, 150)
    generator = torch.Generator().manual_seed(1)
    direction = {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in gradients.items()
    }
    slope = sum(float((value * direction[name]).sum()) for name, value in gradients.items())
    size = 1e-5
    before = {name: weight.detach().clone() for name, weight in encoder.named_parameters()}
    losses = []
    for sign in (1, -1):
        for name, step in direction.items():
            encoder.get_parameter(name).data = before[name] + sign * size * step
        losses.append(gradient(encoder, 150)[0])
    # The loss is fp32, so its difference is known to some 1e-7.
    assert (losses[0] - losses[1]) / (2 * size) == pytest.approx(slope, rel=0.02, abs=0.05)


def test_chunks_fit_into_free_memory() -> None:
    encoder = BiEncoder.wrap(backbone(), "mean", pad_token=0).train()
    batch = pack(texts(60))
    fits = max_chunk_tokens(encoder, batch, 1100)
    assert max_chunk_tokens(encoder, batch, 1500) == fits  # both round down to 2^10 MB
    assert max_chunk_tokens(encoder, batch, 2100) == pytest.approx(2 * fits, abs=1)
    assert max_chunk_tokens(encoder, batch, 0.0) >= 1


@pytest.mark.slow
def test_the_size_of_chunks_does_not_depend_on_earlier_allocations() -> None:
    encoder = BiEncoder.wrap(backbone(), "mean", pad_token=0).train()
    batch = pack(texts(60))
    rng = np.random.default_rng(0)
    sizes = set()
    for _ in range(30):
        # Blocks of the sizes of small activations, every other one freed, so that new tensors get
        # old addresses in one round and fresh ones in another.
        blocks = [torch.empty(int(size)) for size in rng.integers(1, 200, size=400)]
        del blocks[:: int(rng.integers(1, 4))]
        sizes.add(max_chunk_tokens(encoder, batch, 1100))
    assert len(sizes) == 1


def test_measuring_chunks_keeps_no_encoder_in_memory() -> None:
    encoder = BiEncoder.wrap(backbone(), "mean", pad_token=0).train()
    weights = [weakref.ref(weight) for weight in encoder.parameters()]
    max_chunk_tokens(encoder, pack(texts(60)), 1100)
    assert all(weight() is not None for weight in weights)
    del encoder
    gc.collect()
    assert all(weight() is None for weight in weights)


@pytest.mark.parametrize("autocast", [False, True])
def test_the_largest_chunk_takes_the_planned_memory(autocast: bool) -> None:
    # Memory saved for the backward pass is counted here as torch reports it, tensor by tensor.
    encoder = BiEncoder.wrap(backbone(), "mean", pad_token=0).train()
    saved: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()

    same = [np.full(20, 7, dtype=np.int32)] * 800
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        fits = max_chunk_tokens(encoder, pack(same), 33.0)  # rounds down to 32 MB
        (chunk,) = pack(same[: fits // 20])
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            embedded = encoder(chunk)
    assert embedded.requires_grad
    assert 2000 < fits < 16000
    weights = sum(weight.nbytes for weight in encoder.parameters())
    # Weights are saved too, in bf16 once more, and a filler of up to 128 tokens.
    assert sum(saved.values()) == pytest.approx(0.6 * 32e6, rel=0.05, abs=2 * weights)
