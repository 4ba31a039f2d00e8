"""The per-query table: the primary result of an evaluation, one row for each query and pool.

Q queries, L languages, R relevant occurrences, G rows.

Every other figure is an aggregate of this table; see `hybridir.evaluation.summary` and
`hybridir.evaluation.language_bias`.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtrc

from hybridir import names
from hybridir.data import Benchmark
from hybridir.evaluation.answer_f1 import answer_f1, choose_gold
from hybridir.evaluation.judged_rows import with_judgements
from hybridir.evaluation.language_columns import (
    bilingual_columns,
    complete_columns,
    missing_language_columns,
)
from hybridir.evaluation.measures import RankedGroups, all_measures
from hybridir.languages import tag_of
from hybridir.retrieval.ranks import RelevantRanks
from hybridir.runtime.files import atomic_write

Ints = NDArray[np.int64]
Column = Any  # an array of numpy, or one of pandas where values may be missing
Columns = dict[str, Column]
COLUMNS = (
    names.BENCHMARK,
    names.SETTING,
    names.QUERY_LANGUAGE,
    names.POOL_LANGUAGE,
    names.QUESTION_ID,
    names.CLUSTER,
    names.POOL_SIZE,
    names.N_RELEVANT,
    *names.MEASURES,
    names.BEST_RANK,
    names.WORST_RANK,
    names.BEST_RANK_SEEN,
    names.WORST_RANK_SEEN,
    names.TOP1_LANGUAGE,
    names.BEST_IS_OWN,
    names.EQUAL_RANKS,
    *names.LANGUAGE_COLUMNS,
)


def per_query_table(
    benchmark: Benchmark, ranks: RelevantRanks, seen_languages: Collection[str]
) -> pd.DataFrame:
    """Measure every query in every pool that has a relevant passage.

    Args:
        benchmark: queries, pools and relevance.
        ranks: from `hybridir.retrieval`, for the same benchmark.
        seen_languages: languages that the retriever was trained on.

    Returns:
        The columns `COLUMNS`, the rows of the settings one after the other.
        Clusters are those of the benchmark, see `hybridir.data.Benchmark`.
        The pool language is ``"all"`` in the multilingual setting. Ranks start at 1.
        Some columns have values in multilingual rows alone: the best and the worst rank among the
        relevant passages in seen languages (missing unless these are in two seen languages); the
        language of the first-ranked passage; whether the best relevant passage is in the
        question's language (missing unless some are and some are not); p of the test that
        relevant passages of all languages rank alike (`hybridir.evaluation.language_bias.peer`;
        missing where all are in one language); and those of
        `hybridir.evaluation.language_columns`.
        What the benchmark's judgements add, see `hybridir.evaluation.judged_rows`.
        Answer F1 is that of the gold passages in the pool's language, in multilingual rows of
        those in the question's language; missing where `hybridir.evaluation.answer_f1` has none.

    >>> from hybridir.data.synthetic.corpus import synthetic_corpus
    >>> from hybridir.retrieval import bm25_scorer, rank_scores
    >>> benchmark = synthetic_corpus(languages=2, seed=20, entities=1).test
    >>> table = per_query_table(benchmark, rank_scores(benchmark, bm25_scorer(benchmark)), {"qa"})
    >>> table.groupby("setting", observed=True).size().to_dict()
    {'monolingual': 480, 'crosslingual': 480, 'multilingual': 480}
    """
    seen = set(map(tag_of, seen_languages))
    seen_L = np.array([tag_of(language) in seen for language in benchmark.languages])
    multilingual = _multilingual_rows(benchmark, ranks, seen_L)
    columns = _single_language_rows(benchmark, ranks)
    higher_RL, top1_Q = ranks.higher_RL, ranks.top1_Q
    del ranks
    # Column by column, so that none is in memory twice for longer than necessary.
    for name in list(columns):
        columns[name] = _concatenated(columns[name], multilingual.pop(name))
    table = _readable(columns, benchmark)
    return with_judgements(table, benchmark, higher_RL, top1_Q)


def write_per_query(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, all of it or nothing.

    Args:
        table: per-query table.
        path: file; a missing folder is made, an older file is replaced.
    """
    with atomic_write(path) as partial:
        table.to_parquet(partial, engine="pyarrow", compression="zstd", index=False)


def _single_language_rows(benchmark: Benchmark, ranks: RelevantRanks) -> Columns:
    """Rows of the monolingual, then of the cross-lingual setting, with numbers for names."""
    query_R, language_R = benchmark.relevant_queries, benchmark.relevant_languages
    rank_R = 1 + ranks.higher_RL[np.arange(len(language_R)), language_R].astype(np.int64)
    setting_R = (language_R != benchmark.query_languages[query_R]).astype(np.int64)
    shape = (2, len(benchmark.queries), len(benchmark.languages))  # 2: as in names.SETTINGS
    groups = _Groups(np.ravel_multi_index((setting_R, query_R, language_R), shape), rank_R)
    setting_G, query_G, pool_G = np.unravel_index(groups.key_G, shape)
    missing_G = np.ones(len(query_G), dtype=np.bool_)
    no_rank_G = pd.arrays.IntegerArray(np.zeros(len(query_G), dtype=np.int32), missing_G)
    return {
        **groups.columns(
            benchmark, ranks.top1_QL[query_G, pool_G], np.ones(len(rank_R), dtype=np.bool_)
        ),
        names.SETTING: setting_G.astype(np.int32),
        names.QUESTION_ID: query_G.astype(np.int32),
        names.QUERY_LANGUAGE: benchmark.query_languages[query_G],
        names.POOL_LANGUAGE: pool_G.astype(np.int32),
        names.POOL_SIZE: np.diff(benchmark.pool_offsets)[pool_G].astype(np.int32),
        names.BEST_RANK_SEEN: no_rank_G,
        names.WORST_RANK_SEEN: no_rank_G,
        names.TOP1_LANGUAGE: np.full(len(query_G), -1, dtype=np.int32),
        names.BEST_IS_OWN: pd.arrays.BooleanArray(missing_G, missing_G),
        names.EQUAL_RANKS: np.full(len(query_G), np.nan),
        **missing_language_columns(len(query_G)),
    }


def _multilingual_rows(
    benchmark: Benchmark, ranks: RelevantRanks, seen_L: NDArray[np.bool_]
) -> Columns:
    """Rows of the multilingual setting, with numbers for names."""
    query_R, language_R = benchmark.relevant_queries, benchmark.relevant_languages
    rank_R = 1 + ranks.higher_RL.sum(axis=1, dtype=np.int64)
    groups = _Groups(query_R, rank_R)
    query_G = groups.key_G
    seen_R = seen_L[language_R]
    seen = _Groups(query_R[seen_R], rank_R[seen_R])
    seen_counts_GL = _count_languages(seen.ranks, language_R[seen_R][seen.order_R])
    is_parallel_G = (seen_counts_GL > 0).sum(axis=1) > 1
    best_seen_G, worst_seen_G = (
        pd.Series(rank_G[is_parallel_G], index=seen.key_G[is_parallel_G], dtype="Int32")
        .reindex(query_G)
        .array
        for rank_G in (seen.best_G, seen.worst_G)
    )
    own_R = (language_R == benchmark.query_languages[query_R])[groups.order_R]
    n_own_G = groups.ranks.total(own_R.astype(np.float64))
    no_choice_G = (n_own_G == 0) | (n_own_G == groups.ranks.sizes_G)
    first_own_G = own_R[groups.ranks.offsets[:-1]]
    return {
        **groups.columns(benchmark, ranks.top1_Q[query_G], own_R),
        names.SETTING: np.full(len(query_G), names.SETTINGS.index(names.MULTILINGUAL), np.int32),
        names.QUESTION_ID: query_G.astype(np.int32),
        names.QUERY_LANGUAGE: benchmark.query_languages[query_G],
        # The number behind the last language stands for all languages.
        names.POOL_LANGUAGE: np.full(len(query_G), len(benchmark.languages), np.int32),
        names.POOL_SIZE: np.full(len(query_G), len(benchmark.passages), np.int32),
        names.BEST_RANK_SEEN: best_seen_G,
        names.WORST_RANK_SEEN: worst_seen_G,
        names.TOP1_LANGUAGE: benchmark.passage_languages[ranks.top1_Q[query_G]],
        names.BEST_IS_OWN: pd.arrays.BooleanArray(first_own_G, no_choice_G),
        names.EQUAL_RANKS: _equal_ranks(groups.ranks, language_R[groups.order_R]),
        **complete_columns(groups.ranks, language_R[groups.order_R]),
        **bilingual_columns(benchmark, ranks, query_G),
    }


def _concatenated(first: Column, second: Column) -> Column:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        return np.concatenate([first, second])
    return pd.concat([pd.Series(first), pd.Series(second)], ignore_index=True).array


def _equal_ranks(groups: RankedGroups, language_R: Ints) -> NDArray[np.float64]:
    """[G] p of Kruskal and Wallis' test that the relevant passages of all languages rank alike.

    NaN where all are in one language. No two ranks are equal, so the statistic needs no correction
    for ties.
    """
    count_GL = _count_languages(groups, language_R)
    total_GL = _count_languages(groups, language_R, groups.hits_R)
    mean_squares_G = (total_GL**2 / np.maximum(count_GL, 1)).sum(axis=1)
    n_G = groups.sizes_G.astype(np.float64)
    statistic_G = 12 / (n_G * (n_G + 1)) * mean_squares_G - 3 * (n_G + 1)
    languages_G = (count_GL > 0).sum(axis=1)
    p_G: NDArray[np.float64] = chdtrc(np.maximum(languages_G - 1, 1), statistic_G)
    return np.where(languages_G > 1, p_G, np.nan)


def _count_languages(
    groups: RankedGroups, language_R: Ints, weights_R: Ints | None = None
) -> NDArray[Any]:
    """[G, L] number of relevant passages by language, or the sum of their weights."""
    n_groups, n_languages = len(groups.sizes_G), int(language_R.max(initial=0)) + 1
    bin_R = np.repeat(np.arange(n_groups) * n_languages, groups.sizes_G) + language_R
    counts = np.bincount(bin_R, weights_R, n_groups * n_languages)
    return counts.reshape(n_groups, n_languages)


class _Groups:
    """Relevant occurrences grouped by a key, such as a query with a pool, best rank first.

    Attributes:
        key_G: keys, ascending.
        order_R: index of each grouped occurrence in the arguments.
        ranks: ranks of the groups.
    """

    def __init__(self, key_R: Ints, rank_R: Ints) -> None:
        self.order_R = np.lexsort((rank_R, key_R))
        self.key_G, starts = np.unique(key_R[self.order_R], return_index=True)
        self.ranks = RankedGroups(rank_R[self.order_R], np.append(starts, len(self.order_R)))

    @property
    def best_G(self) -> NDArray[np.int32]:
        return self.ranks.ranks_R[self.ranks.offsets[:-1]].astype(np.int32)

    @property
    def worst_G(self) -> NDArray[np.int32]:
        return self.ranks.ranks_R[self.ranks.offsets[1:] - 1].astype(np.int32)

    def columns(
        self, benchmark: Benchmark, top1_G: NDArray[np.int32], is_gold_R: NDArray[np.bool_]
    ) -> Columns:
        """Measures and extreme ranks of the groups.

        Args:
            benchmark: passages.
            top1_G: the first passage of each group's pool.
            is_gold_R: whether a relevant passage, in the order of `ranks`, counts for answer F1.
        """
        relevant_R = benchmark.relevant[self.order_R]
        gold_R, gold_offsets = choose_gold(relevant_R, self.ranks.offsets, is_gold_R)
        return {
            names.N_RELEVANT: self.ranks.sizes_G.astype(np.int32),
            **all_measures(self.ranks),
            **answer_f1(benchmark, top1_G, gold_R, gold_offsets),
            names.BEST_RANK: self.best_G,
            names.WORST_RANK: self.worst_G,
        }


def _readable(columns: Columns, benchmark: Benchmark) -> pd.DataFrame:
    """Replace numbers by names; as categories, repeated strings take little memory."""
    languages = list(benchmark.languages)
    query_G = columns[names.QUESTION_ID]
    question_of_query, questions = pd.factorize(np.array(benchmark.question_ids, dtype=object))
    cluster_of_query, clusters = pd.factorize(np.array(benchmark.clusters, dtype=object))
    columns[names.BENCHMARK] = np.zeros(len(columns[names.SETTING]), dtype=np.int32)
    columns[names.QUESTION_ID] = question_of_query[query_G]
    columns[names.CLUSTER] = cluster_of_query[query_G]
    for column, categories in (
        (names.BENCHMARK, [benchmark.name]),
        (names.SETTING, names.SETTINGS),
        (names.QUESTION_ID, questions),
        (names.CLUSTER, clusters),
        (names.QUERY_LANGUAGE, languages),
        (names.POOL_LANGUAGE, [*languages, names.ALL_LANGUAGES]),
        (names.TOP1_LANGUAGE, languages),
    ):
        columns[column] = pd.Categorical.from_codes(columns[column], pd.Index(categories))
    return pd.DataFrame({name: columns.pop(name) for name in COLUMNS}, copy=False)
