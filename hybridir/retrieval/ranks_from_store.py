"""Exact ranks among passages that lie in a file, in bounded memory.

Q queries, B of them in a block, N passages, P of them in a block, D dimensions, L languages,
R relevant occurrences, K passages that are kept.

As in `retrieval.ranks` a passage's rank is one more than the number of candidates above it, and
its score must come from the same product as theirs. So every product is of one block of queries
and one block of passages, and is made twice where a relevant passage lies in it: once to read that
passage's score, once to count. The same numbers at the same addresses within a page, multiplied in
the same shape, give the same bits.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hybridir.retrieval.kernels import count_higher_in_block
from hybridir.retrieval.ranks import (
    Observer,
    RelevantRanks,
    as_tensor,
    blocks_of_questions,
    check_shapes,
    first_of_all,
    not_finite,
    pool_maxima,
)
from hybridir.retrieval.trec_order import ascending_ids, pack, unpack
from hybridir.retrieval.vector_store import StoredVectors

# Queries and passages of one product, 16 MB of scores.
QUERIES = 256
PASSAGES = 16_384


def rank_stored(
    queries_QD: NDArray[np.float32],
    passages: StoredVectors,
    pools: NDArray[np.int64],
    relevant_offsets: NDArray[np.int64],
    relevant: NDArray[np.int64],
    passage_ids: Sequence[str],
    block: tuple[int, int] = (QUERIES, PASSAGES),
) -> RelevantRanks:
    """Rank every relevant passage among the candidates of every language.

    Results are those of `ranks.rank_relevant`, but for the last bits of the scores:
    products of another shape may round differently. Beyond the queries this takes
    ``4 * (B * P + P * D + R * L + 2 * Q * L + 2 * N)`` bytes or so.

    Args:
        queries_QD: embeddings of the queries, numpy float32.
        passages: embeddings of the passages, ordered by language.
        pools: [L + 1] boundaries; the pool of language l is ``pools[l]:pools[l + 1]``.
        relevant_offsets: [Q + 1] boundaries of each query's entries in `relevant`.
        relevant: [R] indices of relevant passages.
        passage_ids: N ids, all different.
        block: queries and passages of one product.

    Returns:
        Counts per relevant occurrence and language, and each query's first passage.

    Raises:
        TrialError: if a score is NaN.
        ValueError: if shapes or types do not fit each other.
    """
    relevant = relevant.astype(np.int64, copy=False)
    offsets = relevant_offsets.astype(np.int64, copy=False)
    check_shapes(queries_QD, passages, pools, offsets, relevant, passage_ids)
    products = _Products(queries_QD, passages, block)
    thresholds_R = _own_scores(products, offsets, relevant)

    id_order_N, by_id_N = ascending_ids(passage_ids)
    n_queries, n_languages = len(queries_QD), len(pools) - 1
    higher_RL = np.zeros((len(relevant), n_languages), dtype=np.int32)
    best_QL = np.full((n_queries, n_languages), -np.inf, dtype=np.float32)
    best_id_QL = np.full((n_queries, n_languages), -1, dtype=np.int32)
    for passage, query, scores_BP in products.all():
        bounds = np.clip(pools - passage, 0, scores_BP.shape[1]).astype(np.int64)
        maxima_BL = pool_maxima(scores_BP, bounds)
        if np.isnan(maxima_BL).any():
            row = int(np.isnan(maxima_BL).any(axis=1).argmax())
            raise not_finite(query + row, queries_QD, products.parts())
        as_read = count_higher_in_block(
            scores_BP.numpy(),
            maxima_BL,
            query,
            passage,
            bounds,
            offsets,
            relevant,
            thresholds_R,
            id_order_N,
            higher_RL,
            best_QL,
            best_id_QL,
        )
        assert as_read, "the same product has given other bits"
    top1_QL = np.where(best_id_QL >= 0, by_id_N[best_id_QL], np.int32(-1))
    return RelevantRanks(higher_RL, top1_QL, first_of_all(best_QL, top1_QL, id_order_N))


def top_k(
    queries_QD: NDArray[np.float32],
    passages: StoredVectors,
    passage_ids: Sequence[str],
    k: int,
    block: tuple[int, int] = (QUERIES, PASSAGES),
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The first passages of the pool of all languages, in trec_eval's order.

    Args:
        queries_QD: embeddings of the queries, numpy float32.
        passages: embeddings of the passages.
        passage_ids: N ids, all different.
        k: how many are kept, or all of fewer.
        block: queries and passages of one product.

    Returns:
        [Q, K] indices and [Q, K] scores, best first; K is the smaller of `k` and N.

    Raises:
        TrialError: if a score is NaN.
        ValueError: if shapes or types do not fit each other, or `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k={k}: expected 1 or more")
    nothing = np.zeros(0, dtype=np.int64)
    n_passages = len(passages)
    none_of_Q = np.zeros(len(queries_QD) + 1, dtype=np.int64)
    check_shapes(queries_QD, passages, np.array([0, n_passages]), none_of_Q, nothing, passage_ids)
    id_order_N, by_id_N = ascending_ids(passage_ids)
    place_N = np.uint64(n_passages - 1) - id_order_N.astype(np.uint64)  # the highest id is first
    products = _Products(queries_QD, passages, block)
    keys_QK = np.full((len(queries_QD), min(k, n_passages)), np.iinfo(np.uint64).max, np.uint64)
    for passage, query, scores_BP in products.all():
        if torch.isnan(scores_BP.sum()) and torch.isnan(scores_BP).any():
            row = int(torch.isnan(scores_BP).any(dim=1).int().argmax())
            raise not_finite(query + row, queries_QD, products.parts())
        n_rows, n_columns = scores_BP.shape
        keys_BP = pack(scores_BP.numpy(), place_N[passage : passage + n_columns])
        kept_BK = keys_QK[query : query + n_rows]
        n_kept = kept_BK.shape[1]
        if n_columns > n_kept:
            keys_BP = np.partition(keys_BP, n_kept - 1, axis=1)[:, :n_kept]
        kept_BK[:] = np.sort(np.concatenate([kept_BK, keys_BP], axis=1), axis=1)[:, :n_kept]
    scores_QK, places_QK = unpack(keys_QK)
    return by_id_N[n_passages - 1 - places_QK], scores_QK


def observe_stored(
    queries_QD: NDArray[np.float32],
    passages: StoredVectors,
    question_ids: Sequence[str],
    observers: Sequence[Observer],
    memory_mb: float,
    block: tuple[int, int] = (QUERIES, PASSAGES),
) -> None:
    """Show observers the whole score rows of some queries, those of a question together.

    All passages are read once for as many queries as fit into memory.

    Args:
        queries_QD: embeddings of all queries.
        passages: embeddings of the passages.
        question_ids: Q ids; queries with the same one are shown in one block.
        observers: called with the numbers and the scores of each block, [B] and [B, N], which
            are overwritten afterwards.
        memory_mb: for the scores; those of one question are always held.
        block: queries and passages of one product.
    """
    fitting = max(1, int(memory_mb * 1e6 / (4 * max(1, len(passages)))))
    for queries_B in blocks_of_questions(question_ids, min(block[0], fitting)):
        products = _Products(queries_QD[queries_B], passages, (len(queries_B), block[1]))
        scores_BN = np.empty((len(queries_B), len(passages)), dtype=np.float32)
        for passage, _, scores_BP in products.all():
            scores_BN[:, passage : passage + scores_BP.shape[1]] = scores_BP.numpy()
        for observe in observers:
            observe(queries_B, scores_BN)


class _Products:
    """Scores of blocks of queries and blocks of passages, one at a time in the same memory."""

    def __init__(
        self, queries_QD: NDArray[np.float32], passages: StoredVectors, block: tuple[int, int]
    ) -> None:
        self.n_queries, self.n_passages = block
        self._queries_QD = as_tensor(queries_QD)
        self._passages = passages
        self._buffer = torch.empty(min(block[0], len(queries_QD)) * min(block[1], len(passages)))

    def all(self) -> Iterator[tuple[int, int, torch.Tensor]]:
        """Each product, with the first passage and the first query of it."""
        for passage, part in enumerate(self.parts()):
            for query in range(0, len(self._queries_QD), self.n_queries):
                yield passage * self.n_passages, query, self.one(query, part)

    def parts(self) -> Iterator[NDArray[np.float32]]:
        """The blocks of passages, mapped one after the other."""
        for start in range(0, len(self._passages), self.n_passages):
            yield self.part(start)

    def part(self, start: int) -> NDArray[np.float32]:
        """The block of passages that begins there."""
        return self._passages.rows(start, min(start + self.n_passages, len(self._passages)))

    def one(self, query: int, part_PD: NDArray[np.float32]) -> torch.Tensor:
        """[B, P] scores of the block of queries that begins there."""
        queries_BD = self._queries_QD[query : query + self.n_queries]
        shape = (len(queries_BD), len(part_PD))
        scores_BP = self._buffer[: shape[0] * shape[1]].view(shape)
        return torch.mm(queries_BD, as_tensor(part_PD).T, out=scores_BP)


def _own_scores(
    products: _Products, offsets: NDArray[np.int64], relevant: NDArray[np.int64]
) -> NDArray[np.float32]:
    """[R] scores of the relevant passages, from the products that they are counted in."""
    query_R = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    blocks_2R = np.stack([relevant // products.n_passages, query_R // products.n_queries])
    order_R = np.lexsort(blocks_2R[::-1])
    changes = np.diff(blocks_2R[:, order_R], axis=1).any(axis=0)
    scores_R = np.empty(len(relevant), dtype=np.float32)
    mapped, part = -1, np.empty((0, 0), dtype=np.float32)
    for members in np.split(order_R, np.flatnonzero(changes) + 1) if len(relevant) else []:
        passage, query = blocks_2R[:, members[0]] * (products.n_passages, products.n_queries)
        if passage != mapped:
            mapped, part = int(passage), products.part(int(passage))
        scores_BP = products.one(int(query), part).numpy()
        scores_R[members] = scores_BP[query_R[members] - query, relevant[members] - passage]
    return scores_R
