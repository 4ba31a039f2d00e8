"""Compiled counting of the candidates that rank above each relevant passage.

Q queries, B queries of a block, N candidates, P candidates of a block, L languages, R relevant
occurrences.
The kernels take plain arrays, since numba compiles no dataclass.
"""

import numpy as np
from numpy.typing import NDArray

from hybridir.runtime.jit import compiled


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
    """Count, for one block of queries, the candidates that rank above each relevant passage.

    A candidate ranks above another with a higher score or, at an equal score, with the higher id.
    The counting loop compares one contiguous pool with one threshold and adds up in 32 bits, so
    that it compiles to vector instructions; ids matter only where scores tie.

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


@compiled
def find_best_irrelevant(
    scores_BP: NDArray[np.float32],
    queries_B: NDArray[np.int64],
    first_passage: int,
    bounds: tuple[int, int],
    relevant_offsets: NDArray[np.int64],
    relevant: NDArray[np.int64],
    id_order_N: NDArray[np.int32],
    best_Q: NDArray[np.float32],
    best_id_Q: NDArray[np.int32],
) -> None:
    """Update each query's first passage among those of one pool that are not relevant to it.

    Few candidates pass the best one so far, and only these are looked up among the relevant ones.

    Args:
        scores_BP: scores of a block of queries and consecutive passages, none of them NaN.
        queries_B: numbers of the rows' queries; rows below 0 are left out.
        first_passage: index of the first column's passage.
        bounds: the pool's share of the columns, from and to.
        relevant_offsets: [Q + 1] boundaries of the queries' relevant passages.
        relevant: [R] passage indices.
        id_order_N: position of each passage's id among all ids, in ascending order.
        best_Q: updated: largest score so far, minus infinity before the first block.
        best_id_Q: updated: position of the id of the passage with that score; -1 before the first
            block.
    """
    for row in range(scores_BP.shape[0]):
        query = queries_B[row]
        if query < 0:
            continue
        best, best_id = best_Q[query], best_id_Q[query]
        for column in range(bounds[0], bounds[1]):
            score = scores_BP[row, column]
            if score < best:
                continue
            order = id_order_N[first_passage + column]
            if score == best and order < best_id:
                continue
            is_relevant = False
            for occurrence in range(relevant_offsets[query], relevant_offsets[query + 1]):
                is_relevant = is_relevant or relevant[occurrence] == first_passage + column
            if not is_relevant:
                best, best_id = score, order
        best_Q[query], best_id_Q[query] = best, best_id


@compiled
def count_higher_in_block(
    scores_BP: NDArray[np.float32],
    maxima_BL: NDArray[np.float32],
    first_query: int,
    first_passage: int,
    bounds: NDArray[np.int64],
    relevant_offsets: NDArray[np.int64],
    relevant: NDArray[np.int64],
    thresholds_R: NDArray[np.float32],
    id_order_N: NDArray[np.int32],
    higher_RL: NDArray[np.int32],
    best_QL: NDArray[np.float32],
    best_id_QL: NDArray[np.int32],
) -> bool:
    """Add the counts of one block of queries and one block of candidates.

    Args:
        scores_BP: scores of consecutive queries and consecutive passages, none of them NaN.
        maxima_BL: largest score of each row in each pool's share of the block.
        first_query: number of the first row's query.
        first_passage: index of the first column's passage.
        bounds: [L + 1] boundaries of the pools among the columns.
        relevant_offsets: [Q + 1] boundaries of the queries' relevant passages.
        relevant: [R] passage indices.
        thresholds_R: scores of the relevant passages.
        id_order_N: position of each passage's id among all ids, in ascending order.
        higher_RL: added to: candidates of each pool that rank above the relevant passage.
        best_QL: updated: largest score of each pool so far, minus infinity before the first block.
        best_id_QL: updated: position of the id of the passage with that score; -1 before the first
            block.

    Returns:
        Whether the block's scores of relevant passages equal `thresholds_R`.
    """
    scores_agree = True
    for row in range(scores_BP.shape[0]):
        query = first_query + row
        for language in range(bounds.shape[0] - 1):
            start, stop = bounds[language], bounds[language + 1]
            if start == stop:
                continue
            pool = scores_BP[row, start:stop]
            order = id_order_N[first_passage + start : first_passage + stop]
            maximum = maxima_BL[row, language]
            if maximum >= best_QL[query, language]:
                highest_id = np.int32(-1)
                for index in range(pool.shape[0]):
                    candidate = order[index] if pool[index] == maximum else np.int32(-1)
                    highest_id = np.int32(max(highest_id, candidate))
                if maximum > best_QL[query, language]:
                    best_QL[query, language] = maximum
                    best_id_QL[query, language] = highest_id
                elif highest_id > best_id_QL[query, language]:
                    best_id_QL[query, language] = highest_id
            for occurrence in range(relevant_offsets[query], relevant_offsets[query + 1]):
                column = relevant[occurrence] - first_passage
                threshold = thresholds_R[occurrence]
                above = np.int32(0)
                equal = np.int32(0)
                # As above: narrow accumulators make vector instructions.
                for index in range(pool.shape[0]):
                    above = np.int32(above + np.int32(pool[index] > threshold))
                    equal = np.int32(equal + np.int32(pool[index] == threshold))
                if start <= column < stop:
                    scores_agree = scores_agree and scores_BP[row, column] == threshold
                if equal > np.int32(start <= column < stop):
                    own = id_order_N[relevant[occurrence]]
                    for index in range(pool.shape[0]):
                        wins = pool[index] == threshold and order[index] > own
                        above = np.int32(above + np.int32(wins))
                higher_RL[occurrence, language] += above
    return scores_agree
