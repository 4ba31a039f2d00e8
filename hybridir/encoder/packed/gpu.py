"""Attention of packed texts on a GPU: texts of any length, any precision, with dropout.

What torch has computes the same more slowly (FlashAttention-2 takes 2.9 times as long on an H100
for texts as long as XQuAD-R's), has no dropout (`torch.nn.attention.varlen`), makes the program
wait (nested tensors), or drops other weights backwards than forwards where texts differ in length
(memory-efficient attention in torch 2.11).

Shapes: B texts, T tokens end to end, H heads, E dimensions of a head.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import triton
from torch import Tensor

from hybridir.encoder.packed import gpu_kernels
from hybridir.encoder.packed.packing import PackedTexts

# Tokens of the texts that a call is for, of its tiles, and groups of 32 threads of a program;
# the fastest of nine for texts as long as XQuAD-R's on an H100.
_CALLS = ((0, 32, 32, 2), (32, 2**30, 64, 4))


def attend_on_gpu(
    queries_THE: Tensor,
    keys_THE: Tensor,
    values_THE: Tensor,
    packed: PackedTexts,
    scale: float,
    rate: float,
) -> Tensor:
    """Let each token attend to its own text.

    Args:
        queries_THE: queries, on a GPU.
        keys_THE: keys.
        values_THE: values.
        packed: the texts, on the same GPU.
        scale: factor of the products.
        rate: share of the attention weights that is dropped, by torch's seed.

    Returns:
        [T, H, E].
    """
    assert packed.bounds is not None
    seed = packed.bounds[:1]
    if rate:
        seed = torch.randint(2**31 - 1, (1,), device=seed.device, dtype=seed.dtype)
    tensors = (tensor.contiguous() for tensor in (queries_THE, keys_THE, values_THE))
    attended: Tensor
    attended, _ = _attend(*tensors, packed.bounds, seed, scale, rate)
    return attended


@torch.library.custom_op("hybridir::attend", mutates_args=())
def _attend(
    q: Tensor, k: Tensor, v: Tensor, bounds: Tensor, seed: Tensor, scale: float, rate: float
) -> tuple[Tensor, Tensor]:
    attended = torch.empty_like(q)
    logs = q.new_empty(q.shape[:2], dtype=torch.float32)
    for options in _calls(q, rate):
        gpu_kernels.forward[_programs(q, bounds)](
            *(q, k, v, attended, logs, bounds, seed, q.shape[1]),
            *(scale * math.log2(math.e), _threshold(rate), 1 / (1 - rate)),
            **options,
        )
    return attended, logs


@torch.library.custom_op("hybridir::attend_backward", mutates_args=())
def _attend_backward(
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attended: Tensor,
    logs: Tensor,
    bounds: Tensor,
    seed: Tensor,
    scale: float,
    rate: float,
) -> tuple[Tensor, Tensor, Tensor]:
    grads = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    for options in _calls(q, rate):
        gpu_kernels.backward[_programs(q, bounds)](
            *(q, k, v, attended, grad.contiguous(), logs, *grads, bounds, seed, q.shape[1]),
            *(scale * math.log2(math.e), scale, _threshold(rate), 1 / (1 - rate)),
            **options,
        )
    return grads


def _calls(q: Tensor, rate: float) -> Iterator[dict[str, Any]]:
    width = q.shape[-1]
    for above, up_to, block, warps in _CALLS:
        yield {
            "E": width,
            "WIDTH": max(16, triton.next_power_of_2(width)),
            "BLOCK": block,
            "ABOVE": above,
            "UP_TO": up_to,
            "DROPS": rate > 0,
            # No TF32 in fp32.
            "PRECISION": "ieee",
            "num_warps": warps,
        }


def _programs(q: Tensor, bounds: Tensor) -> tuple[int, int]:
    return len(bounds) - 1, q.shape[1]


def _threshold(rate: float) -> int:
    return int(rate * 2**32)


@_attend.register_fake
def _fake(
    q: Tensor, k: Tensor, v: Tensor, bounds: Tensor, seed: Tensor, scale: float, rate: float
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(q), q.new_empty(q.shape[:2], dtype=torch.float32)


@_attend_backward.register_fake
def _fake_backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, *others: Tensor | float
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, bounds, seed, scale, rate = inputs
    ctx.save_for_backward(q, k, v, *output, bounds, seed)
    ctx.scale, ctx.rate = scale, rate


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    grads = _attend_backward(grad, *ctx.saved_tensors, ctx.scale, ctx.rate)
    return *grads, None, None, None, None


_attend.register_autograd(_backward, setup_context=_setup)
