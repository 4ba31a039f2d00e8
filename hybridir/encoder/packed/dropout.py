"""Dropout that belongs to the text: what is dropped depends on text, token, place and dimension.

So it is the same however a batch is cut into chunks or shared among processes, a second forward
pass repeats it without a stored mask, and a training that goes on needs no random state. Torch
draws its masks one after the other, which on a CPU also takes 25 times as long (2,355 x 768
numbers on one core: 10.3 ms against .42 ms).

The numbers come from a hash of 32 bits, two multiplications each: "lowbias32",
https://nullprogram.com/blog/2018/07/31/.
"""

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from hybridir.runtime.jit import compiled

# Steps of a counter between rows, so that neighbours have little in common: 2^32 / golden ratio.
_STEP = np.uint32(0x9E3779B9)


def _mixed(value: Any) -> Any:
    """A 32-bit integer, or an array of them, with all bits spread over all."""
    value = np.uint32(value ^ (value >> np.uint32(16)))
    value = np.uint32(value * np.uint32(0x7FEB352D))
    value = np.uint32(value ^ (value >> np.uint32(15)))
    value = np.uint32(value * np.uint32(0x846CA68B))
    return np.uint32(value ^ (value >> np.uint32(16)))


_mix = njit(inline="always")(_mixed)


def text_keys(seed: int, step: int, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Keys of the texts of a batch.

    Args:
        seed: of the trial's dropout.
        step: of the training.
        rows: [B] numbers of the texts in the batch of all processes, questions and passages apart.
    """
    key = np.random.SeedSequence([seed, step]).generate_state(1)
    keys: NDArray[np.uint32] = _mixed(key ^ _mixed(rows.astype(np.uint32) * _STEP))
    return keys


def token_keys(keys_T: NDArray[np.uint32], positions_T: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Keys of tokens, from those of their texts and their positions there."""
    keys: NDArray[np.uint32] = _mixed(keys_T + _mixed(positions_T.astype(np.uint32) * _STEP))
    return keys


class Noise:
    """What dropout is to know of the texts that an encoder works on at the moment.

    Attributes:
        keys_T: keys of the tokens; None while torch's own dropout is to be used.
    """

    def __init__(self) -> None:
        self.begin(None)

    def begin(self, keys_T: NDArray[np.uint32] | None) -> None:
        """Start a forward pass."""
        self.keys_T = keys_T
        self._place = 0

    def next_place(self) -> np.uint32:
        """Number of the next place where the encoder drops, in the order that it comes to them."""
        self._place += 1
        (place,) = _mixed(np.array([self._place], dtype=np.uint32))
        return np.uint32(place)


class TextDropout(nn.Dropout):
    """Takes the place of an `nn.Dropout` between an encoder's layers.

    Args:
        rate: share that is dropped.
        noise: shared by all of the encoder's.
    """

    def __init__(self, rate: float, noise: Noise) -> None:
        super().__init__(rate)
        self.noise = noise

    def forward(self, input: Tensor) -> Tensor:
        """Drop from token vectors.

        Args:
            input: [..., D], the rows belong to the tokens of `Noise.keys_T`.
        """
        keys_T = self.noise.keys_T
        if not self.training or self.p == 0:
            return input
        if keys_T is None or input.numel() != len(keys_T) * input.shape[-1]:
            return functional.dropout(input, self.p)
        rows_TD = input.reshape(1, 1, len(keys_T), -1)
        how = (keys_T[None], self.noise.next_place(), self.p)
        dropped: Tensor = _Dropped.apply(rows_TD, *how)  # type: ignore[no-untyped-call]
        return dropped.view_as(input)


class _Dropped(torch.autograd.Function):
    """`drop` with a gradient, which is the same function of the gradient."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, keys: NDArray[np.uint32], place: np.uint32, rate: float
    ) -> Tensor:
        ctx.how = (keys, place, rate)
        return drop(values, keys, place, rate)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return drop(gradients[0], *ctx.how), None, None, None


def drop(
    values_NHLC: Tensor, keys_NL: NDArray[np.uint32], place: np.uint32, rate: float
) -> Tensor:
    """Set a share of numbers to zero and scale the others up, so that the mean stays.

    Args:
        values_NHLC: N texts, H heads, L tokens, C numbers each; on the CPU.
        keys_NL: keys of the tokens.
        place: where in the encoder this is.
        rate: share that is dropped.

    Returns:
        [N, H, L, C] new numbers.
    """
    threshold = np.uint32(rate * 2**32)
    values = values_NHLC.contiguous()
    kept = torch.empty_like(values)
    if values.dtype in (torch.float32, torch.float64):
        given = values.numpy()
        _drop(given, keys_NL, place, threshold, given.dtype.type(1 / (1 - rate)), kept.numpy())
        return kept
    # Numba knows no bf16, but zero has the same bits in all formats.
    bits = (tensor.view(torch.int16).numpy() for tensor in (values, kept))
    _drop(next(bits), keys_NL, place, threshold, np.int16(1), next(bits))
    return kept.mul_(1 / (1 - rate))


@compiled
def _drop(
    values_NHLC: NDArray[Any],
    keys_NL: NDArray[np.uint32],
    place: np.uint32,
    threshold: np.uint32,
    scale: Any,
    kept_NHLC: NDArray[Any],
) -> None:
    texts, heads, tokens, width = values_NHLC.shape
    zero = scale - scale
    for n in range(texts):
        for h in range(heads):
            for i in range(tokens):
                key = _mix(np.uint32(keys_NL[n, i] ^ np.uint32(place + np.uint32(h) * _STEP)))
                for c in range(width):
                    drawn = _mix(np.uint32(key + np.uint32(c) * _STEP))
                    value = values_NHLC[n, h, i, c]
                    kept_NHLC[n, h, i, c] = value * scale if drawn >= threshold else zero
