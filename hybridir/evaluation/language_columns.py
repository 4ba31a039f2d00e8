"""Columns of the per-query table that compare languages, for rows of the multilingual setting.

Q queries, G rows, each of another query; g of them that have a pool of two languages; R relevant
occurrences of the rows; r of them in such a pool.

Complete@k asks whether all relevant passages are among the first k of the multilingual pool.
Pools of two languages hold the passages of the question's language and of English, for questions
in other languages. Their ranks follow from the counts by language, without another sweep.

Source: Max@R, Complete@k and pools with English are of arXiv 2604.05684 (ICLR 2026), read in
summaries. The rules for missing values, R as a cut-off, mean precision and the second relevance in
`names.BILINGUAL_ENGLISH_AP` are the project's own.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names
from hybridir.data import Benchmark
from hybridir.evaluation.measures import RankedGroups, average_precision
from hybridir.languages import find_english
from hybridir.retrieval.ranks import RelevantRanks

Bools = NDArray[np.bool_]
Columns = dict[str, Any]
# Columns of other types than yes and no.
_TYPES: dict[str, type[np.generic]] = {
    names.BILINGUAL_AP: np.float64,
    names.BILINGUAL_OWN_AP: np.float64,
    names.BILINGUAL_ENGLISH_AP: np.float64,
    names.BILINGUAL_WORST_RANK: np.int32,
}


def missing_language_columns(count: int) -> Columns:
    """All columns of `names.LANGUAGE_COLUMNS` for rows of other settings: `count` missing values.

    >>> missing_language_columns(2)["complete_at_r"]
    <BooleanArray>
    [<NA>, <NA>]
    Length: 2, dtype: boolean
    """
    nowhere = np.empty(0, dtype=np.int64)
    return {
        name: _spread(np.empty(0, dtype=_TYPES.get(name, np.bool_)), nowhere, count)
        for name in names.LANGUAGE_COLUMNS
    }


def complete_columns(groups: RankedGroups, language_R: NDArray[np.int64]) -> Columns:
    """Whether all relevant passages are among the first 10, the first 20 and the first R.

    Missing where all relevant passages are in one language, and so have no translation; and for 10
    and 20 where more than that many are relevant, so that the answer is no for any retriever.

    Args:
        groups: ranks of the relevant passages in the multilingual pool.
        language_R: their languages.

    Returns:
        `names.COMPLETE_COLUMNS`, [G] each.

    >>> ranks = RankedGroups(np.array([1, 2, 4, 9]), np.array([0, 2, 4]))
    >>> complete_columns(ranks, np.array([0, 1, 0, 1]))["complete_at_r"].tolist()
    [True, False]
    """
    if not len(groups.sizes_G):
        return {name: pd.array([], dtype="boolean") for name in names.COMPLETE_COLUMNS}
    starts = groups.offsets[:-1]
    worst_G, sizes_G = groups.ranks_R[groups.offsets[1:] - 1], groups.sizes_G
    lowest_G, highest_G = (
        extreme.reduceat(language_R, starts) for extreme in (np.minimum, np.maximum)
    )
    alone_G = lowest_G == highest_G
    cutoffs = (np.full_like(sizes_G, 10), np.full_like(sizes_G, 20), sizes_G)
    return {
        name: pd.arrays.BooleanArray(worst_G <= cutoff_G, alone_G | (sizes_G > cutoff_G))
        for name, cutoff_G in zip(names.COMPLETE_COLUMNS, cutoffs, strict=True)
    }


def bilingual_columns(
    benchmark: Benchmark, ranks: RelevantRanks, query_G: NDArray[np.int64]
) -> Columns:
    """Measure questions in the pool of their own language together with English.

    Missing for questions in English, and for those without a relevant passage in either language.
    Relevant are

    - the passages of both languages: `names.BILINGUAL_AP`, the rank of the worst one, and whether
      all are among the first R;
    - those of the question's language alone, the English ones being taken out of the pool:
      `names.BILINGUAL_OWN_AP`; all English passages are then distractors;
    - the English ones alone, those of the question's language being taken out:
      `names.BILINGUAL_ENGLISH_AP`.

    `names.ENGLISH_FIRST` says whether the first passage of the second pool is English, and
    `names.ENGLISH_FIRST_OF_BOTH` whether that of the first pool is English and not relevant.

    Args:
        benchmark: queries, pools and relevance.
        ranks: from `hybridir.retrieval`, for the same benchmark.
        query_G: number of each row's query.

    Returns:
        `names.BILINGUAL_COLUMNS`, [G] each.
    """
    firsts_Q2 = ranks.top1_bilingual_Q2
    if firsts_Q2 is None:
        columns = missing_language_columns(len(query_G))
        return {name: columns[name] for name in names.BILINGUAL_COLUMNS}
    row_g = np.flatnonzero(firsts_Q2[query_G, 0] >= 0)
    query_g = query_G[row_g]
    groups, own_r = _two_languages(benchmark, ranks, query_g)
    english = find_english(benchmark.languages)
    first_english_g2 = benchmark.passage_languages[firsts_Q2[query_g]] == english
    best_g, worst_g = (groups.ranks_R[at] for at in (groups.offsets[:-1], groups.offsets[1:] - 1))
    values = {
        names.BILINGUAL_AP: average_precision(groups),
        names.BILINGUAL_OWN_AP: average_precision(_alone(groups, own_r)),
        names.BILINGUAL_ENGLISH_AP: average_precision(_alone(groups, ~own_r)),
        names.BILINGUAL_WORST_RANK: worst_g.astype(np.int32),
        names.BILINGUAL_COMPLETE_AT_R: worst_g <= groups.sizes_G,
        names.ENGLISH_FIRST: first_english_g2[:, 1],
        names.ENGLISH_FIRST_OF_BOTH: first_english_g2[:, 0] & (best_g > 1),
    }
    return {name: _spread(values_g, row_g, len(query_G)) for name, values_g in values.items()}


def _spread(values_g: NDArray[Any], row_g: NDArray[np.int64], count: int) -> Any:
    """Put values into rows of a column; the others are missing."""
    values_G = np.full(count, np.nan if values_g.dtype == np.float64 else 0, values_g.dtype)
    values_G[row_g] = values_g
    if values_g.dtype == np.float64:
        return values_G
    missing_G = np.ones(count, dtype=np.bool_)
    missing_G[row_g] = False
    if values_g.dtype == np.bool_:
        return pd.arrays.BooleanArray(values_G, missing_G)
    return pd.arrays.IntegerArray(values_G, missing_G)


def _two_languages(
    benchmark: Benchmark, ranks: RelevantRanks, query_g: NDArray[np.int64]
) -> tuple[RankedGroups, Bools]:
    """Relevant passages of both languages, ranked in their pool, and which are not English."""
    english = find_english(benchmark.languages)
    query_R, language_R = benchmark.relevant_queries, benchmark.relevant_languages
    own_language_R = benchmark.query_languages[query_R]
    counted_Q = np.zeros(len(benchmark.queries), dtype=np.bool_)
    counted_Q[query_g] = True
    row_of_Q = np.cumsum(counted_Q) - 1
    in_pool_R = (language_R == own_language_R) | (language_R == english)
    at_r = np.flatnonzero(counted_Q[query_R] & in_pool_R)
    higher_r = ranks.higher_RL[at_r, own_language_R[at_r]].astype(np.int64)
    rank_r = 1 + higher_r + ranks.higher_RL[at_r, english]
    group_r = row_of_Q[query_R[at_r]]
    order_r = np.lexsort((rank_r, group_r))
    offsets = np.append(0, np.cumsum(np.bincount(group_r, minlength=len(query_g))))
    return RankedGroups(rank_r[order_r], offsets), language_R[at_r[order_r]] != english


def _alone(groups: RankedGroups, chosen_r: Bools) -> RankedGroups:
    """Groups of the chosen passages alone, in pools that the other relevant ones have left.

    Each rank falls by the number of the others above it.
    """
    sizes_g = groups.total(chosen_r.astype(np.float64)).astype(np.int64)
    chosen = RankedGroups(groups.ranks_R[chosen_r], np.append(0, np.cumsum(sizes_g)))
    others_above = groups.hits_R[chosen_r] - chosen.hits_R
    return RankedGroups(chosen.ranks_R - others_above, chosen.offsets)
