from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hybridir.encoder.packed.attention import attend
from hybridir.encoder.packed.dropout import DropoutKeys, text_keys, token_keys
from hybridir.encoder.packed.packing import PackedTexts, pack
from tests.support.encoders import texts

HEADS, WIDTH = 3, 8

QueriesKeysValues = tuple[Tensor, Tensor, Tensor]


def tensors(tokens: int, dtype: torch.dtype = torch.float64) -> QueriesKeysValues:
    """[1, H, T, E] queries, keys and values in the layout in which a layer hands them over."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(3, 1, tokens, HEADS, WIDTH, generator=generator, dtype=torch.float64)
    query, key, value = (x.to(dtype).transpose(1, 2).requires_grad_() for x in drawn)
    return query, key, value


def by_hand(
    packed: PackedTexts, query: Tensor, key: Tensor, value: Tensor, scale: float
) -> Tensor:
    """[T, H, E]: softmax(scale Q K^T) V of each text and head, one after the other."""
    texts_tHE = []
    start = 0
    for length in packed.lengths:
        tokens = slice(start, start + length)
        heads = []
        for head in range(HEADS):
            q, k, v = (x[0, head, tokens] for x in (query, key, value))
            weights = torch.exp(q @ k.T * scale)
            heads.append(weights / weights.sum(dim=1, keepdim=True) @ v)
        texts_tHE.append(torch.stack(heads, dim=1))
        start += length
    return torch.cat(texts_tHE)


def attended(
    inputs: QueriesKeysValues, packed: PackedTexts, layer: nn.Module | None = None, **options: Any
) -> Any:
    """Call the attention as the layer of a transformer does."""
    query, key, value = inputs
    dropout_keys = options.pop("dropout_keys", None) or DropoutKeys()
    layer = layer or nn.Module()
    return attend(
        layer, query, key, value, None, packed=packed, dropout_keys=dropout_keys, **options
    )


def packed_texts() -> PackedTexts:
    (packed,) = pack([*texts(12), *texts(3)])  # some of the same length
    return packed


def test_each_text_attends_to_itself_alone_forwards_and_backwards() -> None:
    packed = packed_texts()
    ours, theirs = (tensors(len(packed.tokens_T)) for _ in range(2))
    outputs, no_weights = attended(ours, packed, scaling=0.3)
    assert no_weights is None
    expected = by_hand(packed, *theirs, 0.3)
    torch.testing.assert_close(outputs[0], expected)
    towards = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).double()
    (outputs[0] * towards).sum().backward()
    (expected * towards).sum().backward()  # type: ignore[no-untyped-call]
    for actual, reference in zip(ours, theirs, strict=True):
        assert actual.grad is not None
        torch.testing.assert_close(actual.grad, reference.grad)


def test_without_a_factor_products_are_divided_by_the_root_of_the_width() -> None:
    packed = packed_texts()
    inputs = tensors(len(packed.tokens_T))
    outputs, _ = attended(inputs, packed)
    torch.testing.assert_close(outputs[0], by_hand(packed, *inputs, WIDTH**-0.5))


@pytest.mark.slow
def test_the_gradient_with_dropout_is_that_of_finite_differences() -> None:
    # Equal keys drop the same weights in each call.
    (packed,) = pack(texts(3, longest=5), text_keys(0, 0, np.arange(3)))
    dropout_keys = DropoutKeys()

    def dropped(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        dropout_keys.begin(packed.keys_T)
        outputs: Tensor = attended(
            (query, key, value), packed, dropout_keys=dropout_keys, dropout=0.3
        )[0]
        return outputs

    inputs = tensors(len(packed.tokens_T))
    assert torch.autograd.gradcheck(dropped, inputs)
    without, _ = attended(inputs, packed)
    assert (dropped(*inputs) - without).abs().max() > 0.1


def test_dropout_preserves_the_mean() -> None:
    # The weights of a token add up to 1; after dropout they do so in the mean.
    (packed,) = pack([np.arange(40, dtype=np.int32)])
    query, key, value = (x.detach() for x in tensors(40))
    ones = torch.ones_like(value)
    dropout_keys = DropoutKeys()
    means = []
    for step in range(50):
        keys = token_keys(text_keys(0, step, np.zeros(40, dtype=np.int64)), np.arange(40))
        dropout_keys.begin(keys)
        outputs, _ = attended((query, key, ones), packed, dropout_keys=dropout_keys, dropout=0.3)
        means.append(outputs.mean().item())
    assert np.mean(means) == pytest.approx(1, abs=5 * np.std(means) / np.sqrt(50))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_is_kept_and_close_to_exact(dtype: torch.dtype) -> None:
    packed = packed_texts()
    inputs = tensors(len(packed.tokens_T), dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        outputs, _ = attended(inputs, packed)
    assert outputs.dtype is dtype
    expected = by_hand(packed, *tensors(len(packed.tokens_T)), WIDTH**-0.5)
    tolerance = 1e-5 if dtype is torch.float32 else 0.03
    torch.testing.assert_close(outputs[0].double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("kind", ["causal", "window"])
def test_attention_of_another_kind_is_refused(kind: str) -> None:
    packed = packed_texts()
    layer = nn.Module()
    layer.is_causal = kind == "causal"  # type: ignore[assignment]
    options: dict[str, Any] = {"sliding_window": 3} if kind == "window" else {}
    with pytest.raises(ValueError, match="both directions and as a whole"):
        attended(tensors(len(packed.tokens_T)), packed, layer, **options)
