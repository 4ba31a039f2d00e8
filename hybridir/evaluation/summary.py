"""Means over a per-query table: the headline figures of a benchmark and its language matrix.

Needs pandas and scipy only, so that the analysis computes its figures by the same rules.
"""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from hybridir import names
from hybridir.evaluation import language_bias

# Of `language_bias.language_comparisons`; all others follow from the table.
COMPARISONS = (
    *(names.MAX_AT_R, names.COMPLETE_AT_R),
    *names.FIRST_HITS,
    names.ENGLISH_INCLINATION,
)

ABSENT = {
    names.MONOLINGUAL: "no passage answers a question in the question's language",
    names.CROSSLINGUAL: (
        "nothing is parallel, since no passage answers a question in another language; "
        "translations of a question share its id"
    ),
    names.LANGUAGE_BIAS: "no question has relevant passages in several languages",
    names.RANK_CORRELATION: "no question is asked in several languages",
}
"""Kinds of figures -> why a benchmark has none of them."""


def macro_mean(table: pd.DataFrame, measure: str, setting: str) -> float:
    """Mean of a measure in which every language, or pair of languages, weighs the same.

    Monolingual: the mean over languages of the mean over queries; cross-lingual: over ordered
    pairs of languages; multilingual: over question languages.

    Args:
        table: per-query table of one benchmark.
        measure: one of `names.MEASURES`.
        setting: one of `names.SETTINGS`.

    Returns:
        The mean; NaN if the table has no row of the setting.

    Source: Roy et al. 2020, arXiv 2004.05484, section 4.
    """
    return float(_cell_means(table[table[names.SETTING] == setting], measure).mean())


def macro_means(
    table: pd.DataFrame, measures: Sequence[str] = names.MEASURES
) -> dict[str, dict[str, float]]:
    """`macro_mean` of several measures, for each kind of setting in the table.

    Answer F1 is left out of the multilingual setting, where it ranks encoders backwards, see
    `hybridir.evaluation.answer_f1`.

    Returns:
        Setting -> name of the mean (``map``, ``mrr``, ``recall_at_1`` ...) -> value. A mean
        without a value has no name.
    """
    means: dict[str, dict[str, float]] = {}
    for setting in names.SETTINGS:
        if (table[names.SETTING] == setting).any():
            of_setting = {
                names.MEAN_NAMES.get(measure, measure): macro_mean(table, measure, setting)
                for measure in measures
                if _has_meaning(measure, setting)
            }
            means[setting] = _with_values(of_setting)
    return means


def setting_means(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Means over queries for each pair of question language and pool.

    Args:
        table: per-query table of one benchmark.

    Returns:
        For each pair its setting and languages, the number of queries ``n`` and the mean of every
        measure, under the names of means (``map``, ``mrr``, ``recall_at_1`` ...); settings in the
        order of `names.SETTINGS`, languages sorted. A mean without a value has no name, and answer
        F1 none in the multilingual setting, as in `macro_means`.
    """
    keys = [names.SETTING, names.QUERY_LANGUAGE, names.POOL_LANGUAGE]
    groups = table.groupby(keys, observed=True)
    means = groups[list(names.MEASURES)].mean()
    is_multilingual = means.index.get_level_values(names.SETTING) == names.MULTILINGUAL
    means.loc[is_multilingual, list(names.ANSWER_MEASURES)] = math.nan
    means = means.rename(columns=names.MEAN_NAMES)
    means.insert(0, "n", groups.size())
    rows = means.reset_index().astype(dict.fromkeys(keys, "str"))
    rows["order"] = rows[names.SETTING].map(names.SETTINGS.index)
    ordered = rows.sort_values(["order", *keys[1:]]).drop(columns="order")
    return [
        {str(key): value for key, value in row.items() if not pd.isna(value)}
        for row in ordered.to_dict("records")
    ]


def absent_figures(table: pd.DataFrame) -> dict[str, str]:
    """Say which kinds of figures a benchmark cannot have, and why.

    Args:
        table: per-query table of one benchmark.

    Returns:
        Entries of `ABSENT`; none for a benchmark whose questions are asked and answered in
        several languages.
    """
    rows = table[table[names.SETTING] == names.MULTILINGUAL]
    kinds: list[str] = [
        setting for setting in names.SETTINGS if (table[names.SETTING] == setting).any()
    ]
    if language_bias.is_parallel(rows).any():
        kinds.append(names.LANGUAGE_BIAS)
    if rows[names.QUESTION_ID].duplicated().any():
        kinds.append(names.RANK_CORRELATION)
    return {kind: reason for kind, reason in ABSENT.items() if kind not in kinds}


def language_matrix(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Means of a measure over queries, by pair of languages.

    Args:
        table: per-query table of one benchmark.
        measure: one of `names.MEASURES`.

    Returns:
        A row for each query language and a column for each pool language, both sorted. The
        diagonal is the monolingual setting, the rest the cross-lingual one; NaN where a pair has
        no query.
    """
    rows = table[table[names.SETTING].isin([names.MONOLINGUAL, names.CROSSLINGUAL])]
    matrix = _cell_means(rows, measure).unstack(names.POOL_LANGUAGE)
    assert isinstance(matrix, pd.DataFrame)
    matrix.index = matrix.index.astype("str")
    matrix.columns = matrix.columns.astype("str")
    return matrix.sort_index(axis=0).sort_index(axis=1)


def every_figure(table: pd.DataFrame) -> dict[str, float]:
    """Compute all figures of one benchmark that follow from its table.

    Args:
        table: per-query table of one benchmark.

    Returns:
        `summarise`'s metrics, the means of all measures, and all measures of language bias, under
        the names of metrics. A figure without a value has no name.
    """
    (benchmark,) = table[names.BENCHMARK].astype(str).unique()
    means = {
        f"{benchmark}/{name}_{setting}": value
        for setting, of_setting in macro_means(table).items()
        for name, value in of_setting.items()
    }
    comparisons = {
        names.bias_metric(benchmark, measure): value
        for measure, value in language_bias.language_comparisons(table).items()
    }
    return summarise(table) | means | _with_values(comparisons)


def summarise(table: pd.DataFrame) -> dict[str, float]:
    """Compute the headline metrics of every benchmark in a table.

    F1 at R stands beside mAP in every setting; where one passage is relevant, as in the
    monolingual and cross-lingual settings of XQuAD-R, it is hit@1.
    A figure without a value is left out. So a benchmark without language pairs has no
    cross-lingual mean, and its ``map_mean`` is over the settings that it has; instead it gets
    nDCG@10 in the monolingual setting, the figure that MIRACL reports.
    The rank distance over seen languages is left out where it equals the one over all languages,
    PEER where most questions have one relevant passage in each language, so that it is a constant,
    and answer F1 in the multilingual setting, where it ranks encoders backwards, see
    `hybridir.evaluation.answer_f1`.

    Args:
        table: per-query table.

    Returns:
        Metric name (`names.mean_metric`, `names.bias_metric`) -> value.
    """
    metrics: dict[str, float] = {}
    for benchmark, rows in table.groupby(names.BENCHMARK, observed=True):
        metrics |= _summarise_benchmark(str(benchmark), rows)
    return _with_values(metrics)


def _summarise_benchmark(benchmark: str, table: pd.DataFrame) -> dict[str, float]:
    maps = {
        names.mean_metric(benchmark, names.AP, setting): macro_mean(table, names.AP, setting)
        for setting in names.SETTINGS
    }
    metrics = dict(maps)
    metrics[names.mean_metric(benchmark, names.AP, "mean")] = float(pd.Series(maps).mean())
    for setting in names.SETTINGS:
        f1 = names.mean_metric(benchmark, names.SET_F1, setting)
        metrics[f1] = macro_mean(table, names.SET_F1, setting)
    for measure in (names.NDCG_AT_10, names.RECALL_AT_10):
        metrics[names.mean_metric(benchmark, measure, names.MULTILINGUAL)] = macro_mean(
            table, measure, names.MULTILINGUAL
        )
    if math.isnan(maps[names.mean_metric(benchmark, names.AP, names.CROSSLINGUAL)]):
        ndcg = names.mean_metric(benchmark, names.NDCG_AT_10, names.MONOLINGUAL)
        metrics[ndcg] = macro_mean(table, names.NDCG_AT_10, names.MONOLINGUAL)
    metrics[names.bias_metric(benchmark, names.RANK_DISTANCE)] = language_bias.rank_distance(table)
    if _has_unseen(table):
        metrics[names.bias_metric(benchmark, names.RANK_DISTANCE_SEEN)] = (
            language_bias.rank_distance(table, seen_only=True)
        )
    metrics[names.bias_metric(benchmark, names.TOP1_OWN_LANGUAGE)] = (
        language_bias.top1_own_language(table)
    )
    preference = language_bias.language_preference(table)
    metrics[names.bias_metric(benchmark, names.LANGUAGE_PREFERENCE)] = preference
    if language_bias.peer_can_tell(table):
        metrics[names.bias_metric(benchmark, names.PEER)] = language_bias.peer(table)
    comparisons = language_bias.language_comparisons(table)
    for measure in COMPARISONS:
        if measure in comparisons:
            metrics[names.bias_metric(benchmark, measure)] = comparisons[measure]
    for setting in (names.MONOLINGUAL, names.CROSSLINGUAL):
        f1 = names.mean_metric(benchmark, names.ANSWER_F1, setting)
        metrics[f1] = macro_mean(table, names.ANSWER_F1, setting)
    return metrics


def _has_meaning(measure: str, setting: str) -> bool:
    return measure not in names.ANSWER_MEASURES or setting != names.MULTILINGUAL


def _with_values(means: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in means.items() if not math.isnan(value)}


def _cell_means(rows: pd.DataFrame, measure: str) -> "pd.Series[float]":
    keys = [names.QUERY_LANGUAGE, names.POOL_LANGUAGE]
    return rows.groupby(keys, observed=True)[measure].mean()


def _has_unseen(table: pd.DataFrame) -> bool:
    rows = table[table[names.SETTING] == names.MULTILINGUAL]
    rows = rows[language_bias.is_parallel(rows)]
    same_best = (rows[names.BEST_RANK_SEEN] == rows[names.BEST_RANK]).fillna(False)
    same_worst = (rows[names.WORST_RANK_SEEN] == rows[names.WORST_RANK]).fillna(False)
    return not bool((same_best & same_worst).all())
