"""Figures that need full rankings of the multilingual pool: top languages, rank correlation.

Q queries, B queries of a block, N passages, L languages, J translations of one question.

The order is that of `hybridir.retrieval.trec_order`.
"""

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir.data import Benchmark
from hybridir.retrieval.ranks_from_store import observe_stored, top_k
from hybridir.retrieval.trec_order import ascending_ids, pack_keys
from hybridir.retrieval.vector_store import StoredVectors
from hybridir.runtime.jit import compiled

Floats = NDArray[np.float64]
TOP = 10


class FullRankings:
    """Ranks all passages for each query, block by block, and accumulates figures by language.

    The queries of one question must come in the same block, as `hybridir.retrieval.ranks` gives
    them to observers. No ranking stays in memory.

    Args:
        benchmark: queries and passages.
    """

    def __init__(self, benchmark: Benchmark) -> None:
        n_languages = len(benchmark.languages)
        self._benchmark = benchmark
        id_order_N, by_id_N = ascending_ids(benchmark.passage_ids)
        self._by_position_N = by_id_N[::-1].copy()  # the higher id comes first
        self._position_N = (len(by_id_N) - 1 - id_order_N).astype(np.uint64)
        self._top_QL = np.zeros((len(benchmark.queries), n_languages), dtype=np.int32)
        self._correlation_LL = np.zeros((n_languages, n_languages))
        self._pairs_LL = np.zeros((n_languages, n_languages), dtype=np.int64)

    def add(self, queries_B: NDArray[np.int64], scores_BN: NDArray[np.float32]) -> None:
        """Rank the passages for some queries, translations of a question one after the other."""
        self._benchmark.judgements.take_out(scores_BN, queries_B.tolist())
        questions = np.array([self._benchmark.question_ids[query] for query in queries_B])
        starts = np.flatnonzero(np.append(True, questions[1:] != questions[:-1]))
        for start, stop in zip(starts, np.append(starts[1:], len(questions)), strict=True):
            self._add_question(queries_B[start:stop], scores_BN[start:stop])

    def add_stored(
        self, queries_QD: NDArray[np.float32], passages: StoredVectors, memory_mb: float
    ) -> None:
        """Rank the passages of a file for all queries.

        Only questions in several languages get full rankings; others get their first passages.

        Args:
            queries_QD: embeddings of all queries.
            passages: embeddings of the passages.
            memory_mb: for scores that are in memory at once.
        """
        question_ids = self._benchmark.question_ids
        languages_N = self._benchmark.passage_languages
        top_QK, _ = top_k(self._benchmark, queries_QD, passages, TOP)
        for language in range(self._top_QL.shape[1]):
            self._top_QL[:, language] = (languages_N[top_QK] == language).sum(axis=1)
        translations = Counter(question_ids)
        translated = np.array(
            [query for query, key in enumerate(question_ids) if translations[key] > 1],
            dtype=np.int64,
        )
        observe_stored(
            queries_QD[translated],
            passages,
            [question_ids[query] for query in translated],
            [lambda queries_B, scores_BN: self.add(translated[queries_B], scores_BN)],
            memory_mb,
        )

    def _add_question(self, queries_J: NDArray[np.int64], scores_JN: NDArray[np.float32]) -> None:
        keys_JN = pack_keys(scores_JN, self._position_N)
        keys_JN.sort(axis=1)
        positions_JN = np.empty(scores_JN.shape)
        top_JL = np.zeros((len(queries_J), len(self._benchmark.languages)), dtype=np.int32)
        languages_N = self._benchmark.passage_languages
        _unpack_rankings(keys_JN, self._by_position_N, languages_N, TOP, positions_JN, top_JL)
        self._top_QL[queries_J] = top_JL
        if len(queries_J) > 1 and len(languages_N) > 1:
            languages_J = self._benchmark.query_languages[queries_J]
            self._correlation_LL[np.ix_(languages_J, languages_J)] += _spearman(positions_JN)
            self._pairs_LL[np.ix_(languages_J, languages_J)] += 1

    def top_languages(self) -> pd.DataFrame:
        """Shares of languages among the first `TOP` passages of the multilingual pool.

        Returns:
            [L, L] shares: a row for each question language, with sum 1, and a column for each
            passage language.
        """
        languages = np.array(self._benchmark.languages)
        counts = pd.DataFrame(self._top_QL, columns=languages)
        by_language = counts.groupby(languages[self._benchmark.query_languages]).sum()
        return by_language.div(by_language.sum(axis=1), axis=0)

    def rank_correlation(self) -> pd.DataFrame:
        """Correlation of a question's rankings of the multilingual pool in two languages.

        Returns:
            [L, L] means over questions of Spearman's correlation between the two rankings, in
            [-1, 1]; NaN on the diagonal, and where no question exists in both languages.
        """
        off_diagonal_LL = ~np.eye(len(self._pairs_LL), dtype=np.bool_)
        means_LL = np.full(self._pairs_LL.shape, np.nan)
        defined_LL = (self._pairs_LL > 0) & off_diagonal_LL
        np.divide(self._correlation_LL, self._pairs_LL, out=means_LL, where=defined_LL)
        languages = self._benchmark.languages
        return pd.DataFrame(means_LL, index=languages, columns=languages)

    def mean_rank_correlation(self) -> float:
        """The mean over question languages of their mean correlation with the others.

        Returns:
            In [-1, 1], 1 if the language of a question makes no difference; NaN if no question
            exists in two languages.

        Source: MRC, Yang, Jiang and Baldwin, MRL 2024, pages 280-292 (arXiv 2509.06195, 2025).
        """
        return float(self.rank_correlation().mean(axis=1).mean())


def _spearman(positions_JN: Floats) -> Floats:
    """[J, J] Spearman correlations of rankings; positions are 0 to N - 1, each once.

    So mean and variance follow from N. The sums of products are integers, and exact up to 300,000
    passages (N^3 / 3 < 2^53).
    """
    n_passages = positions_JN.shape[1]
    correlation_JJ: Floats = positions_JN @ positions_JN.T
    correlation_JJ -= n_passages * ((n_passages - 1) / 2) ** 2
    correlation_JJ *= 12 / (n_passages * (n_passages**2 - 1.0))
    return correlation_JJ


@compiled
def _unpack_rankings(
    keys_JN: NDArray[np.uint64],
    by_position_N: NDArray[np.int32],
    languages_N: NDArray[np.int32],
    top: int,
    positions_JN: Floats,
    top_JL: NDArray[np.int32],
) -> None:
    for row in range(keys_JN.shape[0]):
        for position in range(keys_JN.shape[1]):
            passage = by_position_N[keys_JN[row, position] & np.uint64(0xFFFFFFFF)]
            positions_JN[row, passage] = position
            if position < top:
                top_JL[row, languages_N[passage]] += 1
