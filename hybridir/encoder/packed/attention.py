"""Attention of packed texts, each to itself alone.

On a CPU texts of equal length are multiplied as one batch, by plain matrix products: torch's fused
kernel is slower there, the more so in bf16 and in the backward pass.
On a GPU kernels of our own take texts of any length end to end (`hybridir.encoder.packed.gpu`).

The functions are registered with transformers, whose models call them from their own layers
(https://huggingface.co/docs/transformers/attention_interface).

Shapes: T tokens end to end, H heads, E dimensions of a head; b texts of w tokens each have the
same length, t tokens in all.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AttentionInterface

from hybridir.encoder.packed.dropout import DropoutKeys, drop
from hybridir.encoder.packed.packing import PackedTexts

NAME = "packed_texts"


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packed: PackedTexts,
    dropout_keys: DropoutKeys,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Tensor, None]:
    """Let each token of packed texts attend to its own text, for a layer of transformers.

    Args:
        module: the layer.
        query: [1, H, T, E].
        key: [1, H, T, E].
        value: [1, H, T, E].
        attention_mask: must be left out.
        packed: the texts.
        dropout_keys: of the encoder.
        scaling: factor of the products; 1 / sqrt(E) if left out.
        dropout: share of the attention weights that is dropped.
        options: ignored, such as positions, which rotary encoders have applied already, but for
            those that change the weights of the attention.

    Returns:
        ([1, T, H, E], None: no attention weights).

    Raises:
        ValueError: if the layer asks for causal or windowed attention, or adds to its weights.
    """
    if getattr(module, "is_causal", False) or options.get("sliding_window") is not None:
        raise ValueError("packed texts are attended to in both directions and as a whole")
    if attention_mask is not None or options.get("position_bias") is not None:
        raise ValueError("its attention has a mask or a bias of its own")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # `tensor[0]` would copy the gradient into a tensor of zeros.
    queries, keys, values = (x.squeeze(0).transpose(0, 1) for x in (query, key, value))
    if query.device.type == "cpu":
        call = _Call(packed, dropout_keys.keys_T, dropout_keys.next_site(), scale, dropout)
        attended = _EqualLengths.apply(queries, keys, values, call)  # type: ignore[no-untyped-call]
        return attended[None], None
    # Triton comes with torch for GPUs alone.
    from hybridir.encoder.packed.gpu import attend_on_gpu

    return attend_on_gpu(queries, keys, values, packed, scale, dropout)[None], None


AttentionInterface.register(NAME, attend)


class _Call(NamedTuple):
    """Everything but tensors that one call of the attention needs."""

    packed: PackedTexts
    keys_T: NDArray[np.uint32] | None
    site: np.uint32
    scale: float
    rate: float

    def runs(self) -> Iterator[tuple[slice, int, int]]:
        """(tokens, b, w) of each run of texts of equal length."""
        start = 0
        for texts, length in self.packed.length_runs:
            yield slice(start, start + texts * length), texts, length
            start += texts * length

    def drop(self, weights: Tensor, tokens: slice, texts: int) -> Tensor:
        """[b H, w, w] attention weights, or their gradient, after dropout."""
        if self.rate == 0:
            return weights
        assert self.keys_T is not None
        length = weights.shape[-1]
        weights_bHww = weights.view(texts, -1, length, length)
        keys_bw = self.keys_T[tokens].reshape(texts, length)
        return drop(weights_bHww, keys_bw, self.site, self.rate).view_as(weights)


class _EqualLengths(torch.autograd.Function):
    """softmax(scale Q K^T) V for each run of texts of equal length, and its gradient.

    Written by hand, since torch's own gradient would fill a tensor of all tokens with zeros for
    each run.
    """

    @staticmethod
    def forward(
        ctx: Any, queries_THE: Tensor, keys_THE: Tensor, values_THE: Tensor, call: _Call
    ) -> Tensor:
        attended_THE = torch.empty_like(values_THE, memory_format=torch.contiguous_format)
        saved: list[Tensor] = []
        # Under autocast softmax, and all that follows, would turn to fp32.
        with torch.autocast("cpu", enabled=False):
            for tokens, texts, length in call.runs():
                q, k, v = (
                    _batch(tensor[tokens], texts, length)
                    for tensor in (queries_THE, keys_THE, values_THE)
                )
                weights = torch.softmax(_scaled_bmm(q, k.transpose(1, 2), call.scale), dim=-1)
                dropped = call.drop(weights, tokens, texts)
                _unbatch(torch.bmm(dropped, v), attended_THE[tokens], texts, length)
                saved += [q, k, v, weights]
        ctx.save_for_backward(*saved)
        ctx.call = call
        return attended_THE

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient_THE,) = gradients
        call: _Call = ctx.call
        grad_queries, grad_keys, grad_values = (torch.empty_like(gradient_THE) for _ in range(3))
        with torch.autocast("cpu", enabled=False):
            for number, (tokens, texts, length) in enumerate(call.runs()):
                q, k, v, weights = ctx.saved_tensors[4 * number : 4 * number + 4]
                grad = _batch(gradient_THE[tokens], texts, length)
                dropped = call.drop(weights, tokens, texts)
                grad_v = torch.bmm(dropped.transpose(1, 2), grad)
                grad_weights = torch.bmm(grad, v.transpose(1, 2))
                grad_weights = call.drop(grad_weights, tokens, texts)
                grad_scores = torch._softmax_backward_data(
                    grad_weights, weights, -1, weights.dtype
                )
                grad_q = _scaled_bmm(grad_scores, k, call.scale)
                grad_k = _scaled_bmm(grad_scores.transpose(1, 2), q, call.scale)
                _unbatch(grad_q, grad_queries[tokens], texts, length)
                _unbatch(grad_k, grad_keys[tokens], texts, length)
                _unbatch(grad_v, grad_values[tokens], texts, length)
        return grad_queries, grad_keys, grad_values, None


def _batch(rows_tHE: Tensor, texts: int, length: int) -> Tensor:
    """[t, H, E] -> [b H, w, E], a copy: a view would keep the tokens of all runs alive."""
    _, heads, width = rows_tHE.shape
    view_bHwE = rows_tHE.view(texts, length, heads, width).transpose(1, 2)
    copy = view_bHwE.clone(memory_format=torch.contiguous_format)
    return copy.view(texts * heads, length, width)


def _unbatch(batch: Tensor, rows_tHE: Tensor, texts: int, length: int) -> None:
    """Write [b H, w, E] into [t, H, E]."""
    _, heads, width = rows_tHE.shape
    view_bHwE = rows_tHE.view(texts, length, heads, width).transpose(1, 2)
    view_bHwE.copy_(batch.view(texts, heads, length, width))


def _scaled_bmm(first: Tensor, second: Tensor, scale: float) -> Tensor:
    """The batched matrix product, times a factor."""
    return torch.baddbmm(first.new_empty(()), first, second, beta=0, alpha=scale)
