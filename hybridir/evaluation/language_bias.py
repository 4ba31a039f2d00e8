"""Language bias of a retriever, from the multilingual rows of a per-query table.

L languages.

The table is that of `hybridir.evaluation.per_query`, for one benchmark. This file needs pandas
and scipy only, so that the analysis can use it as well.
"""

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from hybridir import names


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
        Share in [0, 1], the mean over question languages; NaN without a multilingual row.
        Without bias the share of the relevant passages that are in the question's language.
    """
    rows = _multilingual(table)
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
