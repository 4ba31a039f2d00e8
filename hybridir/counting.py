"""Compiled counting of the candidates that rank above each relevant passage.

B queries of a block, N candidates, L languages, R relevant occurrences, Q queries in all.
"""

import numpy as np
from numpy.typing import NDArray

from hybridir.compiled import compiled


@compiled
def count_higher(
    scores_BN: NDArray[np.float32],
    maxima_BL: NDArray[np.float32],
    queries_B: NDArray[np.int64],
    pools: NDArray[np.int64],
    relevant_offsets: NDArray[np.int64],
    relevant: NDArray[np.int64],
    id_order_N: NDArray[np.int32],
    by_id_N: NDArray[np.int32],
    higher_RL: NDArray[np.int32],
    top1_QL: NDArray[np.int32],
) -> None:
    """Count, for one block of queries, what ranks above each relevant passage.

    A candidate ranks above another with a higher score or, at an equal score, with the higher id.
    The counting loop compares one contiguous pool with one threshold and adds up in 32 bits, so
    that it is compiled to vector instructions; ids are looked at only where a tie exists.

    Args:
        scores_BN: scores, none of them NaN.
        maxima_BL: largest score of each row in each pool.
        queries_B: numbers of the block's queries.
        pools: [L + 1] boundaries of the languages' pools.
        relevant_offsets: [Q + 1] boundaries of the queries' relevant passages.
        relevant: [R] passage indices.
        id_order_N: position of each passage's id among all ids, in ascending order.
        by_id_N: inverse of `id_order_N`.
        higher_RL: written to: candidates of each pool that rank above the relevant passage.
        top1_QL: written to: the passage of each pool that ranks first; -1 in an empty pool.
    """
    for row in range(scores_BN.shape[0]):
        query = queries_B[row]
        for language in range(pools.shape[0] - 1):
            start, stop = pools[language], pools[language + 1]
            pool = scores_BN[row, start:stop]
            order = id_order_N[start:stop]
            maximum = maxima_BL[row, language]
            highest_id = np.int32(-1)
            for index in range(pool.shape[0]):
                candidate = order[index] if pool[index] == maximum else np.int32(-1)
                highest_id = np.int32(max(highest_id, candidate))
            top1_QL[query, language] = by_id_N[highest_id] if start < stop else -1
            for occurrence in range(relevant_offsets[query], relevant_offsets[query + 1]):
                passage = relevant[occurrence]
                threshold = scores_BN[row, passage]
                above = np.int32(0)
                equal = np.int32(0)
                # int32 sums are int64 to numba; the casts keep the accumulators narrow.
                for index in range(pool.shape[0]):
                    above = np.int32(above + np.int32(pool[index] > threshold))
                    equal = np.int32(equal + np.int32(pool[index] == threshold))
                if equal > np.int32(start <= passage < stop):
                    own = id_order_N[passage]
                    for index in range(pool.shape[0]):
                        wins = pool[index] == threshold and order[index] > own
                        above = np.int32(above + np.int32(wins))
                higher_RL[occurrence, language] = above
