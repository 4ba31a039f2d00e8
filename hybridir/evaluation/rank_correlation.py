"""What only the whole ranking of the multilingual pool tells: who is on top, and what it hangs on.

B queries of a block, Q queries in all, N passages, L languages, J translations of one question.

The order is that of `hybridir.retrieval.trec_order`.
"""

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir.data import Benchmark
from hybridir.retrieval.ranks_from_store import observe_stored, top_k
from hybridir.retrieval.trec_order import ascending_ids, pack
from hybridir.retrieval.vector_store import StoredVectors
from hybridir.runtime.jit import compiled

Floats = NDArray[np.float64]
TOP = 10


class WholeRankings:
    """Ranks all passages for each query, block by block, and keeps what the literature asks.

    The queries of one question must come in the same block, as
    `hybridir.retrieval.ranks.rank_relevant` hands them out; nothing of a ranking is kept.

    Args:
        benchmark: queries and passages.
    """

    def __init__(self, benchmark: Benchmark) -> None:
        n_languages = len(benchmark.languages)
        self._benchmark = benchmark
        id_order_N, by_id_N = ascending_ids(benchmark.passage_ids)
        self._by_place_N = by_id_N[::-1].copy()  # the higher id comes first
        self._place_N = (len(by_id_N) - 1 - id_order_N).astype(np.uint64)
        self._top_QL = np.zeros((len(benchmark.queries), n_languages), dtype=np.int32)
        self._correlation_LL = np.zeros((n_languages, n_languages))
        self._pairs_LL = np.zeros((n_languages, n_languages), dtype=np.int64)

    def add(self, queries_B: NDArray[np.int64], scores_BN: NDArray[np.float32]) -> None:
        """Rank the passages for some queries, translations of a question one after the other."""
        questions = np.array([self._benchmark.question_ids[query] for query in queries_B])
        starts = np.flatnonzero(np.append(True, questions[1:] != questions[:-1]))
        for start, stop in zip(starts, np.append(starts[1:], len(questions)), strict=True):
            self._add_question(queries_B[start:stop], scores_BN[start:stop])

    def add_stored(
        self, queries_QD: NDArray[np.float32], passages: StoredVectors, memory_mb: float
    ) -> None:
        """Do the same for all queries, with passages that lie in a file.

        Only for questions in several languages rankings are made as a whole.

        Args:
            queries_QD: embeddings of all queries.
            passages: embeddings of the passages.
            memory_mb: for scores that are held at once.
        """
        ids, languages_N = self._benchmark.question_ids, self._benchmark.passage_languages
        top_QK, _ = top_k(queries_QD, passages, self._benchmark.passage_ids, TOP)
        for language in range(self._top_QL.shape[1]):
            self._top_QL[:, language] = (languages_N[top_QK] == language).sum(axis=1)
        times = Counter(ids)
        translated = np.array([n for n, key in enumerate(ids) if times[key] > 1], dtype=np.int64)
        observe_stored(
            queries_QD[translated],
            passages,
            [ids[query] for query in translated],
            [lambda queries_B, scores_BN: self.add(translated[queries_B], scores_BN)],
            memory_mb,
        )

    def _add_question(self, queries_J: NDArray[np.int64], scores_JN: NDArray[np.float32]) -> None:
        keys_JN = pack(scores_JN, self._place_N)
        keys_JN.sort(axis=1)
        positions_JN = np.empty(scores_JN.shape)
        top_JL = np.zeros((len(queries_J), len(self._benchmark.languages)), dtype=np.int32)
        languages_N = self._benchmark.passage_languages
        _read(keys_JN, self._by_place_N, languages_N, TOP, positions_JN, top_JL)
        self._top_QL[queries_J] = top_JL
        if len(queries_J) > 1 and len(languages_N) > 1:
            there_J = self._benchmark.query_languages[queries_J]
            self._correlation_LL[np.ix_(there_J, there_J)] += _spearman(positions_JN)
            self._pairs_LL[np.ix_(there_J, there_J)] += 1

    def top_languages(self) -> pd.DataFrame:
        """How the first `TOP` passages of the multilingual pool spread over languages.

        Returns:
            [L, L] shares: a row for each question language, which sums to 1, a column for each
            language of a passage.
        """
        languages = np.array(self._benchmark.languages)
        counts = pd.DataFrame(self._top_QL, columns=languages)
        by_language = counts.groupby(languages[self._benchmark.query_languages]).sum()
        return by_language.div(by_language.sum(axis=1), axis=0)

    def rank_correlation(self) -> pd.DataFrame:
        """How alike a question's rankings of the multilingual pool are in two languages.

        Returns:
            [L, L] means over questions of Spearman's correlation between the two rankings, in
            [-1, 1]; NaN on the diagonal, and where no question is there in both languages.
        """
        off_diagonal_LL = ~np.eye(len(self._pairs_LL), dtype=np.bool_)
        means_LL = np.full(self._pairs_LL.shape, np.nan)
        there_LL = (self._pairs_LL > 0) & off_diagonal_LL
        np.divide(self._correlation_LL, self._pairs_LL, out=means_LL, where=there_LL)
        languages = self._benchmark.languages
        return pd.DataFrame(means_LL, index=languages, columns=languages)

    def mean_rank_correlation(self) -> float:
        """The mean over question languages of their mean correlation with the others.

        Returns:
            In [-1, 1], 1 if the language of a question makes no difference; NaN if no question
            is there in two languages.

        Source: MRC, Yang et al. 2024, arXiv 2509.06195.
        """
        return float(self.rank_correlation().mean(axis=1).mean())


def _spearman(positions_JN: Floats) -> Floats:
    """[J, J] correlations; positions are 0 to N - 1, each once, so mean and variance are known.

    Sums of their products are integers, and exact up to 300,000 passages (N^3 / 3 < 2^53).
    """
    n_passages = positions_JN.shape[1]
    correlation_JJ: Floats = positions_JN @ positions_JN.T
    correlation_JJ -= n_passages * ((n_passages - 1) / 2) ** 2
    correlation_JJ *= 12 / (n_passages * (n_passages**2 - 1.0))
    return correlation_JJ


@compiled
def _read(
    keys_JN: NDArray[np.uint64],
    by_place_N: NDArray[np.int32],
    languages_N: NDArray[np.int32],
    top: int,
    positions_JN: Floats,
    top_JL: NDArray[np.int32],
) -> None:
    for row in range(keys_JN.shape[0]):
        for position in range(keys_JN.shape[1]):
            passage = by_place_N[keys_JN[row, position] & np.uint64(0xFFFFFFFF)]
            positions_JN[row, passage] = position
            if position < top:
                top_JL[row, languages_N[passage]] += 1
