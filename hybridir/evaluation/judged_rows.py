"""Rows of the per-query table by the rules of published evaluation, for judged benchmarks.

Q queries, L languages, R relevant occurrences, A absent ones, G rows.

trec_eval's measures count relevant passages that are not in the pool, and grades; a query without
any relevant passage has the value 0. Comparisons of languages go by the passages that are there.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names
from hybridir.data import Benchmark
from hybridir.evaluation.measures import NEVER, RankedGroups, all_measures

_KEYS = [names.QUERY_LANGUAGE, names.POOL_LANGUAGE, names.QUESTION_ID]
_MEASURED = (names.N_RELEVANT, names.POOL_SIZE, *names.RANK_MEASURES)
_RANKS = (names.BEST_RANK, names.WORST_RANK)


def with_judgements(
    table: pd.DataFrame,
    benchmark: Benchmark,
    higher_RL: NDArray[np.int32],
    top1_Q: NDArray[np.int32],
) -> pd.DataFrame:
    """Measure again where a benchmark's judgements tell more than which passages are relevant.

    Args:
        table: per-query table of the relevant passages in the pools.
        benchmark: queries, pools, relevance and judgements.
        higher_RL: `hybridir.retrieval.ranks.RelevantRanks.higher_RL`.
        top1_Q: its `top1_Q`.

    Returns:
        The table itself if no figure differs. Otherwise one with trec_eval's measures, and with
        rows of value 0 for queries whose relevant passages are all absent; ranks and comparisons
        of languages are missing there. Passages that a query must not find are not counted in its
        pool.
    """
    if not benchmark.judgements.change_measures:
        return table
    rows = _rows(benchmark, higher_RL)
    rows = rows.astype({key: table[key].dtype for key in _KEYS})
    keys = pd.MultiIndex.from_frame(rows[_KEYS].astype("str"))
    rest = table.drop(columns=[*_KEYS, *_MEASURED])
    rest.index = pd.MultiIndex.from_frame(table[_KEYS].astype("str"))
    rest = rest.reindex(keys).reset_index(drop=True)
    for column in _RANKS:
        rest[column] = rest[column].astype("Int32" if rest[column].hasnans else "int32")
    query_G = rows.pop("query").to_numpy()
    multilingual_G = (rows[names.POOL_LANGUAGE] == names.ALL_LANGUAGES).to_numpy()
    mono_G = (rows[names.POOL_LANGUAGE].astype("str") == rows[names.QUERY_LANGUAGE]).to_numpy()
    settings = np.select(
        [multilingual_G, mono_G], [names.MULTILINGUAL, names.MONOLINGUAL], names.CROSSLINGUAL
    )
    first = np.array(benchmark.languages)[benchmark.passage_languages[top1_Q[query_G]]]
    clusters = np.array(benchmark.clusters, dtype=object)[query_G]
    for column, values in (
        (names.BENCHMARK, np.full(len(rows), benchmark.name)),
        (names.SETTING, settings),
        (names.CLUSTER, clusters),
        (names.TOP1_LANGUAGE, np.where(multilingual_G, first, None)),
    ):
        rest[column] = pd.Series(values, index=rest.index).astype(table[column].dtype)
    order = np.lexsort((np.arange(len(rows)), rest[names.SETTING].cat.codes))
    judged = pd.concat([rows, rest], axis=1)[list(table.columns)]
    return judged.iloc[order].reset_index(drop=True)


def _rows(benchmark: Benchmark, higher_RL: NDArray[np.int32]) -> pd.DataFrame:
    """Keys and measures of each query in each pool that it has a judged passage for."""
    judged, n_languages = benchmark.judgements, len(benchmark.languages)
    n_present, n_absent = len(benchmark.relevant), len(judged.absent_queries)
    query = np.concatenate([benchmark.relevant_queries, judged.absent_queries])
    language = np.concatenate([benchmark.relevant_languages, judged.absent_languages])
    gains_R = np.ones(n_present) if judged.gains_R is None else judged.gains_R
    gain = np.concatenate([gains_R, judged.absent_gains])
    own_R = higher_RL[np.arange(n_present), benchmark.relevant_languages]
    never_A = np.full(n_absent, NEVER)
    # The pool of the passage's language, then that of all languages, which has the number L.
    ranks = [own_R + np.int64(1), never_A, 1 + higher_RL.sum(axis=1, dtype=np.int64), never_A]
    pool = np.concatenate([language, np.full(len(language), n_languages)])
    key = np.tile(query, 2) * (n_languages + 1) + pool
    rank = np.concatenate(ranks)
    order = np.lexsort((rank, key))
    key_G, starts = np.unique(key[order], return_index=True)
    offsets = np.append(starts, len(order))
    gains = np.tile(gain, 2)[order]
    groups = RankedGroups(rank[order], offsets, gains)
    query_G, pool_G = np.divmod(key_G, n_languages + 1)
    languages = np.array([*benchmark.languages, names.ALL_LANGUAGES])
    return pd.DataFrame(
        {
            "query": query_G,
            names.QUESTION_ID: np.array(benchmark.question_ids, dtype=object)[query_G],
            names.QUERY_LANGUAGE: languages[benchmark.query_languages[query_G]],
            names.POOL_LANGUAGE: languages[pool_G],
            names.POOL_SIZE: _pool_sizes(benchmark, query_G, pool_G).astype(np.int32),
            names.N_RELEVANT: groups.total(np.sign(gains)).astype(np.int32),
            **all_measures(groups),
        }
    )


def _pool_sizes(
    benchmark: Benchmark, query_G: NDArray[np.int64], pool_G: NDArray[np.int64]
) -> NDArray[np.int64]:
    """[G] passages in each row's pool, without those that the query must not find."""
    sizes = np.append(np.diff(benchmark.pool_offsets), len(benchmark.passages))
    sizes_G: NDArray[np.int64] = sizes[pool_G]
    excluded = benchmark.judgements.excluded
    for row in np.flatnonzero(np.isin(query_G, list(excluded))).tolist():
        keys = list(excluded[int(query_G[row])])
        languages = benchmark.passage_languages[keys]
        all_pools = pool_G[row] == len(benchmark.languages)
        sizes_G[row] -= len(keys) if all_pools else int((languages == pool_G[row]).sum())
    return sizes_G
