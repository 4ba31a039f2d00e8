"""Attention of packed texts on a GPU, by torch's own kernels for texts of any length.

A kernel reads from the bounds of the texts which tokens belong together, so nothing is padded and
the program waits for nothing. In half precision it is FlashAttention-2 (Dao 2023, arXiv
2307.08691), in fp32 memory-efficient attention (Rabe and Staats 2021, arXiv 2112.05682). What
torch offers by a public name has no dropout (`torch.nn.attention.varlen`) or makes the program
wait (nested tensors), hence the operators below, which bring their gradients along.
The second kernel's gradient drops other weights than its output did where texts differ in length
(torch 2.11), so with dropout queries, keys and values are padded in fp32.

Shapes: B texts, T tokens end to end, W tokens of the longest text, H heads, E dimensions of a
head.
"""

import torch
from torch import Tensor
from torch.nn import functional

from hybridir.encoder.packed.packing import PackedTexts

# The kernels read 16 bytes at a time: 8 numbers of half precision, or 4 of fp32.
_ALIGNED = 8
_NO_MASK = 0


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
    width = queries_THE.shape[-1]
    missing = -width % _ALIGNED
    queries, keys, values = (
        functional.pad(tensor, (0, missing)) if missing else tensor.contiguous()
        for tensor in (queries_THE, keys_THE, values_THE)
    )
    bounds, longest = packed.bounds, packed.length_runs[-1][1]
    if queries.dtype == torch.float32 and rate:
        attended = _padded(queries, keys, values, packed, scale, rate)
    elif queries.dtype == torch.float32:
        attended = torch.ops.aten._efficient_attention_forward(
            *(tensor[None] for tensor in (queries, keys, values)),
            None,
            *(bounds, bounds, longest, longest, 0.0, _NO_MASK),
            compute_log_sumexp=torch.is_grad_enabled(),
            scale=scale,
        )[0][0]
    else:
        attended = torch.ops.aten._flash_attention_forward(
            *(queries, keys, values, bounds, bounds, longest, longest, rate),
            is_causal=False,
            return_debug_mask=False,
            scale=scale,
        )[0]
    assert isinstance(attended, Tensor)
    return attended[..., :width]


def _padded(
    queries_THE: Tensor,
    keys_THE: Tensor,
    values_THE: Tensor,
    packed: PackedTexts,
    scale: float,
    rate: float,
) -> Tensor:
    """[T, H, E] by a kernel for texts of one length; nothing else of an encoder is padded."""
    assert packed.bounds is not None
    texts, longest = len(packed.rows_B), packed.length_runs[-1][1]
    length_B = torch.diff(packed.bounds)
    text_T = torch.repeat_interleave(length_B, output_size=len(packed.positions_T))
    row_T = text_T * longest + packed.positions_T
    is_token_BW = torch.arange(longest, device=length_B.device) < length_B[:, None]
    queries, keys, values = (
        tensor.new_zeros(texts * longest, *tensor.shape[1:])
        .index_copy(0, row_T, tensor)
        .view(texts, longest, *tensor.shape[1:])
        .transpose(1, 2)
        for tensor in (queries_THE, keys_THE, values_THE)
    )
    attended_BHWE = functional.scaled_dot_product_attention(
        queries, keys, values, is_token_BW[:, None, None, :], rate, scale=scale
    )
    return attended_BHWE.transpose(1, 2).flatten(0, 1)[row_T]
