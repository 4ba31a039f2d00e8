"""The per-query table: the primary result of an evaluation, one row per query and pool.

Q queries, N passages, D dimensions, L languages, R relevant occurrences, G rows.

Every other figure is an aggregate of this table (`hybridir.summary`, `hybridir.bias`).
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names
from hybridir.data.benchmark import Benchmark
from hybridir.files import replacing
from hybridir.metrics import RankedGroups, all_measures
from hybridir.ranking import RelevantRanks, rank_relevant

Ints = NDArray[np.int64]
COLUMNS = (
    names.BENCHMARK,
    names.SETTING,
    names.QUERY_LANGUAGE,
    names.POOL_LANGUAGE,
    names.QUESTION_ID,
    names.POOL_SIZE,
    names.N_RELEVANT,
    *names.MEASURES,
    names.BEST_RANK,
    names.WORST_RANK,
    names.BEST_RANK_SEEN,
    names.WORST_RANK_SEEN,
    names.TOP1_LANGUAGE,
)


def per_query_table(
    benchmark: Benchmark,
    queries_QD: NDArray[np.float32],
    passages_ND: NDArray[np.float32],
    seen_languages: Collection[str],
) -> pd.DataFrame:
    """Score every query in every pool that holds something relevant to it.

    Args:
        benchmark: queries, pools and relevance.
        queries_QD: embeddings of `benchmark.queries`, numpy float32; scores are dot products.
        passages_ND: embeddings of `benchmark.passages`, numpy float32.
        seen_languages: languages that the encoder was trained on.

    Returns:
        The columns `COLUMNS`, the rows of the settings one after the other. The pool language is
        ``"all"`` in the multilingual setting. Ranks start at 1. Multilingual rows alone have
        the best and worst rank among the relevant passages in seen languages (missing if
        there is none) and the language of the first-ranked passage.

    Raises:
        TrialError: if a score is NaN.
    """
    ranks = rank_relevant(
        queries_QD,
        passages_ND,
        benchmark.pools,
        benchmark.relevant_offsets,
        benchmark.relevant,
        benchmark.passage_ids,
    )
    query_R = np.repeat(np.arange(len(benchmark.queries)), np.diff(benchmark.relevant_offsets))
    language_R = benchmark.passage_languages[benchmark.relevant].astype(np.int64)
    seen_L = np.array([language in seen_languages for language in benchmark.languages])
    table = pd.concat(
        [
            _single_language_rows(benchmark, ranks, query_R, language_R),
            _multilingual_rows(benchmark, ranks, query_R, seen_L[language_R]),
        ],
        ignore_index=True,
    )
    return _readable(table, benchmark)


def write_per_query(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, all of it or nothing.

    Args:
        table: per-query table.
        path: file; its folder is made if it is not there, an older file is replaced.
    """
    with replacing(path) as part:
        table.to_parquet(part, engine="pyarrow", compression="zstd", index=False)


def _single_language_rows(
    benchmark: Benchmark, ranks: RelevantRanks, query_R: Ints, language_R: Ints
) -> pd.DataFrame:
    """Rows of the monolingual, then of the cross-lingual setting, all names as numbers."""
    rank_R = 1 + ranks.higher_RL[np.arange(len(language_R)), language_R].astype(np.int64)
    setting_R = (language_R != benchmark.query_languages[query_R]).astype(np.int64)
    shape = (2, len(benchmark.queries), len(benchmark.languages))  # 2: as in names.SETTINGS
    table, key_G = _score(np.ravel_multi_index((setting_R, query_R, language_R), shape), rank_R)
    setting_G, query_G, pool_G = np.unravel_index(key_G, shape)
    table[names.SETTING] = setting_G.astype(np.int32)
    table[names.QUESTION_ID] = query_G.astype(np.int32)
    table[names.QUERY_LANGUAGE] = benchmark.query_languages[query_G]
    table[names.POOL_LANGUAGE] = pool_G.astype(np.int32)
    table[names.POOL_SIZE] = np.diff(benchmark.pools)[pool_G].astype(np.int32)
    for column in (names.BEST_RANK_SEEN, names.WORST_RANK_SEEN):
        table[column] = pd.array([pd.NA] * len(table), dtype="Int32")
    table[names.TOP1_LANGUAGE] = np.int32(-1)
    return table


def _multilingual_rows(
    benchmark: Benchmark, ranks: RelevantRanks, query_R: Ints, seen_R: NDArray[np.bool_]
) -> pd.DataFrame:
    """Rows of the multilingual setting, all names as numbers."""
    rank_R = 1 + ranks.higher_RL.sum(axis=1, dtype=np.int64)
    table, query_G = _score(query_R, rank_R)
    table[names.SETTING] = np.int32(names.SETTINGS.index(names.MULTILINGUAL))
    table[names.QUESTION_ID] = query_G.astype(np.int32)
    table[names.QUERY_LANGUAGE] = benchmark.query_languages[query_G]
    table[names.POOL_LANGUAGE] = np.int32(len(benchmark.languages))  # stands for all of them
    table[names.POOL_SIZE] = np.int32(len(benchmark.passages))
    seen, seen_query_G = _score(query_R[seen_R], rank_R[seen_R])
    for column, of_seen in (
        (names.BEST_RANK, names.BEST_RANK_SEEN),
        (names.WORST_RANK, names.WORST_RANK_SEEN),
    ):
        values = pd.Series(seen[column].to_numpy(), index=seen_query_G, dtype="Int32")
        table[of_seen] = values.reindex(query_G).array
    table[names.TOP1_LANGUAGE] = benchmark.passage_languages[ranks.top1_Q[query_G]]
    return table


def _score(key_R: Ints, rank_R: Ints) -> tuple[pd.DataFrame, Ints]:
    """Compute what the ranks of a group tell; occurrences of one key are a group.

    Returns:
        The table of measures and extreme ranks, and the [G] keys of its rows, ascending.
    """
    order = np.lexsort((rank_R, key_R))
    key_G, starts = np.unique(key_R[order], return_index=True)
    groups = RankedGroups(rank_R[order], np.append(starts, len(order)))
    table = pd.DataFrame(
        {
            names.N_RELEVANT: groups.sizes_G.astype(np.int32),
            **all_measures(groups),
            names.BEST_RANK: groups.ranks_R[groups.offsets[:-1]].astype(np.int32),
            names.WORST_RANK: groups.ranks_R[groups.offsets[1:] - 1].astype(np.int32),
        }
    )
    return table, key_G


def _readable(table: pd.DataFrame, benchmark: Benchmark) -> pd.DataFrame:
    """Replace numbers by names; categories keep repeated strings small."""
    languages = list(benchmark.languages)
    question_of_query, questions = pd.factorize(np.array(benchmark.question_ids, dtype=object))
    table[names.BENCHMARK] = np.int32(0)
    table[names.QUESTION_ID] = question_of_query[table[names.QUESTION_ID].to_numpy()]
    for column, categories in (
        (names.BENCHMARK, [benchmark.name]),
        (names.SETTING, names.SETTINGS),
        (names.QUESTION_ID, questions),
        (names.QUERY_LANGUAGE, languages),
        (names.POOL_LANGUAGE, [*languages, names.ALL_LANGUAGES]),
        (names.TOP1_LANGUAGE, languages),
    ):
        table[column] = pd.Categorical.from_codes(table[column].to_numpy(), pd.Index(categories))
    return table[list(COLUMNS)]
