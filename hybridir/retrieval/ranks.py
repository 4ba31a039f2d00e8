"""Exact ranks of the relevant passages, in every pool at once, without sorting.

Q queries, B queries of a block, N passages, D dimensions, L languages, R relevant occurrences.

A passage's rank is one more than the number of candidates above it.
Counted by language, the same numbers give the ranks in each language's pool and, added up, in the
pool of all languages.
So one blocked product of the embeddings, or any other source of scores, serves all settings.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from hybridir.data import Benchmark
from hybridir.errors import TrialError
from hybridir.languages import find_english, is_english
from hybridir.retrieval.kernels import count_higher, find_best_irrelevant
from hybridir.retrieval.trec_order import ascending_ids
from hybridir.retrieval.vector_store import StoredVectors

# Queries scored at once; a few more where the translations of a question would be parted.
BLOCK = 256

Scorer = Callable[[NDArray[np.int64], NDArray[np.float32]], None]
"""Writes scores of queries: takes their numbers, [B], and the array to write to, [B, N]."""
Observer = Callable[[NDArray[np.int64], NDArray[np.float32]], None]
"""Reads scores of queries: takes their numbers, [B], and their scores, [B, N].

The array is overwritten afterwards. Translations of a question come in one block.
"""


class NotANumber(TrialError):
    """A score is NaN, so that passages have no order.

    Attributes:
        query: number of the first query with such a score.
    """

    def __init__(self, query: int, reason: str = "") -> None:
        super().__init__(f"the scores of query {query} contain NaN and cannot be ranked{reason}")
        self.query = query


@dataclass(frozen=True)
class RelevantRanks:
    """The ranks of the relevant passages, and the passage that ranks first in each pool.

    Attributes:
        higher_RL: [R, L] int32; how many candidates of language l's pool rank above the relevant
            occurrence r. Its rank in that pool is one more, its rank in the pool of all languages
            one more than the row's sum.
        top1_QL: [Q, L] int32; index of the passage that ranks first in language l's pool; -1 if
            the pool is empty.
        top1_Q: [Q] int32; index of the passage that ranks first in the pool of all languages.
        top1_bilingual_Q2: [Q, 2] int32; index of the passage that ranks first among those of the
            query's language and English, and the same without the English passages that are
            relevant to the query; -1 for a query in English, or without a relevant passage in
            both languages. None where there is no other query.
    """

    higher_RL: NDArray[np.int32]
    top1_QL: NDArray[np.int32]
    top1_Q: NDArray[np.int32]
    top1_bilingual_Q2: NDArray[np.int32] | None = None


def rank_embeddings(
    benchmark: Benchmark,
    queries_QD: NDArray[np.float32],
    passages_ND: NDArray[np.float32],
    observers: Sequence[Observer] = (),
    block: int = BLOCK,
) -> RelevantRanks:
    """Rank every relevant passage among the candidates of every language, by dot products.

    The order is trec_eval's: by score, and at an equal score the higher id first, in the byte
    order of UTF-8.
    The score of a relevant passage is read from the same product as its candidates': computed
    anew it would differ in the last bits and move ranks.
    Beyond the embeddings this takes about ``4 * (block * N + R * L + 2 * Q * L)`` bytes.

    Args:
        benchmark: pools, ids and relevance.
        queries_QD: embeddings of its queries, numpy float32.
        passages_ND: embeddings of its passages, numpy float32.
        observers: called with the scores of each block of queries.
        block: queries scored at once.

    Returns:
        Counts for each relevant occurrence and language, and each query's first passages.

    Raises:
        NotANumber: if a score is NaN.
        ValueError: if shapes or types do not fit each other.

    >>> from hybridir.data.benchmark import build_benchmark
    >>> benchmark = build_benchmark(
    ...     "three",
    ...     queries=[("q", "de", "?")],
    ...     passages=[("a", "de", ""), ("b", "de", ""), ("c", "en", "")],
    ...     relevant={"q": {"b", "c"}},
    ... )
    >>> query = np.array([[1.0, 0.0]], dtype=np.float32)
    >>> passages = np.array([[0.9, 0], [0.5, 0], [0.7, 0]], dtype=np.float32)
    >>> ranks = rank_embeddings(benchmark, query, passages)
    >>> ranks.higher_RL.tolist(), ranks.top1_Q.tolist()
    ([[1, 1], [1, 0]], [0])
    """
    check_embeddings(benchmark, queries_QD, passages_ND)
    q_QD, p_DN = as_tensor(queries_QD), as_tensor(passages_ND).T

    # Torch's own product, so that `torch.mm` of all queries at once gives the same scores to the
    # last bit, and other tools reproduce the ranks. oneDNN would take half the time, and other
    # last bits in 88 % of the scores (measured on XQuAD-R).
    def multiply(queries_B: NDArray[np.int64], scores_BN: NDArray[np.float32]) -> None:
        torch.mm(q_QD[torch.from_numpy(queries_B)], p_DN, out=torch.from_numpy(scores_BN))

    try:
        return rank_scores(benchmark, multiply, observers, block)
    except NotANumber as error:
        raise not_finite(error.query, queries_QD, [passages_ND]) from None


def rank_scores(
    benchmark: Benchmark,
    score: Scorer,
    observers: Sequence[Observer] = (),
    block: int = BLOCK,
) -> RelevantRanks:
    """Rank every relevant passage among the candidates of every language, by any scores.

    Order and memory are those of `rank_embeddings`.

    Args:
        benchmark: pools, ids and relevance.
        score: called once for each block of queries, for example
            `hybridir.retrieval.bm25.bm25_scorer`'s result; the array it writes to is used again.
        observers: called with the scores of each block of queries.
        block: queries scored at once.

    Returns:
        Counts for each relevant occurrence and language, and each query's first passages.

    Raises:
        NotANumber: if a score is NaN.
        ValueError: if the benchmark's offsets do not fit its passages.
    """
    _check_layout(benchmark)
    pools = benchmark.pool_offsets.astype(np.int64, copy=False)
    relevant_offsets = benchmark.relevant_offsets.astype(np.int64, copy=False)
    relevant = benchmark.relevant.astype(np.int64, copy=False)
    n_queries, n_passages = len(relevant_offsets) - 1, len(benchmark.passage_ids)
    id_order_N, by_id_N = ascending_ids(benchmark.passage_ids)

    higher_RL = np.empty((len(relevant), len(pools) - 1), dtype=np.int32)
    top1_QL = np.empty((n_queries, len(pools) - 1), dtype=np.int32)
    top1_Q = np.empty(n_queries, dtype=np.int32)
    best_QL = np.empty(top1_QL.shape, dtype=np.float32)
    distractors = EnglishDistractors(benchmark, id_order_N, by_id_N)
    blocks = blocks_of_questions(benchmark.question_ids, block)
    buffer_BN = torch.empty(max(map(len, blocks), default=0), n_passages).numpy()
    for queries_B in blocks:
        scores_BN = buffer_BN[: len(queries_B)]
        score(queries_B, scores_BN)
        benchmark.judgements.take_out(scores_BN, queries_B.tolist())
        maxima_BL = pool_maxima(torch.from_numpy(scores_BN), pools)
        if np.isnan(maxima_BL).any():
            row = int(np.isnan(maxima_BL).any(axis=1).argmax())
            raise NotANumber(int(queries_B[row]))
        count_higher(
            scores_BN,
            maxima_BL,
            queries_B,
            pools,
            relevant_offsets,
            relevant,
            id_order_N,
            by_id_N,
            higher_RL,
            top1_QL,
        )
        top1_Q[queries_B] = first_of_all(maxima_BL, top1_QL[queries_B], id_order_N)
        best_QL[queries_B] = maxima_BL
        distractors.add(scores_BN, queries_B)
        for observe in observers:
            observe(queries_B, scores_BN)
    return RelevantRanks(higher_RL, top1_QL, top1_Q, distractors.firsts(best_QL, top1_QL))


class EnglishDistractors:
    """English passages that are not relevant to queries in other languages, the first of each.

    Only queries with relevant passages in English and in their own language count.

    Args:
        benchmark: pools, ids and relevance.
        id_order_N: position of each passage's id among all ids, in ascending order.
        by_id_N: inverse of `id_order_N`.
    """

    def __init__(
        self, benchmark: Benchmark, id_order_N: NDArray[np.int32], by_id_N: NDArray[np.int32]
    ) -> None:
        n_queries = len(benchmark.question_ids)
        self._benchmark, self._id_order_N, self._by_id_N = benchmark, id_order_N, by_id_N
        self._counted_Q = np.zeros(n_queries, dtype=np.bool_)
        self._pool = (0, 0)
        english = find_english(benchmark.languages)
        if english is not None:
            self._english = english
            start, stop = benchmark.pool_offsets[english : english + 2].tolist()
            self._pool = (start, stop)
            self._counted_Q = _with_translations(benchmark, english)
        self._best_Q = np.full(n_queries, -np.inf, dtype=np.float32)
        self._best_id_Q = np.full(n_queries, -1, dtype=np.int32)

    def add(
        self, scores_BP: NDArray[np.float32], queries_B: NDArray[np.int64], first_passage: int = 0
    ) -> None:
        """Take the scores of some queries and of consecutive passages, none of them NaN."""
        start, stop = (
            min(max(bound - first_passage, 0), scores_BP.shape[1]) for bound in self._pool
        )
        counted_B = self._counted_Q[queries_B]
        if start == stop or not counted_B.any():
            return
        find_best_irrelevant(
            scores_BP,
            np.where(counted_B, queries_B, -1),
            first_passage,
            (start, stop),
            self._benchmark.relevant_offsets.astype(np.int64, copy=False),
            self._benchmark.relevant.astype(np.int64, copy=False),
            self._id_order_N,
            self._best_Q,
            self._best_id_Q,
        )

    def firsts(
        self, best_QL: NDArray[np.float32], top1_QL: NDArray[np.int32]
    ) -> NDArray[np.int32] | None:
        """The passages that rank first in pools of two languages, from those of the languages.

        Args:
            best_QL: largest score of each query in each language's pool.
            top1_QL: the passage with that score.

        Returns:
            `RelevantRanks.top1_bilingual_Q2`.
        """
        queries = np.flatnonzero(self._counted_Q)
        if not len(queries):
            return None
        own = self._benchmark.query_languages[queries]
        best_id = self._best_id_Q[queries]
        # Column 0: the query's language; then English, and English without relevant passages.
        passages_B3 = np.stack(
            [
                top1_QL[queries, own],
                top1_QL[queries, self._english],
                np.where(best_id >= 0, self._by_id_N[best_id], np.int32(-1)),
            ],
            axis=1,
        )
        scores_B3 = np.stack(
            [best_QL[queries, own], best_QL[queries, self._english], self._best_Q[queries]], axis=1
        )
        firsts_Q2 = np.full((len(top1_QL), 2), -1, dtype=np.int32)
        for kind in (0, 1):
            two = [0, 1 + kind]
            firsts_Q2[queries, kind] = first_of_all(
                scores_B3[:, two], passages_B3[:, two], self._id_order_N
            )
        return firsts_Q2


def _with_translations(benchmark: Benchmark, english: int) -> NDArray[np.bool_]:
    """[Q] which queries in other languages have relevant passages in English and their own."""
    query_R, language_R = benchmark.relevant_queries, benchmark.relevant_languages
    own_Q, english_Q = np.zeros((2, len(benchmark.question_ids)), dtype=np.bool_)
    own_Q[query_R[language_R == benchmark.query_languages[query_R]]] = True
    english_Q[query_R[language_R == english]] = True
    other_L = np.array([not is_english(code) for code in benchmark.languages])
    counted_Q: NDArray[np.bool_] = own_Q & english_Q & other_L[benchmark.query_languages]
    return counted_Q


def blocks_of_questions(question_ids: Sequence[str], block: int) -> list[NDArray[np.int64]]:
    """Divide queries into blocks; translations of a question stay together."""
    queries_of: dict[str, list[int]] = {}
    for query, question in enumerate(question_ids):
        queries_of.setdefault(question, []).append(query)
    blocks: list[list[int]] = []
    for queries in queries_of.values():
        if not blocks or len(blocks[-1]) + len(queries) > block:
            blocks.append([])
        blocks[-1] += queries
    # A single row would be multiplied by another kernel, which rounds otherwise.
    if len(blocks) > 1 and len(blocks[-1]) == 1:
        last = blocks.pop()
        blocks[-1] += last
    return [np.array(queries, dtype=np.int64) for queries in blocks]


def pool_maxima(scores_BN: torch.Tensor, pools: NDArray[np.int64]) -> NDArray[np.float32]:
    """[B, L] largest score in each pool; NaN if the pool has a NaN, -inf if it is empty."""
    maxima_BL = torch.full((len(scores_BN), len(pools) - 1), -torch.inf)
    for language, (start, stop) in enumerate(pairwise(pools.tolist())):
        if start < stop:
            torch.amax(scores_BN[:, start:stop], dim=1, out=maxima_BL[:, language])
    return maxima_BL.numpy()


def first_of_all(
    maxima_BL: NDArray[np.float32], top1_BL: NDArray[np.int32], id_order_N: NDArray[np.int32]
) -> NDArray[np.int32]:
    """[B] of the pools' first passages the one with the highest score, then the highest id."""
    best_BL = (maxima_BL == maxima_BL.max(axis=1, keepdims=True)) & (top1_BL >= 0)
    id_BL = np.where(best_BL, id_order_N[top1_BL], -1)
    first_B: NDArray[np.int32] = top1_BL[np.arange(len(top1_BL)), id_BL.argmax(axis=1)]
    return first_B


def as_tensor(array: NDArray[np.float32]) -> torch.Tensor:
    """Share the array's memory; nothing writes to it, so it may be read-only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))


def not_finite(
    query: int, queries_QD: NDArray[np.float32], passages: Iterable[NDArray[np.float32]]
) -> NotANumber:
    """An error that says how many embeddings cannot be ranked.

    Args:
        query: number of the first query with such a score.
        queries_QD: embeddings of the queries.
        passages: embeddings of the passages, block by block.
    """
    bad_queries, bad_passages = (
        sum(int((~np.isfinite(block).all(axis=1)).sum()) for block in blocks)
        for blocks in ([queries_QD], passages)
    )
    return NotANumber(
        query,
        f": {bad_queries} query and {bad_passages} passage embeddings are not finite; the encoder "
        "has probably diverged (lower the learning rate or raise the temperature)",
    )


def check_embeddings(
    benchmark: Benchmark,
    queries_QD: NDArray[np.float32],
    passages_ND: NDArray[np.float32] | StoredVectors,
) -> None:
    """Refuse embeddings of another type or shape than the benchmark's.

    Raises:
        ValueError: if types or shapes do not fit each other.
    """
    problems = []
    if queries_QD.dtype != np.float32 or passages_ND.dtype != np.float32:
        problems.append(f"embeddings are {queries_QD.dtype}, {passages_ND.dtype}, not float32")
    if queries_QD.ndim != 2 or queries_QD.shape[1:] != passages_ND.shape[1:]:
        problems.append(f"embeddings of shapes {queries_QD.shape} and {passages_ND.shape}")
    if len(benchmark.queries) != len(queries_QD):
        problems.append(f"{len(queries_QD)} embeddings for {len(benchmark.queries)} queries")
    if len(benchmark.passage_ids) != len(passages_ND):
        problems.append(f"{len(passages_ND)} embeddings for {len(benchmark.passage_ids)} passages")
    if problems:
        raise ValueError("cannot rank: " + "; ".join(problems))
    _check_layout(benchmark)


def _check_layout(benchmark: Benchmark) -> None:
    """Refuse offsets and indices that would let the compiled kernel read past an array's end."""
    problems = []
    pools, offsets, relevant = (
        benchmark.pool_offsets,
        benchmark.relevant_offsets,
        benchmark.relevant,
    )
    n_passages = len(benchmark.passage_ids)
    if pools[0] != 0 or pools[-1] != n_passages or (np.diff(pools) < 0).any():
        problems.append(f"pools {pools.tolist()} do not divide {n_passages} passages")
    if len(offsets) != len(benchmark.question_ids) + 1:
        problems.append(f"{len(offsets)} offsets for {len(benchmark.question_ids)} queries")
    if offsets[0] != 0 or offsets[-1] != len(relevant) or (np.diff(offsets) < 0).any():
        problems.append(f"offsets do not divide {len(relevant)} relevant passages")
    if len(relevant) and not 0 <= relevant.min() <= relevant.max() < n_passages:
        problems.append(f"relevant passages outside 0..{n_passages - 1}")
    if problems:
        raise ValueError("cannot rank: " + "; ".join(problems))
