"""Texts end to end, without padding, sorted by length.

Two thirds of a padded batch is padding, since passages differ much in length.
Everything in a transformer but attention looks at one token at a time and needs no padding.
Attention needs none either (`hybridir.encoder.packed.attention`).

Shapes: B texts, T tokens end to end, b texts of a bucket, w tokens of its longest text.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hybridir.encoder.packed.dropout import token_keys

# An encoder that cannot pack gets texts padded in buckets: those whose lengths round up to the
# same multiple. Measured with a 6 x 384 encoder in bf16, 32 pairs of random lengths around 18 and
# 56 tokens, on one core: 1.5 s a step at 16, 1.6 s at 32, 3.3 s padded to the longest.
BUCKET = 16
# On a CPU `PackedTexts.with_filler` rounds T up to a multiple of this, or of an eighth of T if T
# is small, on a GPU to a multiple of a 32nd of T. No filler text is longer than this.
_FILLER = 128


@dataclass(frozen=True)
class PackedTexts:
    """B texts end to end, shortest first.

    Attributes:
        rows_B: index of each text among those passed to `pack`.
        tokens_T: token ids.
        positions_T: position of each token in its text, from 0.
        length_runs: (number of texts, their length), shortest first; the products add up to T.
        keys_B: decides the dropout of each text; None where dropout has no keys.
        keys_T: decides the dropout of each token; None likewise.
        bounds: [B + 1] int32, more with fillers; text b has tokens ``bounds[b]:bounds[b + 1]``.
            On a GPU alone, where attention reads it in every layer.
    """

    rows_B: Tensor
    tokens_T: Tensor
    positions_T: Tensor
    length_runs: tuple[tuple[int, int], ...]
    keys_B: NDArray[np.uint32] | None
    keys_T: NDArray[np.uint32] | None
    bounds: Tensor | None = None

    def to(self, device: torch.device) -> "PackedTexts":
        """The same texts on another device; a copy to a GPU is not waited for."""
        if device.type == "cpu":
            return self
        bounds = torch.from_numpy(np.cumsum([0, *self.lengths], dtype=np.int32))
        return replace(
            self,
            bounds=to_device(bounds, device),
            rows_B=to_device(self.rows_B, device),
            tokens_T=to_device(self.tokens_T, device),
            positions_T=to_device(self.positions_T, device),
        )

    @property
    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return [length for texts, length in self.length_runs for _ in range(texts)]

    def with_filler(self) -> "PackedTexts":
        """The same texts, followed by filler texts that have no row and round T up.

        oneDNN compiles a product for each T and keeps it, at half a millisecond and a megabyte
        each. Rounding T keeps the number of compiled products small: a training in chunks of ever
        other sizes took 963 MB without it and 378 MB with it.
        cuBLAS chooses a kernel for each T and remembers its choice: without rounding the choices
        took 38 of the 55 ms of a step of 64 pairs by an H100.
        """
        tokens = len(self.tokens_T)
        power = 2 ** (tokens.bit_length() - 1)
        if self.tokens_T.device.type == "cpu":
            filler = -tokens % min(_FILLER, max(1, power // 8))
        else:
            filler = -tokens % max(1, power // 32)
        if not filler:
            return self
        keys = None if self.keys_T is None else np.pad(self.keys_T, (0, filler))
        runs = ((filler // _FILLER, _FILLER), (1, filler % _FILLER))
        bounds = self.bounds
        if bounds is not None:
            texts = torch.arange(1, math.ceil(filler / _FILLER) + 1, device=bounds.device)
            ends = (tokens + _FILLER * texts).clamp(max=tokens + filler)
            bounds = torch.cat([bounds, ends.to(bounds.dtype)])
        return replace(
            self,
            tokens_T=torch.cat([self.tokens_T, self.tokens_T[:1].expand(filler)]),
            positions_T=torch.cat([self.positions_T, self.positions_T.new_zeros(filler)]),
            length_runs=(*self.length_runs, *(run for run in runs if all(run))),
            keys_T=keys,
            bounds=bounds,
        )

    def buckets(self, pad_token: int, multiple: int) -> Iterator[tuple[Tensor, list[int]]]:
        """The texts padded, in buckets of similar length.

        Args:
            pad_token: id that fills shorter texts.
            multiple: lengths of a bucket round up to the same multiple of it; 1 pads nothing.

        Yields:
            ([b, w] token ids, b lengths); the order of the texts stays.
        """
        lengths = self.lengths
        texts = torch.split(self.tokens_T, lengths)
        start = 0
        for end in range(1, len(texts) + 1):
            bucket = math.ceil(lengths[start] / multiple)
            if end == len(texts) or math.ceil(lengths[end] / multiple) > bucket:
                tokens_bw = torch.nn.utils.rnn.pad_sequence(
                    list(texts[start:end]), batch_first=True, padding_value=pad_token
                )
                yield tokens_bw, lengths[start:end]
                start = end


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on another device; a copy to a GPU is not waited for."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def pack(
    texts: Sequence[NDArray[np.int32]],
    keys_B: NDArray[np.uint32] | None = None,
    *,
    chunk_tokens: int | None = None,
) -> list[PackedTexts]:
    """Pack texts, shortest first.

    Args:
        texts: B arrays of token ids, special tokens included.
        keys_B: see `hybridir.encoder.packed.dropout.text_keys`; without keys each forward pass
            draws its own dropout.
        chunk_tokens: see `split_into_chunks`.

    Returns:
        One packing per chunk.
    """
    lengths_B = np.array([len(text) for text in texts], dtype=np.int64)
    chunks = split_into_chunks(lengths_B, chunk_tokens)
    return [_pack_rows(texts, rows_b, keys_B) for rows_b in chunks]


def split_into_chunks(
    lengths_B: NDArray[np.int64], chunk_tokens: int | None
) -> list[NDArray[np.int64]]:
    """Split texts into chunks of about the same number of tokens, shortest first.

    Args:
        lengths_B: tokens of each text.
        chunk_tokens: most tokens of a chunk, unless a single text has more; None puts all texts
            into one chunk.

    Returns:
        The indices of each chunk's texts.
    """
    order = np.argsort(lengths_B, kind="stable")
    ends = np.cumsum(lengths_B[order])
    limit = max(1, lengths_B.sum()) if chunk_tokens is None else chunk_tokens
    chunks: list[NDArray[np.int64]] = []
    start = done = 0
    while start < len(order):
        # The rest is shared equally among as few chunks as can take it.
        share = math.ceil((ends[-1] - done) / math.ceil((ends[-1] - done) / limit))
        end = max(start + 1, int(np.searchsorted(ends, done + share, side="right")))
        chunks.append(order[start:end])
        start, done = end, int(ends[end - 1])
    return chunks


def inverse_permutation(packings: Sequence[PackedTexts]) -> Tensor:
    """[B] which row of all packings, one after the other, holds each text passed to `pack`."""
    return torch.argsort(torch.cat([packed.rows_B for packed in packings]))


def _pack_rows(
    texts: Sequence[NDArray[np.int32]],
    rows_b: NDArray[np.int64],
    keys_B: NDArray[np.uint32] | None,
) -> PackedTexts:
    chosen = [texts[row] for row in rows_b]
    lengths, counts = np.unique([len(text) for text in chosen], return_counts=True)
    positions = [
        np.tile(np.arange(length), count) for length, count in zip(lengths, counts, strict=True)
    ]
    positions_T = np.concatenate(positions)
    keys_b = None if keys_B is None else keys_B[rows_b]
    repeated_T = None if keys_b is None else np.repeat(keys_b, [len(text) for text in chosen])
    return PackedTexts(
        rows_B=torch.from_numpy(rows_b),
        tokens_T=torch.from_numpy(np.concatenate(chosen).astype(np.int64)),
        positions_T=torch.from_numpy(positions_T),
        length_runs=tuple(zip(counts.tolist(), lengths.tolist(), strict=True)),
        keys_B=keys_b,
        keys_T=None if repeated_T is None else token_keys(repeated_T, positions_T),
    )
