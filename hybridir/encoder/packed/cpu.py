"""Everything that makes an encoder faster on a CPU, behind one switch; results are the same.

- fp32 products by oneDNN. Torch leaves them to MKL, which on processors of other makers than Intel
  does without their widest instructions: on one core of an AMD EPYC with AVX-512 a product of two
  2048 x 2048 matrices ran at 99 GF/s, and at 220 GF/s by oneDNN, which torch contains as well.
  Other formats go to oneDNN anyway.
- GELU inside the product before it, where no gradient is needed.
- Token embeddings that keep the memory of their gradient. Torch makes a matrix of zeros for all
  tokens in every backward pass, so for every chunk of a batch: 92 MB for 30,000 tokens of 768
  dimensions, 367 MB for mBERT's 119,547. A CPU gets such memory page by page: a backward pass of
  32 pairs in bf16 took 2.9 s with mBERT's tokens, and 2.5 s where rows are added to one matrix
  that is set back to zero.
- A heap that is trimmed between the passes of `hybridir.training.grad_cache`. The function itself
  is `hybridir.runtime.memory.trim_heap`: `release_memory` needs it between trials as well, and
  `runtime` imports nothing above it.

`BiEncoder.wrap(..., cpu_kernels=False)` leaves all of it out; ``HYBRIDIR_CPU_KERNELS=0`` in the
environment makes that the default. On a GPU the layers compute as torch's own do.

Shapes: T tokens end to end, I input and O output features, D dimensions of an embedding.
"""

import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.activations import GELUActivation

CPU_KERNELS = os.environ.get("HYBRIDIR_CPU_KERNELS", "1") != "0"


def use_cpu_kernels(backbone: PreTrainedModel) -> None:
    """Replace linear layers and the token embedding of an encoder, in place.

    Weights stay the same objects under the same names.
    """
    _replace_linear(backbone)
    embedding = backbone.get_input_embeddings()
    if type(embedding) is nn.Embedding:
        backbone.set_input_embeddings(TokenEmbedding(embedding))


def _replace_linear(module: nn.Module) -> None:
    for name, child in module.named_children():
        if LinearThenGelu.fits(child):
            assert isinstance(child.dense, nn.Linear)
            setattr(module, name, LinearThenGelu(OneDnnLinear(child.dense)))
        elif type(child) is nn.Linear:
            setattr(module, name, OneDnnLinear(child))
        else:
            _replace_linear(child)


class OneDnnLinear(nn.Linear):
    """Replaces an `nn.Linear`, with its weight and bias."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(
            linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta"
        )
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, input: Tensor) -> Tensor:
        """Multiply [..., I]: [..., O]."""
        if not _is_plain_fp32(input):
            return super().forward(input)
        rows_TI = input.reshape(-1, self.in_features)
        rows_TO: Tensor = _LinearFunction.apply(rows_TI, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return rows_TO.view(*input.shape[:-1], self.out_features)


class LinearThenGelu(nn.Module):
    """Replaces the wide half of a feed-forward layer, in BERT and its kin.

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
        dtype = _compute_dtype(hidden)
        if torch.is_grad_enabled() or not _can_fuse(hidden, dtype):
            return functional.gelu(self.dense(hidden))
        rows_TI = hidden.reshape(-1, self.dense.in_features).to(dtype)
        weight_OI, bias_O = self.dense.weight.to(dtype), self.dense.bias.to(dtype)
        rows_TO: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows_TI, weight_OI, bias_O, "gelu", [], "none"
        )
        return rows_TO.view(*hidden.shape[:-1], self.dense.out_features)


def _compute_dtype(tensor: Tensor) -> torch.dtype:
    if torch.is_autocast_enabled(tensor.device.type):
        return torch.get_autocast_dtype(tensor.device.type)
    return tensor.dtype


def _can_fuse(tensor: Tensor, dtype: torch.dtype) -> bool:
    if tensor.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    in_bf16 = dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return bool(in_bf16) or dtype == torch.float32


def _is_plain_fp32(tensor: Tensor) -> bool:
    return (
        tensor.device.type == "cpu"
        and tensor.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class _LinearFunction(torch.autograd.Function):
    """x W^T + b; the operator has no gradient of its own."""

    @staticmethod
    def forward(ctx: Any, rows_TI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows_TI, weight_OI)
        ctx.has_bias = bias_O is not None
        return _linear(rows_TI, weight_OI, bias_O)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows_TI, weight_OI = ctx.saved_tensors
        (gradient_TO,) = gradients
        needs_rows, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            _linear(gradient_TO, weight_OI.t()) if needs_rows else None,
            _weight_gradient(gradient_TO, rows_TI) if needs_weight else None,
            gradient_TO.sum(0) if ctx.has_bias and needs_bias else None,
        )


def _weight_gradient(gradient_TO: Tensor, rows_TI: Tensor) -> Tensor:
    """[O, I], the transposed gradient times the rows."""
    # The operator copies its first argument into order: let that be the smaller one.
    if gradient_TO.shape[1] <= rows_TI.shape[1]:
        return _linear(gradient_TO.t(), rows_TI.t())
    return _linear(rows_TI.t(), gradient_TO.t()).t()


def _linear(rows_TI: Tensor, weight_OI: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """[T, O], rows times the transposed weight; the operator that torch.compile uses."""
    rows_TO: Tensor = torch.ops.mkldnn._linear_pointwise(
        rows_TI, weight_OI, bias_O, "none", [], ""
    )
    return rows_TO


class TokenEmbedding(nn.Embedding):
    """Replaces an encoder's `nn.Embedding` of tokens, with its weight."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__(
            embedding.num_embeddings,
            embedding.embedding_dim,
            padding_idx=embedding.padding_idx,
            _weight=embedding.weight.detach(),
        )
        self.weight = embedding.weight

    def forward(self, input: Tensor) -> Tensor:
        """Embed [...] token ids: [..., D]."""
        # On a GPU sums by index come in no fixed order, and memory is handed out at once.
        if self.weight.device.type != "cpu" or not self.weight.requires_grad:
            return super().forward(input)
        # The weight's gradient bypasses autograd, which needs another input to call backward for.
        trigger = torch.zeros((), dtype=self.weight.dtype, requires_grad=True)
        vectors: Tensor = _EmbeddingFunction.apply(trigger, input, self.weight)  # type: ignore[no-untyped-call]
        return vectors

    def clear_gradient(self) -> None:
        """Set the gradient back to zero, and keep its memory."""
        if self.weight.grad is not None:
            self.weight.grad.zero_()


class _EmbeddingFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, trigger: Tensor, tokens: Tensor, weight: Tensor) -> Tensor:
        ctx.tokens, ctx.weight = tokens, weight
        return functional.embedding(tokens, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        weight, rows = ctx.weight, ctx.tokens.flatten()
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, rows, gradients[0].reshape(len(rows), -1).to(weight.dtype))
        return None, None, None
