from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hybridir.encoder.packed.attention import attend, padded
from hybridir.encoder.packed.dropout import Noise, text_keys, token_keys
from hybridir.encoder.packed.packing import Packed, pack
from tests.support.encoders import texts

HEADS, WIDTH = 3, 8


Three = tuple[Tensor, Tensor, Tensor]


def tensors(tokens: int, dtype: torch.dtype = torch.float64) -> Three:
    """[1, H, T, E] queries, keys and values in the layout in which a layer hands them over."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(3, 1, tokens, HEADS, WIDTH, generator=generator, dtype=torch.float64)
    query, key, value = (one.to(dtype).transpose(1, 2).requires_grad_() for one in drawn)
    return query, key, value


def by_hand(packed: Packed, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """[T, H, E]: softmax(scale Q K^T) V of each text and head, one after the other."""
    found = []
    start = 0
    for length in packed.lengths:
        here = slice(start, start + length)
        heads = []
        for head in range(HEADS):
            q, k, v = (one[0, head, here] for one in (query, key, value))
            weights = torch.exp(q @ k.T * scale)
            heads.append(weights / weights.sum(dim=1, keepdim=True) @ v)
        found.append(torch.stack(heads, dim=1))
        start += length
    return torch.cat(found)


def attended(given: Three, packed: Packed, layer: nn.Module | None = None, **options: Any) -> Any:
    """What the layer of a transformer is answered."""
    query, key, value = given
    noise = options.pop("noise", None) or Noise()
    layer = layer or nn.Module()
    return attend(layer, query, key, value, None, packed=packed, noise=noise, **options)


def packed_texts() -> Packed:
    (packed,) = pack([*texts(12), *texts(3)])  # some of the same length
    return packed


def test_each_text_attends_to_itself_alone_forwards_and_backwards() -> None:
    packed = packed_texts()
    ours, theirs = (tensors(len(packed.tokens_T)) for _ in range(2))
    found, no_weights = attended(ours, packed, scaling=0.3)
    assert no_weights is None
    expected = by_hand(packed, *theirs, 0.3)
    torch.testing.assert_close(found[0], expected)
    towards = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).double()
    (found[0] * towards).sum().backward()
    (expected * towards).sum().backward()  # type: ignore[no-untyped-call]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad, other.grad)


def test_the_padded_form_for_gpus_is_the_same_attention() -> None:
    packed = packed_texts()
    given = tensors(len(packed.tokens_T))
    q, k, v = (one[0].transpose(0, 1) for one in given)
    found = padded(q, k, v, packed, 0.3, 0.0)
    torch.testing.assert_close(found, by_hand(packed, *given, 0.3))


def test_without_a_factor_products_are_divided_by_the_root_of_the_width() -> None:
    packed = packed_texts()
    given = tensors(len(packed.tokens_T))
    found, _ = attended(given, packed)
    torch.testing.assert_close(found[0], by_hand(packed, *given, WIDTH**-0.5))


def test_dropout_has_the_gradient_of_what_it_kept() -> None:
    # Differences of the function itself tell its derivative; the same keys drop the same.
    (packed,) = pack(texts(3, longest=5), text_keys(0, 0, np.arange(3)))
    noise = Noise()

    def dropped(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        noise.begin(packed.keys_T)
        found: Tensor = attended((query, key, value), packed, noise=noise, dropout=0.3)[0]
        return found

    given = tensors(len(packed.tokens_T))
    assert torch.autograd.gradcheck(dropped, given)
    kept, _ = attended(given, packed)
    assert (dropped(*given) - kept).abs().max() > 0.1


def test_dropout_leaves_the_mean_as_it_was() -> None:
    # Values of one are weighted to one; after dropout, to one in the mean.
    (packed,) = pack([np.arange(40, dtype=np.int32)])
    query, key, value = (one.detach() for one in tensors(40))
    ones = torch.ones_like(value)
    noise = Noise()
    means = []
    for step in range(50):
        keys = token_keys(text_keys(0, step, np.zeros(40, dtype=np.int64)), np.arange(40))
        noise.begin(keys)
        found, _ = attended((query, key, ones), packed, noise=noise, dropout=0.3)
        means.append(found.mean().item())
    assert np.mean(means) == pytest.approx(1, abs=5 * np.std(means) / np.sqrt(50))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_stays_what_it_is_and_near(dtype: torch.dtype) -> None:
    packed = packed_texts()
    given = tensors(len(packed.tokens_T), dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        found, _ = attended(given, packed)
    assert found.dtype is dtype
    expected = by_hand(packed, *tensors(len(packed.tokens_T)), WIDTH**-0.5)
    tolerance = 1e-5 if dtype is torch.float32 else 0.03
    torch.testing.assert_close(found[0].double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("asked", ["causal", "window"])
def test_attention_of_another_kind_is_refused(asked: str) -> None:
    packed = packed_texts()
    layer = nn.Module()
    layer.is_causal = asked == "causal"  # type: ignore[assignment]
    others: dict[str, Any] = {"sliding_window": 3} if asked == "window" else {}
    with pytest.raises(ValueError, match="both directions and as a whole"):
        attended(tensors(len(packed.tokens_T)), packed, layer, **others)
