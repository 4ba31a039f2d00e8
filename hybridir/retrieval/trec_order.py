"""trec_eval's order of passages as integers: by score, and at an equal score by id, descending.

B queries, N passages.

A score and the position of a passage's id are packed into a key of 64 bits, so that sorting
integers sorts passages, ties included.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybridir.runtime.jit import compiled

_SIGN = 0x80000000


def ascending_ids(passage_ids: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sort ids by the bytes of UTF-8, as Python compares them.

    Returns:
        [N] each passage's position among the ids, ascending, and [N] the passage at each position.
    """
    by_id = sorted(range(len(passage_ids)), key=passage_ids.__getitem__)
    by_id_N = np.array(by_id, dtype=np.int32)
    id_order_N = np.empty_like(by_id_N)
    id_order_N[by_id_N] = np.arange(len(by_id_N), dtype=np.int32)
    return id_order_N, by_id_N


def pack_keys(
    scores_BN: NDArray[np.float32], position_N: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Make integers that sort as descending scores, then as ascending positions.

    Args:
        scores_BN: scores, none of them NaN.
        position_N: of each passage's id, from 0 for the highest id; less than 2^32.

    Returns:
        [B, N] uint64.
    """
    keys_BN = np.empty(scores_BN.shape, dtype=np.uint64)
    _pack_keys(scores_BN.view(np.uint32), position_N, keys_BN)
    return keys_BN


def unpack_keys(keys: NDArray[np.uint64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores and positions of packed passages; minus zero comes back as zero."""
    descending = (keys >> np.uint64(32)).astype(np.uint32)
    negative = descending >= _SIGN
    bits = np.where(negative, descending, ~descending & np.uint32(_SIGN - 1))
    return bits.view(np.float32), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


@compiled
def _pack_keys(
    bits_BN: NDArray[np.uint32], position_N: NDArray[np.uint64], keys_BN: NDArray[np.uint64]
) -> None:
    """Pack; the bits of a positive float grow with it, those of a negative one shrink."""
    sign = np.uint32(0x80000000)
    for row in range(bits_BN.shape[0]):
        for passage in range(bits_BN.shape[1]):
            bits = bits_BN[row, passage]
            bits = np.uint32(0) if bits == sign else bits  # minus zero is zero
            descending = bits if bits & sign else np.uint32(~bits & ~sign)
            keys_BN[row, passage] = (np.uint64(descending) << np.uint64(32)) | position_N[passage]
