"""From the vectors of a text's tokens to one vector, as sentence-transformers pools.

Shapes: B texts, T tokens end to end, D dimensions; b texts of w tokens each.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor


def _weighted_mean(tokens_bwD: Tensor) -> Tensor:
    """Token number n, from 1, weighs n (Muennighoff 2022, SGPT, arXiv 2202.08904, equation 3)."""
    length = tokens_bwD.shape[1]
    weights_w = torch.arange(1, length + 1, device=tokens_bwD.device, dtype=tokens_bwD.dtype)
    return (tokens_bwD * weights_w[:, None]).sum(dim=1) / weights_w.sum()


_POOLINGS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda tokens_bwD: tokens_bwD.float().mean(dim=1),
    "cls": lambda tokens_bwD: tokens_bwD[:, 0].float(),
    "max": lambda tokens_bwD: tokens_bwD.float().amax(dim=1),
    "mean_sqrt_len_tokens": lambda tokens_bwD: (
        tokens_bwD.float().sum(dim=1) / tokens_bwD.shape[1] ** 0.5
    ),
    "weightedmean": lambda tokens_bwD: _weighted_mean(tokens_bwD.float()),
    "lasttoken": lambda tokens_bwD: tokens_bwD[:, -1].float(),
}


def pool(pooling: str, runs_bwD: Sequence[Tensor]) -> Tensor:
    """Pool texts without padding, run by run of texts of equal length.

    Args:
        pooling: modes, joined by ``+``; their vectors stand side by side.
        runs_bwD: vectors of the tokens of each run.

    Returns:
        [B, D times the number of modes], the texts of one run after those of the other; fp32.
    """
    pooled = [
        torch.cat([_POOLINGS[mode](run_bwD) for run_bwD in runs_bwD])
        for mode in pooling.split("+")
    ]
    return pooled[0] if len(pooled) == 1 else torch.cat(pooled, dim=1)


def pool_ragged(pooling: str, tokens_TD: Tensor, positions_T: Tensor, bounds: Tensor) -> Tensor:
    """Pool texts end to end, with a few calls for all: `pool` would make some for each length.

    Args:
        pooling: see `pool`.
        tokens_TD: vectors of the tokens.
        positions_T: position of each token in its text, from 0.
        bounds: [B + 1] int64; text b has tokens ``bounds[b]:bounds[b + 1]``.

    Returns:
        [B, D times the number of modes]; fp32.
    """
    tokens_TD = tokens_TD.float()
    length_B1 = torch.diff(bounds)[:, None]

    def reduced(how: str, values_TD: Tensor) -> Tensor:
        return torch.segment_reduce(values_TD, how, offsets=bounds, axis=0, unsafe=True)

    def by(mode: str) -> Tensor:
        if mode == "cls":
            return tokens_TD[bounds[:-1]]
        if mode == "lasttoken":
            return tokens_TD[bounds[1:] - 1]
        if mode == "mean_sqrt_len_tokens":
            return reduced("sum", tokens_TD) / length_B1.sqrt()
        if mode == "weightedmean":
            weighted_TD = tokens_TD * (positions_T + 1)[:, None]
            return reduced("sum", weighted_TD) / (length_B1 * (length_B1 + 1) / 2)
        return reduced(mode, tokens_TD)  # mean, max

    return torch.cat([by(mode) for mode in pooling.split("+")], dim=1)


def pooled_width(pooling: str, width: int) -> int:
    """Length of a pooled vector, from that of a token's vector."""
    return width * len(pooling.split("+"))
