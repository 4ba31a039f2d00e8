"""Layers that a CPU computes faster than torch does: linear layers in fp32, token embeddings.

Torch leaves products of fp32 to MKL, which on processors of other makers than Intel does without
their widest instructions: on one core of an AMD EPYC with AVX-512 a product of two 2048 x 2048
matrices ran at 99 GF/s, and at 220 GF/s by oneDNN, which comes with torch as well. Both compute in
fp32. Other formats go to oneDNN anyway, and a GPU has its own.

Notation: T tokens, I and O dimensions of input and output.

The embedding of tokens keeps the memory of its gradient.
Torch makes a new matrix of zeros for the gradient of all tokens in every backward pass, and so for
every chunk of a batch: 92 MB for 30,000 tokens of 768 dimensions, 367 MB for mBERT's 119,547. On a
CPU, where the system hands out such memory page by page, a backward pass of 32 pairs in bf16 took
2.9 s with mBERT's tokens and 2.5 s without that. Here rows are added to one matrix, which is set
back to zero.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import GELUActivation


class Linear(nn.Linear):
    """Takes the place of an `nn.Linear`, with its weight and bias."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(
            linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta"
        )
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, input: Tensor) -> Tensor:
        """Multiply [..., I]: [..., O]."""
        if not _by_onednn(input):
            return super().forward(input)
        rows_TI = input.reshape(-1, self.in_features)
        rows_TO: Tensor = _Linear.apply(rows_TI, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return rows_TO.view(*input.shape[:-1], self.out_features)


class LinearThenGelu(nn.Module):
    """Takes the place of the wide half of a feed-forward layer, in BERT and its kin.

    Without gradients, on a CPU, the activation is part of the product: encoding in bf16 spends 9 %
    of its time in it otherwise.

    Args:
        dense: the layer's product; it keeps its name, so that weights are saved as before.
    """

    def __init__(self, dense: nn.Linear) -> None:
        super().__init__()
        self.dense = dense

    @staticmethod
    def fits(module: nn.Module) -> bool:
        """Whether a module is such a half, with the exact GELU."""
        children = dict(module.named_children())
        activation = children.get("intermediate_act_fn")
        exact = (isinstance(activation, nn.GELU) and activation.approximate == "none") or (
            isinstance(activation, GELUActivation) and activation.act is functional.gelu
        )
        dense = children.get("dense")
        return exact and isinstance(dense, nn.Linear) and dense.bias is not None

    def forward(self, hidden: Tensor) -> Tensor:
        """Multiply and activate [..., I]: [..., O]."""
        kind = _compute_type(hidden)
        if torch.is_grad_enabled() or not _fuses(hidden, kind):
            return functional.gelu(self.dense(hidden))
        rows_TI = hidden.reshape(-1, self.dense.in_features).to(kind)
        weight_OI, bias_O = self.dense.weight.to(kind), self.dense.bias.to(kind)
        rows_TO: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows_TI, weight_OI, bias_O, "gelu", [], "none"
        )
        return rows_TO.view(*hidden.shape[:-1], self.dense.out_features)


def _compute_type(given: Tensor) -> torch.dtype:
    if torch.is_autocast_enabled(given.device.type):
        return torch.get_autocast_dtype(given.device.type)
    return given.dtype


def _fuses(given: Tensor, kind: torch.dtype) -> bool:
    if given.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    in_bf16 = kind == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return bool(in_bf16) or kind == torch.float32


def _by_onednn(given: Tensor) -> bool:
    return (
        given.device.type == "cpu"
        and given.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class _Linear(torch.autograd.Function):
    """x W^T + b; torch's operator has no gradient of its own."""

    @staticmethod
    def forward(ctx: Any, rows_TI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows_TI, weight_OI)
        ctx.has_bias = bias_O is not None
        return _product(rows_TI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows_TI, weight_OI = ctx.saved_tensors
        (gradient_TO,) = gradients
        for_rows, for_weight, for_bias = ctx.needs_input_grad
        return (
            _product(gradient_TO, weight_OI.t()) if for_rows else None,
            _transposed_product(gradient_TO, rows_TI) if for_weight else None,
            gradient_TO.sum(0) if ctx.has_bias and for_bias else None,
        )


def _transposed_product(first_TM: Tensor, second_TN: Tensor) -> Tensor:
    """[M, N], the transposed first times the second."""
    # The operator copies its first argument into order: let that be the smaller one.
    if first_TM.shape[1] <= second_TN.shape[1]:
        return _product(first_TM.t(), second_TN.t())
    return _product(second_TN.t(), first_TM.t()).t()


def _product(first_MK: Tensor, second_NK: Tensor, added_N: Tensor | None = None) -> Tensor:
    """[M, N], the first times the transposed second; the operator that torch.compile uses."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(
        first_MK, second_NK, added_N, "none", [], ""
    )
    return result


class Lookup(nn.Embedding):
    """Takes the place of an encoder's `nn.Embedding` of tokens, with its weight."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__(
            embedding.num_embeddings,
            embedding.embedding_dim,
            padding_idx=embedding.padding_idx,
            _weight=embedding.weight.detach(),
        )
        self.weight = embedding.weight

    def forward(self, input: Tensor) -> Tensor:
        """Look up [...] token ids: [..., D]."""
        # On a GPU sums by index come in no fixed order, and memory is handed out at once.
        if self.weight.device.type != "cpu" or not self.weight.requires_grad:
            return super().forward(input)
        # Something that needs a gradient, for that of the weight goes past autograd.
        start = torch.zeros((), dtype=self.weight.dtype, requires_grad=True)
        found: Tensor = _Found.apply(start, input, self.weight)  # type: ignore[no-untyped-call]
        return found

    def clear_gradient(self) -> None:
        """Set the gradient back to zero, and keep its memory."""
        if self.weight.grad is not None:
            self.weight.grad.zero_()


class _Found(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, start: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
        ctx.tokens, ctx.weight = tokens, weight
        return functional.embedding(tokens, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        weight, rows = ctx.weight, ctx.tokens.flatten()
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, rows, gradients[0].reshape(len(rows), -1).to(weight.dtype))
        return None, None, None
