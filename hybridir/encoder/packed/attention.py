"""Attention of packed texts, each to itself alone.

On a CPU texts of equal length are multiplied as one batch, by plain matrix products: torch's fused
kernel is slower there, the more so with bf16 and backwards. On a GPU flash attention takes texts
of any length end to end; where it does not apply, for fp32 or with dropout, queries, keys and
values alone are padded for torch's other kernels.

The functions are registered with transformers, whose models call them from their own layers
(https://huggingface.co/docs/transformers/attention_interface).

Notation: T tokens in all, H heads, E dimensions a head; n texts of l tokens in a group.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface

from hybridir.encoder.packed.dropout import Noise, drop
from hybridir.encoder.packed.packing import Packed

NAME = "packed_texts"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packed: Packed,
    noise: Noise,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """Let each token of packed texts attend to its own text, for a layer of transformers.

    Args:
        module: the layer.
        query: [1, H, T, E].
        key: [1, H, T, E].
        value: [1, H, T, E].
        attention_mask: not needed.
        packed: the texts.
        noise: of their dropout.
        scaling: factor of the products; 1 / sqrt(E) if left out.
        dropout: share of the attention that is dropped.
        others: ignored, such as positions, which rotary encoders have applied already.

    Returns:
        ([1, T, H, E], None: no attention weights).

    Raises:
        ValueError: if the layer asks for something that is not done here.
    """
    if getattr(module, "is_causal", False) or others.get("sliding_window") is not None:
        raise ValueError("packed texts are attended to in both directions and as a whole")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    queries, keys, values = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    if query.device.type == "cpu":
        given = (packed, noise.keys_T, noise.next_place(), scale, dropout)
        attended = _ByLength.apply(queries, keys, values, *given)  # type: ignore[no-untyped-call]
        return attended[None], None
    if dropout == 0 and query.dtype in (torch.bfloat16, torch.float16):
        return _flash(queries, keys, values, packed, scale)[None], None
    return padded(queries, keys, values, packed, scale, dropout)[None], None


AttentionInterface.register(NAME, attend)


class _ByLength(torch.autograd.Function):
    """softmax(scale Q K^T) V for each group of texts of equal length, and its gradient.

    Written by hand, since torch's would fill a tensor of all tokens with zeros for each group.
    """

    @staticmethod
    def forward(
        ctx: Any,
        queries_THE: Tensor,
        keys_THE: Tensor,
        values_THE: Tensor,
        packed: Packed,
        noise_T: Any,
        place: Any,
        scale: float,
        rate: float,
    ) -> Tensor:
        attended_THE = torch.empty_like(values_THE, memory_format=torch.contiguous_format)
        saved: list[Tensor] = []
        # Under autocast softmax would turn to fp32, and all that follows with it.
        with torch.autocast("cpu", enabled=False):
            for which, (texts, length) in _groups(packed):
                q, k, v = (
                    _batch(tensor[which], texts, length)
                    for tensor in (queries_THE, keys_THE, values_THE)
                )
                weights = torch.softmax(_product(q, k.transpose(1, 2), scale), dim=-1)
                kept = _kept(weights, which, texts, noise_T, place, rate)
                _unbatch(torch.bmm(kept, v), attended_THE[which], texts, length)
                saved += [q, k, v, weights]
        ctx.save_for_backward(*saved)
        ctx.how = (packed, noise_T, place, scale, rate)
        return attended_THE

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient_THE,) = gradients
        packed, noise_T, place, scale, rate = ctx.how
        found = [torch.empty_like(gradient_THE) for _ in range(3)]
        with torch.autocast("cpu", enabled=False):
            for number, (which, (texts, length)) in enumerate(_groups(packed)):
                q, k, v, weights = ctx.saved_tensors[4 * number : 4 * number + 4]
                g = _batch(gradient_THE[which], texts, length)
                kept = _kept(weights, which, texts, noise_T, place, rate)
                for_v = torch.bmm(kept.transpose(1, 2), g)
                for_weights = torch.bmm(g, v.transpose(1, 2))
                for_weights = _kept(for_weights, which, texts, noise_T, place, rate)
                for_scores = torch._softmax_backward_data(for_weights, weights, -1, weights.dtype)
                for_q = _product(for_scores, k, scale)
                for_k = _product(for_scores.transpose(1, 2), q, scale)
                for tensor, part in zip(found, (for_q, for_k, for_v), strict=True):
                    _unbatch(part, tensor[which], texts, length)
        return (*found, None, None, None, None, None)


def _groups(packed: Packed) -> list[tuple[slice, tuple[int, int]]]:
    """The tokens of each group, and its texts and their length."""
    ends = np.cumsum([texts * length for texts, length in packed.groups]).tolist()
    return [
        (slice(end - texts * length, end), (texts, length))
        for end, (texts, length) in zip(ends, packed.groups, strict=True)
    ]


def _batch(group_tHE: Tensor, texts: int, length: int) -> Tensor:
    """[n l, H, E] -> [n H, l, E], a copy: a view would keep the tokens of all groups alive."""
    _, heads, width = group_tHE.shape
    split = group_tHE.view(texts, length, heads, width).transpose(1, 2)
    copy = split.clone(memory_format=torch.contiguous_format)
    return copy.view(texts * heads, length, width)


def _unbatch(batch: Tensor, group_tHE: Tensor, texts: int, length: int) -> None:
    """Write [n H, l, E] into [n l, H, E]."""
    _, heads, width = group_tHE.shape
    split = group_tHE.view(texts, length, heads, width).transpose(1, 2)
    split.copy_(batch.view(texts, heads, length, width))


def _product(first: Tensor, second: Tensor, scale: float) -> Tensor:
    """The batched matrix product, times a factor."""
    return torch.baddbmm(first.new_empty(()), first, second, beta=0, alpha=scale)


def _kept(
    weights: Tensor, which: slice, texts: int, noise_T: Any, place: Any, rate: float
) -> Tensor:
    """[n H, l, l] attention weights, or their gradient, after dropout."""
    if rate == 0:
        return weights
    length = weights.shape[-1]
    split = weights.view(texts, -1, length, length)
    return drop(split, noise_T[which].reshape(texts, length), place, rate).view_as(weights)


def _flash(
    queries_THE: Tensor, keys_THE: Tensor, values_THE: Tensor, packed: Packed, scale: float
) -> Tensor:
    """[T, H, E] by torch's own flash attention for texts of any length; GPU and half precision."""
    from torch.nn.attention.varlen import varlen_attn

    ends = np.cumsum([0, *packed.lengths], dtype=np.int32)
    starts = torch.from_numpy(ends).to(queries_THE.device, non_blocking=True)
    longest = packed.groups[-1][1]
    attended = varlen_attn(
        queries_THE.contiguous(),
        keys_THE.contiguous(),
        values_THE.contiguous(),
        starts,
        starts,
        longest,
        longest,
        scale=scale,
    )
    assert isinstance(attended, Tensor)
    return attended


def padded(
    queries_THE: Tensor,
    keys_THE: Tensor,
    values_THE: Tensor,
    packed: Packed,
    scale: float,
    rate: float,
) -> Tensor:
    """Attention by torch's kernels for texts of one length, with all else left packed.

    Returns:
        [T, H, E].
    """
    lengths = packed.lengths
    q, k, v = (
        pad_sequence(list(torch.split(tensor, lengths)), batch_first=True).transpose(1, 2)
        for tensor in (queries_THE, keys_THE, values_THE)
    )
    sizes = torch.tensor(lengths, device=q.device)
    real_BL = torch.arange(q.shape[2], device=q.device) < sizes[:, None]
    attended_BHLE = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=real_BL[:, None, None, :], dropout_p=rate, scale=scale
    )
    return attended_BHLE.transpose(1, 2)[real_BL]
