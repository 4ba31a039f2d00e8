"""Linear layers whose fp32 products oneDNN computes on a CPU.

Torch leaves products of fp32 to MKL, which on processors of other makers than Intel does without
their widest instructions: on one core of an AMD EPYC with AVX-512 a product of two 2048 x 2048
matrices ran at 99 GF/s, and at 220 GF/s by oneDNN, which comes with torch as well. Both compute in
fp32. Other formats go to oneDNN anyway, and a GPU has its own.

Notation: T tokens, I and O dimensions of input and output.
"""

from typing import Any

import torch
from torch import Tensor, nn


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
    product: Tensor = torch.ops.mkldnn._linear_pointwise(
        first_MK, second_NK, added_N, "none", [], ""
    )
    return product
