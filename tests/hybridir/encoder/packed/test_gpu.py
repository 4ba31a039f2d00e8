import numpy as np
import pytest
import torch
from torch import Tensor

from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.packed.packing import PackedTexts, pack
from hybridir.encoder.pooling import pool, pool_ragged
from tests.support.encoders import MODELS, backbone, texts

HEADS = 3
ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def by_hand(packed: PackedTexts, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """[T, H, E]: softmax(scale Q K^T) V of each text and head, one after the other."""
    attended = []
    for qs, ks, vs in zip(*(torch.split(x, packed.lengths) for x in (q, k, v)), strict=True):
        weights = torch.softmax(torch.einsum("ihe,jhe->hij", qs, ks) * scale, dim=-1)
        attended.append(torch.einsum("hij,jhe->ihe", weights, vs))
    return torch.cat(attended)


def inputs(packed: PackedTexts, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(3, len(packed.tokens_T), HEADS, width, generator=generator).to(dtype)
    q, k, v = (x.cuda().requires_grad_() for x in drawn)
    return q, k, v


def attend(tensors: tuple[Tensor, Tensor, Tensor], packed: PackedTexts, rate: float) -> Tensor:
    # Triton comes with torch for GPUs alone.
    from hybridir.encoder.packed.gpu import attend_on_gpu

    return attend_on_gpu(*tensors, packed, 0.3, rate)


def on_gpu(count: int = 12) -> PackedTexts:
    (packed,) = pack([*texts(count, longest=150), *texts(3)])  # some of the same length
    return packed.to(torch.device("cuda"))


@ON_GPU
@pytest.mark.parametrize("width", [8, 12, 64])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03), (torch.float16, 0.005)]
)
def test_a_kernel_computes_attention_by_hand_forwards_and_backwards(
    width: int, dtype: torch.dtype, tolerance: float
) -> None:
    packed = on_gpu()
    ours = inputs(packed, width, dtype)
    q, k, v = exact = [x.detach().double().requires_grad_() for x in ours]
    attended = attend(ours, packed, 0.0)
    assert attended.dtype == dtype
    expected = by_hand(packed, q, k, v, 0.3)
    torch.testing.assert_close(attended.double(), expected, atol=tolerance, rtol=tolerance)
    towards = torch.randn_like(attended)
    (attended * towards).sum().backward()  # type: ignore[no-untyped-call]
    (expected * towards.double()).sum().backward()  # type: ignore[no-untyped-call]
    for mine, reference in zip(ours, exact, strict=True):
        assert mine.grad is not None
        assert reference.grad is not None
        error = (mine.grad.double() - reference.grad).norm() / reference.grad.norm()
        assert error < 3 * tolerance


@ON_GPU
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_follows_the_seed_preserves_the_mean_and_is_the_same_backwards(
    dtype: torch.dtype,
) -> None:
    packed = on_gpu(40)
    q, k, v = inputs(packed, 64, dtype)
    ones = torch.ones_like(v).requires_grad_()

    def dropped(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return attend((q, k, ones), packed, 0.3)

    assert torch.equal(dropped(1), dropped(1))
    assert not torch.equal(dropped(1), dropped(2))
    # The weights of a token add up to 1, after dropout in the mean.
    means = [dropped(seed).double().mean().item() for seed in range(50)]
    assert np.mean(means) == pytest.approx(1, abs=0.005)
    # The output is linear in the values: output = D values, so (D' t) . values = t . output.
    torch.manual_seed(3)
    output = attend((q, k, v), packed, 0.3)
    towards = torch.randn_like(output)
    (gradient,) = torch.autograd.grad(output, v, towards)
    error = (gradient.double() * v.double()).sum() - (towards.double() * output.double()).sum()
    scale = (towards.double() * output.double()).norm()
    assert abs(error) < (1e-3 if dtype is torch.float32 else 0.5) * scale


@pytest.mark.parametrize(
    "pooling", ["mean", "cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len_tokens+cls"]
)
def test_texts_end_to_end_are_pooled_as_run_by_run(pooling: str) -> None:
    (packed,) = pack(texts(9))
    tokens = torch.randn(len(packed.tokens_T), 6, generator=torch.Generator().manual_seed(0))
    bounds = torch.from_numpy(np.cumsum([0, *packed.lengths]))
    sizes = [count * length for count, length in packed.length_runs]
    runs = [
        run.view(count, length, 6)
        for run, (count, length) in zip(
            torch.split(tokens, sizes), packed.length_runs, strict=True
        )
    ]
    ragged = pool_ragged(pooling, tokens, packed.positions_T, bounds)
    torch.testing.assert_close(ragged, pool(pooling, runs))


@ON_GPU
@pytest.mark.parametrize("family", MODELS)
def test_a_gpu_embeds_as_a_cpu_does(family: str) -> None:
    model = BiEncoder.wrap(MODELS[family](), "mean", pad_token=0).eval()
    rows = texts(20, longest=40)
    with torch.no_grad():
        expected = embed(model, pack(rows))
        vectors = embed(model.cuda(), pack(rows))
    torch.testing.assert_close(vectors.cpu(), expected, atol=1e-5, rtol=1e-4)


@ON_GPU
@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "pooler", "lasttoken"])
def test_poolings_have_the_values_and_gradients_of_a_cpu(pooling: str) -> None:
    gradients = []
    for device in ("cpu", "cuda"):
        model = BiEncoder.wrap(backbone(), pooling, pad_token=0).to(device).eval()
        vectors = embed(model, pack(texts(12)))
        (vectors * torch.arange(1.0, 13.0, device=device)[:, None]).sum().backward()  # type: ignore[no-untyped-call]
        assert model.token_embedding.weight.grad is not None
        gradients.append((vectors.detach().cpu(), model.token_embedding.weight.grad.cpu()))
    for mine, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-4, rtol=1e-3)
