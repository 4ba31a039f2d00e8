"""The order of a ranking as trec_eval has it, by numpy's vector sort.

B queries, N passages.

Higher scores come first and, at an equal score, higher ids. A score and the place of the passage
among all ids are packed into one integer, so that sorting integers sorts passages.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybridir.compiled import compiled

# The part of a key that tells the passage.
PLACE = np.uint64(0xFFFFFFFF)


class TrecOrder:
    """Makes keys that sort as trec_eval does.

    Args:
        passage_ids: N ids, all different.

    Attributes:
        by_place_N: passages by descending id.
    """

    def __init__(self, passage_ids: Sequence[str]) -> None:
        by_id = sorted(range(len(passage_ids)), key=passage_ids.__getitem__)
        self.by_place_N = np.array(by_id[::-1], dtype=np.int32)
        self._place_N = np.empty(len(by_id), dtype=np.uint64)
        self._place_N[self.by_place_N] = np.arange(len(by_id), dtype=np.uint64)

    def keys(self, scores_BN: NDArray[np.float32]) -> NDArray[np.uint64]:
        """Make the keys of some scores, none of them NaN; the smallest key ranks first.

        Returns:
            [B, N], passage by passage: sort them, or a pool of them, along the last axis.
        """
        keys_BN = np.empty(scores_BN.shape, dtype=np.uint64)
        _pack(scores_BN.view(np.uint32), self._place_N, keys_BN)
        return keys_BN

    def passages(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Tell the passages of keys."""
        found: NDArray[np.int32] = self.by_place_N[keys & PLACE]
        return found


@compiled
def _pack(
    bits_BN: NDArray[np.uint32], place_N: NDArray[np.uint64], keys_BN: NDArray[np.uint64]
) -> None:
    """Make integers that sort as descending scores, then as ascending places.

    The bits of a positive float grow with it, those of a negative one with its amount.
    """
    sign = np.uint32(0x80000000)
    for row in range(bits_BN.shape[0]):
        for passage in range(bits_BN.shape[1]):
            bits = bits_BN[row, passage]
            bits = np.uint32(0) if bits == sign else bits  # minus zero is zero
            descending = bits if bits & sign else np.uint32(~bits & ~sign)
            keys_BN[row, passage] = (np.uint64(descending) << np.uint64(32)) | place_N[passage]
