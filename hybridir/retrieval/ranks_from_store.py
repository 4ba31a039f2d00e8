"""Exact ranks among passages whose embeddings lie in a file, in bounded memory.

Q queries, B queries of a block, N passages, P passages of a block, D dimensions, L languages,
R relevant occurrences, K passages at the top of a ranking.

As in `hybridir.retrieval.ranks` a passage's rank is one more than the number of candidates above
it, and its score must come from the same product as theirs.
So every product is of one block of queries and one block of passages, and is computed twice where
a relevant passage lies in it: once to read that passage's score, once to count.
The same numbers at the same addresses within a page, multiplied in the same shape, give the same
bits.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hybridir.data import Benchmark
from hybridir.data.judgements import Judgements
from hybridir.retrieval.kernels import count_higher_in_block
from hybridir.retrieval.ranks import (
    EnglishDistractors,
    Observer,
    RelevantRanks,
    as_tensor,
    blocks_of_questions,
    check_embeddings,
    first_of_all,
    not_finite,
    pool_maxima,
)
from hybridir.retrieval.trec_order import ascending_ids, pack_keys, unpack_keys
from hybridir.retrieval.vector_store import StoredVectors

# Queries and passages of one product, 16 MB of scores.
QUERIES = 256
PASSAGES = 16_384


def rank_stored(
    benchmark: Benchmark,
    queries_QD: NDArray[np.float32],
    passages: StoredVectors,
    block: tuple[int, int] = (QUERIES, PASSAGES),
) -> RelevantRanks:
    """Rank every relevant passage among the candidates of every language.

    Results are those of `hybridir.retrieval.ranks.rank_embeddings`, but for the last bits of the
    scores: products of another shape may round differently.
    Beyond the queries this takes about ``4 * (B * P + P * D + R * L + 2 * Q * L + 2 * N)`` bytes.

    Args:
        benchmark: pools, ids and relevance.
        queries_QD: embeddings of its queries, numpy float32.
        passages: embeddings of its passages.
        block: queries and passages of one product.

    Returns:
        Counts for each relevant occurrence and language, and each query's first passages.

    Raises:
        TrialError: if a score is NaN.
        ValueError: if shapes or types do not fit each other.
    """
    check_embeddings(benchmark, queries_QD, passages)
    pools = benchmark.pool_offsets
    relevant = benchmark.relevant.astype(np.int64, copy=False)
    offsets = benchmark.relevant_offsets.astype(np.int64, copy=False)
    products = _Products(queries_QD, passages, block, benchmark.judgements)
    thresholds_R = _relevant_scores(products, offsets, relevant)

    id_order_N, by_id_N = ascending_ids(benchmark.passage_ids)
    n_queries, n_languages = len(queries_QD), len(pools) - 1
    higher_RL = np.zeros((len(relevant), n_languages), dtype=np.int32)
    best_QL = np.full((n_queries, n_languages), -np.inf, dtype=np.float32)
    best_id_QL = np.full((n_queries, n_languages), -1, dtype=np.int32)
    distractors = EnglishDistractors(benchmark, id_order_N, by_id_N)
    for passage, query, scores_BP in products.all_scores():
        bounds = np.clip(pools - passage, 0, scores_BP.shape[1]).astype(np.int64)
        maxima_BL = pool_maxima(scores_BP, bounds)
        if np.isnan(maxima_BL).any():
            row = int(np.isnan(maxima_BL).any(axis=1).argmax())
            raise not_finite(query + row, queries_QD, products.passage_blocks())
        scores_agree = count_higher_in_block(
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
        assert scores_agree, "the same product has given other bits"
        queries_B = np.arange(query, query + len(scores_BP), dtype=np.int64)
        distractors.add(scores_BP.numpy(), queries_B, passage)
    top1_QL = np.where(best_id_QL >= 0, by_id_N[best_id_QL], np.int32(-1))
    top1_Q = first_of_all(best_QL, top1_QL, id_order_N)
    return RelevantRanks(higher_RL, top1_QL, top1_Q, distractors.firsts(best_QL, top1_QL))


def top_k(
    benchmark: Benchmark,
    queries_QD: NDArray[np.float32],
    passages: StoredVectors,
    k: int,
    block: tuple[int, int] = (QUERIES, PASSAGES),
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The first passages of the pool of all languages, in trec_eval's order.

    Args:
        benchmark: ids of the passages.
        queries_QD: embeddings of its queries, numpy float32.
        passages: embeddings of its passages.
        k: length of each list; a pool of fewer passages gives all of them.
        block: queries and passages of one product.

    Returns:
        [Q, K] indices and [Q, K] scores, best first; K is the smaller of `k` and N.

    Raises:
        TrialError: if a score is NaN.
        ValueError: if shapes or types do not fit each other, or `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k={k}: expected 1 or more")
    check_embeddings(benchmark, queries_QD, passages)
    n_passages = len(passages)
    id_order_N, by_id_N = ascending_ids(benchmark.passage_ids)
    position_N = np.uint64(n_passages - 1) - id_order_N.astype(np.uint64)  # the highest id is 0
    products = _Products(queries_QD, passages, block, benchmark.judgements)
    keys_QK = np.full((len(queries_QD), min(k, n_passages)), np.iinfo(np.uint64).max, np.uint64)
    for passage, query, scores_BP in products.all_scores():
        if torch.isnan(scores_BP.sum()) and torch.isnan(scores_BP).any():
            row = int(torch.isnan(scores_BP).any(dim=1).int().argmax())
            raise not_finite(query + row, queries_QD, products.passage_blocks())
        n_rows, n_columns = scores_BP.shape
        keys_BP = pack_keys(scores_BP.numpy(), position_N[passage : passage + n_columns])
        top_BK = keys_QK[query : query + n_rows]
        n_top = top_BK.shape[1]
        if n_columns > n_top:
            keys_BP = np.partition(keys_BP, n_top - 1, axis=1)[:, :n_top]
        top_BK[:] = np.sort(np.concatenate([top_BK, keys_BP], axis=1), axis=1)[:, :n_top]
    scores_QK, positions_QK = unpack_keys(keys_QK)
    return by_id_N[n_passages - 1 - positions_QK], scores_QK


def observe_stored(
    queries_QD: NDArray[np.float32],
    passages: StoredVectors,
    question_ids: Sequence[str],
    observers: Sequence[Observer],
    memory_mb: float,
    block: tuple[int, int] = (QUERIES, PASSAGES),
) -> None:
    """Show observers the full score rows of some queries, those of a question together.

    All passages are read once for as many queries as fit into memory.

    Args:
        queries_QD: embeddings of the queries.
        passages: embeddings of the passages.
        question_ids: Q ids; queries with the same id come in one block.
        observers: called with the scores of each block of queries.
        memory_mb: for the scores; those of one question are in memory at once in any case.
        block: queries and passages of one product.
    """
    n_fitting = max(1, int(memory_mb * 1e6 / (4 * max(1, len(passages)))))
    for queries_B in blocks_of_questions(question_ids, min(block[0], n_fitting)):
        products = _Products(queries_QD[queries_B], passages, (len(queries_B), block[1]))
        scores_BN = np.empty((len(queries_B), len(passages)), dtype=np.float32)
        for passage, _, scores_BP in products.all_scores():
            scores_BN[:, passage : passage + scores_BP.shape[1]] = scores_BP.numpy()
        for observe in observers:
            observe(queries_B, scores_BN)


class _Products:
    """Scores of blocks of queries and blocks of passages, one at a time in the same memory."""

    def __init__(
        self,
        queries_QD: NDArray[np.float32],
        passages: StoredVectors,
        block: tuple[int, int],
        judgements: Judgements | None = None,
    ) -> None:
        self.n_queries, self.n_passages = block
        self._judgements = judgements or Judgements()
        self._queries_QD = as_tensor(queries_QD)
        self._passages = passages
        self._buffer = torch.empty(min(block[0], len(queries_QD)) * min(block[1], len(passages)))

    def all_scores(self) -> Iterator[tuple[int, int, torch.Tensor]]:
        """The first passage, the first query and the scores of each product."""
        for number, passages_PD in enumerate(self.passage_blocks()):
            first = number * self.n_passages
            for query in range(0, len(self._queries_QD), self.n_queries):
                scores_BP = self.scores(query, passages_PD)
                queries_B = range(query, query + len(scores_BP))
                self._judgements.take_out(scores_BP.numpy(), queries_B, first)
                yield first, query, scores_BP

    def passage_blocks(self) -> Iterator[NDArray[np.float32]]:
        """The blocks of passages, mapped one after the other."""
        for start in range(0, len(self._passages), self.n_passages):
            yield self.passage_block(start)

    def passage_block(self, start: int) -> NDArray[np.float32]:
        """The block of passages that begins with number `start`."""
        return self._passages.rows(start, min(start + self.n_passages, len(self._passages)))

    def scores(self, query: int, passages_PD: NDArray[np.float32]) -> torch.Tensor:
        """[B, P] scores of the block of queries that begins with number `query`."""
        queries_BD = self._queries_QD[query : query + self.n_queries]
        shape = (len(queries_BD), len(passages_PD))
        scores_BP = self._buffer[: shape[0] * shape[1]].view(shape)
        return torch.mm(queries_BD, as_tensor(passages_PD).T, out=scores_BP)


def _relevant_scores(
    products: _Products, offsets: NDArray[np.int64], relevant: NDArray[np.int64]
) -> NDArray[np.float32]:
    """[R] scores of the relevant passages, from the products that they are counted in."""
    query_R = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    blocks_2R = np.stack([relevant // products.n_passages, query_R // products.n_queries])
    order_R = np.lexsort(blocks_2R[::-1])
    changes = np.diff(blocks_2R[:, order_R], axis=1).any(axis=0)
    scores_R = np.empty(len(relevant), dtype=np.float32)
    mapped, passages_PD = -1, np.empty((0, 0), dtype=np.float32)
    for members in np.split(order_R, np.flatnonzero(changes) + 1) if len(relevant) else []:
        passage, query = blocks_2R[:, members[0]] * (products.n_passages, products.n_queries)
        if passage != mapped:
            mapped, passages_PD = int(passage), products.passage_block(int(passage))
        scores_BP = products.scores(int(query), passages_PD).numpy()
        scores_R[members] = scores_BP[query_R[members] - query, relevant[members] - passage]
    return scores_R
