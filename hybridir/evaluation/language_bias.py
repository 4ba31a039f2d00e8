"""Language bias of a retriever, from the multilingual rows of a per-query table.

L languages.

The table is that of `hybridir.evaluation.per_query`, for one benchmark. This file needs pandas
and scipy only, so that the analysis can use it as well.
"""

import math

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from hybridir import names

COLUMN_OF = {
    names.BILINGUAL_MAP: names.BILINGUAL_AP,
    names.BILINGUAL_MAX_AT_R: names.BILINGUAL_WORST_RANK,
    names.BILINGUAL_COMPLETE_AT_R: names.BILINGUAL_COMPLETE_AT_R,
    names.BILINGUAL_OWN_MAP: names.BILINGUAL_OWN_AP,
    names.BILINGUAL_ENGLISH_MAP: names.BILINGUAL_ENGLISH_AP,
    names.ENGLISH_INCLINATION: names.ENGLISH_FIRST,
    names.ENGLISH_INCLINATION_BOTH: names.ENGLISH_FIRST_OF_BOTH,
}
"""Measures of pools of two languages -> the columns whose `column_mean` they are."""


def rank_distance(table: pd.DataFrame, seen_only: bool = False) -> float:
    """Mean distance between a question's relevant passages in the multilingual pool.

    For each question the worst minus the best rank of its relevant passages; the mean over
    questions; then the mean over question languages.
    A question whose relevant passages are all in one language has no distance.

    Args:
        table: per-query table of one benchmark.
        seen_only: count relevant passages in seen languages alone. Their ranks are still those in
            the pool of all languages; questions without such passages in two languages are left
            out.

    Returns:
        Distance in ranks, lower is better; NaN without such a question.

    Source: after Huang et al., SIGIR 2023, arXiv 2305.09025.
    """
    rows = _multilingual(table)
    best = names.BEST_RANK_SEEN if seen_only else names.BEST_RANK
    worst = names.WORST_RANK_SEEN if seen_only else names.WORST_RANK
    distance = (rows[worst] - rows[best])[is_parallel(rows)].dropna().astype("float64")
    language = rows.loc[distance.index, names.QUERY_LANGUAGE]
    return float(distance.groupby(language, observed=True).mean().mean())


def is_parallel(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a question has relevant passages in several languages, for each row.

    Args:
        rows: multilingual rows of a per-query table.

    Returns:
        One value a row, in its index. Tables of version 0.1 do not tell; there a question counts
        if it has two relevant passages.
    """
    if names.EQUAL_RANKS in rows:
        return rows[names.EQUAL_RANKS].notna()
    return rows[names.WORST_RANK] > rows[names.BEST_RANK]


def top1_languages(table: pd.DataFrame) -> pd.DataFrame:
    """Languages of the first passages in the multilingual pool.

    Args:
        table: per-query table of one benchmark.

    Returns:
        [L, L] shares; a row for each question language, with sum 1, and a column for each language
        of a first-ranked passage.
    """
    rows = _multilingual(table)
    question = rows[names.QUERY_LANGUAGE].astype("str")
    first = rows[names.TOP1_LANGUAGE].astype("str")
    shares = pd.crosstab(question, first, normalize="index")
    languages = sorted({*question, *first})
    return shares.reindex(index=sorted(set(question)), columns=languages, fill_value=0.0)


def top1_own_language(table: pd.DataFrame) -> float:
    """Share of questions whose first passage in the multilingual pool is in their own language.

    Args:
        table: per-query table of one benchmark.

    Returns:
        Share in [0, 1], the mean over question languages; NaN where no question has relevant
        passages in several languages, and so no choice between them.
        Without bias the share of the relevant passages that are in the question's language.
    """
    rows = _multilingual(table)
    if not is_parallel(rows).any():
        return math.nan
    question = rows[names.QUERY_LANGUAGE].astype("str")
    own = (question == rows[names.TOP1_LANGUAGE].astype("str")).astype("float64")
    return float(own.groupby(question).mean().mean())


def language_preference(table: pd.DataFrame) -> float:
    """Share of questions whose best relevant passage is in the question's language.

    Counted in the multilingual pool, over questions with relevant passages in their own language
    and in another one; then the mean over question languages.
    Only relevant passages count, so that unlike `top1_own_language` the figure does not fall where
    retrieval is bad.

    Args:
        table: per-query table of one benchmark.

    Returns:
        Share in [0, 1]; NaN without such a question. Without bias one over the number of languages
        of the relevant passages.

    Source: language preference rate (LPR), Jang et al. 2026, arXiv 2605.07249.
    """
    own = _multilingual(table)[names.BEST_IS_OWN].dropna().astype("float64")
    language = table.loc[own.index, names.QUERY_LANGUAGE]
    return float(own.groupby(language, observed=True).mean().mean())


def peer(table: pd.DataFrame) -> float:
    """Mean p of the test that relevant passages of all languages have equal expected ranks.

    For each question the p-value of Kruskal and Wallis' test of the ranks of its relevant passages
    in the multilingual pool, grouped by language; none where all are in one language.
    The mean over questions, then over question languages. Ranks have no cut-off.
    With one relevant passage in each language, as in XQuAD-R, the test has no power, and p depends
    on the number of languages alone: see `peer_can_tell`.

    Args:
        table: per-query table of one benchmark.

    Returns:
        Mean p in [0, 1], 1 at best; NaN without a question with relevant passages in two
        languages.

    Source: PEER, Yang et al. 2024, arXiv 2405.00978, with weight on relevant passages alone.
    """
    rows = _multilingual(table)
    by_language = rows.groupby(names.QUERY_LANGUAGE, observed=True)[names.EQUAL_RANKS]
    return float(by_language.mean().mean())


def max_at_r(table: pd.DataFrame, normalised: bool = False) -> float:
    """Mean depth of the multilingual pool at which all relevant passages are found.

    For each question the worst rank of its relevant passages; the mean over questions with
    relevant passages in several languages; then the mean over question languages.
    `rank_distance` is this less the best rank.

    Args:
        table: per-query table of one benchmark.
        normalised: divide by the size of the pool, which is the project's own.

    Returns:
        Mean rank, or share of the pool in (0, 1]; NaN without such a question. At best the number
        of relevant passages, or that over the size.

    Source: arXiv 2604.05684 (ICLR 2026).
    """
    rows = _multilingual(table)
    rows = rows[rows[names.COMPLETE_AT_R].notna()]
    depth = rows[names.WORST_RANK].astype("float64")
    return _mean_of_languages(depth / rows[names.POOL_SIZE] if normalised else depth, rows)


def first_hits(table: pd.DataFrame) -> pd.Series:
    """Whether each question's first passage is relevant, and whether in the question's language.

    Counted in the multilingual pool, over questions with relevant passages in their own language
    and in another one, as in `language_preference`: the others leave no choice.

    Args:
        table: per-query table of one benchmark.

    Returns:
        One of `names.FIRST_HITS` for each such row, under the row's label.

    Source: four-way decomposition, Jang et al. 2026, arXiv 2605.07249.
    """
    rows = _with_choice(table)
    right = rows[names.HIT_AT_1] == 1
    own = rows[names.QUERY_LANGUAGE].astype("str") == rows[names.TOP1_LANGUAGE].astype("str")
    hits = pd.Series(names.TOP1_WRONG_OTHER, index=rows.index, dtype="object")
    hits[right & own], hits[right & ~own] = names.TOP1_RIGHT_OWN, names.TOP1_RIGHT_OTHER
    hits[~right & own] = names.TOP1_WRONG_OWN
    return hits


def first_hit_shares(table: pd.DataFrame) -> dict[str, float]:
    """Shares of the four kinds of `first_hits`, the means over question languages.

    Args:
        table: per-query table of one benchmark.

    Returns:
        A share for each of `names.FIRST_HITS`, their sum 1; all NaN without such a question.
    """
    hits, rows = first_hits(table), _with_choice(table)
    return {kind: _mean_of_languages(hits == kind, rows) for kind in names.FIRST_HITS}


def column_mean(table: pd.DataFrame, column: str) -> float:
    """Mean of a column that compares languages, over questions, then over question languages.

    In pools of two languages every question language is a pair with English.

    Args:
        table: per-query table of one benchmark.
        column: one of `names.LANGUAGE_COLUMNS`; questions without a value are left out.

    Returns:
        The mean; NaN without a value.
    """
    rows = _multilingual(table)
    rows = rows[rows[column].notna()]
    return _mean_of_languages(rows[column], rows)


def language_comparisons(table: pd.DataFrame) -> dict[str, float]:
    """Max@R, Complete@k, the shares of first hits, and the figures of pools of two languages.

    Args:
        table: per-query table of one benchmark.

    Returns:
        Values under their names in `names.BIAS_MEASURES`; those without a value are left out.

    Source: Complete@k and pools with English, arXiv 2604.05684 (ICLR 2026); see
    `hybridir.evaluation.language_columns`.
    """
    means = {
        names.MAX_AT_R: max_at_r(table),
        names.MAX_AT_R_SHARE: max_at_r(table, normalised=True),
        **{column: column_mean(table, column) for column in names.COMPLETE_COLUMNS},
        **first_hit_shares(table),
        **{measure: column_mean(table, column) for measure, column in COLUMN_OF.items()},
    }
    return {measure: value for measure, value in means.items() if not math.isnan(value)}


def _with_choice(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of questions with relevant passages in their own language and in another one."""
    rows = _multilingual(table)
    return rows[rows[names.BEST_IS_OWN].notna()]


def _mean_of_languages(values: pd.Series, rows: pd.DataFrame) -> float:
    """Mean of the question languages' means; values and rows have the same labels."""
    by_language = values.astype("float64").groupby(rows[names.QUERY_LANGUAGE], observed=True)
    return float(by_language.mean().mean())


def peer_can_tell(table: pd.DataFrame) -> bool:
    """Whether PEER depends on the ranking for most of its questions.

    Where a question has one relevant passage in each of n languages, the ranks 1 to n fall on n
    groups of one, and Kruskal and Wallis' statistic is n - 1 whatever the order: p is a constant.

    Args:
        table: per-query table of one benchmark.
    """
    rows = _multilingual(table).dropna(subset=[names.EQUAL_RANKS])
    freedom = rows[names.N_RELEVANT].to_numpy() - 1.0
    constant = np.isclose(rows[names.EQUAL_RANKS], chdtrc(freedom, freedom), rtol=1e-9)
    return bool((~constant).sum() > constant.sum())


def _multilingual(table: pd.DataFrame) -> pd.DataFrame:
    return table[table[names.SETTING] == names.MULTILINGUAL]
