"""Dropout that belongs to the text: text, token, site in the encoder and dimension decide it.

So it is the same however a batch is cut into chunks or shared among processes, a second forward
pass repeats it without a stored mask, and a continued training needs no random state.
Torch draws its masks one after the other, which on a CPU also takes 25 times as long
(2,355 x 768 numbers on one core: 10.3 ms against 0.42 ms).

Random numbers come from a 32-bit hash with two multiplications each: "lowbias32",
https://nullprogram.com/blog/2018/07/31/.

Shapes: B texts, T tokens end to end, H heads, W tokens of a text, D numbers of a token.
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hybridir.runtime.jit import compiled

# Spreads consecutive counters over all 32 bits: 2^32 / golden ratio.
_GOLDEN = np.uint32(0x9E3779B9)


def _lowbias32(value: Any) -> Any:
    """Hash a 32-bit integer, or an array of them."""
    value = np.uint32(value ^ (value >> np.uint32(16)))
    value = np.uint32(value * np.uint32(0x7FEB352D))
    value = np.uint32(value ^ (value >> np.uint32(15)))
    value = np.uint32(value * np.uint32(0x846CA68B))
    return np.uint32(value ^ (value >> np.uint32(16)))


_lowbias32_jit = njit(inline="always")(_lowbias32)


def text_keys(seed: int, step: int, rows_B: NDArray[np.int64]) -> NDArray[np.uint32]:
    """[B] keys of the texts of a batch.

    Args:
        seed: dropout seed of the trial.
        step: training step.
        rows_B: index of each text in the batch of all processes, questions before passages.
    """
    key = np.random.SeedSequence([seed, step]).generate_state(1)
    keys: NDArray[np.uint32] = _lowbias32(key ^ _lowbias32(rows_B.astype(np.uint32) * _GOLDEN))
    return keys


def token_keys(keys_T: NDArray[np.uint32], positions_T: NDArray[np.int64]) -> NDArray[np.uint32]:
    """[T] keys of tokens, from the keys of their texts and their positions in them."""
    positions = positions_T.astype(np.uint32)
    keys: NDArray[np.uint32] = _lowbias32(keys_T + _lowbias32(positions * _GOLDEN))
    return keys


class DropoutKeys:
    """The keys of the current forward pass, shared by all dropout sites of an encoder.

    Attributes:
        keys_T: keys of the tokens; None for torch's own dropout.
    """

    def __init__(self) -> None:
        self.begin(None)

    def begin(self, keys_T: NDArray[np.uint32] | None) -> None:
        """Start a forward pass."""
        self.keys_T = keys_T
        self._site = 0

    def next_site(self) -> np.uint32:
        """Key of the next site that drops, in the order in which the encoder reaches them."""
        self._site += 1
        (site,) = _lowbias32(np.array([self._site], dtype=np.uint32))
        return np.uint32(site)


class TextDropout(nn.Dropout):
    """Replaces an `nn.Dropout` of an encoder.

    Args:
        rate: share of the numbers that is dropped.
        dropout_keys: shared by all sites of the encoder.
    """

    def __init__(self, rate: float, dropout_keys: DropoutKeys) -> None:
        super().__init__(rate)
        self.dropout_keys = dropout_keys

    def forward(self, input: Tensor) -> Tensor:
        """Drop from token vectors.

        Args:
            input: [..., D]; the rows belong to the tokens of `DropoutKeys.keys_T`.
        """
        keys_T = self.dropout_keys.keys_T
        if not self.training or self.p == 0:
            return input
        if keys_T is None or input.numel() != len(keys_T) * input.shape[-1]:
            return functional.dropout(input, self.p)
        values = input.reshape(1, 1, len(keys_T), -1)  # one text of T tokens, one head
        site = self.dropout_keys.next_site()
        dropped: Tensor = _Drop.apply(values, keys_T[None], site, self.p)  # type: ignore[no-untyped-call]
        return dropped.view_as(input)


def replace_dropout(module: nn.Module, dropout_keys: DropoutKeys) -> None:
    """Replace every dropout layer inside a module by a `TextDropout`, in place."""
    for name, child in module.named_children():
        if type(child) in (nn.Dropout, TextDropout):
            assert isinstance(child, nn.Dropout)
            setattr(module, name, TextDropout(child.p, dropout_keys))
        else:
            replace_dropout(child, dropout_keys)


class _Drop(torch.autograd.Function):
    """`drop`; its gradient is the same function of the gradient."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, keys: NDArray[np.uint32], site: np.uint32, rate: float
    ) -> Tensor:
        ctx.arguments = (keys, site, rate)
        return drop(values, keys, site, rate)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return drop(gradients[0], *ctx.arguments), None, None, None


def drop(values_BHWD: Tensor, keys_BW: NDArray[np.uint32], site: np.uint32, rate: float) -> Tensor:
    """Set a share of numbers to zero and scale the others up, so that the mean stays.

    Args:
        values_BHWD: token vectors, or attention weights of a token; on the CPU.
        keys_BW: keys of the tokens.
        site: see `DropoutKeys.next_site`.
        rate: share of the numbers that is dropped.

    Returns:
        [B, H, W, D] new numbers.
    """
    threshold = np.uint32(rate * 2**32)
    values = values_BHWD.contiguous()
    dropped = torch.empty_like(values)
    if values.dtype in (torch.float32, torch.float64):
        array = values.numpy()
        scale = array.dtype.type(1 / (1 - rate))
        _drop(array, keys_BW, site, threshold, scale, dropped.numpy())
        return dropped
    # Numba knows no bf16, but zero has the same bits in all formats.
    bits, dropped_bits = (tensor.view(torch.int16).numpy() for tensor in (values, dropped))
    _drop(bits, keys_BW, site, threshold, np.int16(1), dropped_bits)
    return dropped.mul_(1 / (1 - rate))


@compiled
def _drop(
    values_BHWD: NDArray[Any],
    keys_BW: NDArray[np.uint32],
    site: np.uint32,
    threshold: np.uint32,
    scale: Any,
    dropped_BHWD: NDArray[Any],
) -> None:
    texts, heads, tokens, width = values_BHWD.shape
    zero = scale - scale
    for b in range(texts):
        for h in range(heads):
            for w in range(tokens):
                key = _lowbias32_jit(
                    np.uint32(keys_BW[b, w] ^ np.uint32(site + np.uint32(h) * _GOLDEN))
                )
                for d in range(width):
                    draw = _lowbias32_jit(np.uint32(key + np.uint32(d) * _GOLDEN))
                    value = values_BHWD[b, h, w, d]
                    dropped_BHWD[b, h, w, d] = value * scale if draw >= threshold else zero
