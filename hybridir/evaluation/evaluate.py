"""One encoder, or BM25, on one benchmark, without training: per-query table and page of figures.

Q queries, N passages, D dimensions.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hybridir import names
from hybridir.config import EncoderConfig, EvaluationConfig
from hybridir.data import Benchmark
from hybridir.encoder import load_encoder, load_tokenizer
from hybridir.errors import InputError
from hybridir.evaluation.per_query import ranks_by, ranks_of, table_of_ranks
from hybridir.evaluation.rank_correlation import WholeRankings
from hybridir.evaluation.summary import macro_mean, summarise
from hybridir.retrieval import bm25_scorer, encode_benchmark
from hybridir.retrieval.ranks import Observer, RelevantRanks
from hybridir.retrieval.vector_store import StoredVectors
from hybridir.runtime.precision import accelerator, choose_precision


@dataclass(frozen=True)
class Scored:
    """What an encoder is worth on a benchmark.

    Attributes:
        table: see `hybridir.evaluation.per_query.per_query_table`.
        whole: what the whole rankings of the multilingual pool tell.
        summary: headline figures under their full names: those of `summary.summarise`,
            and the mean rank correlation where there is one.
        ranks: of the relevant passages, and what ranks first, for `hybridir.evaluation.reader.f1`.
    """

    table: pd.DataFrame
    whole: WholeRankings
    summary: dict[str, float]
    ranks: RelevantRanks


def score_embeddings(
    benchmark: Benchmark,
    queries_QD: NDArray[np.float32],
    passages_ND: NDArray[np.float32] | StoredVectors,
    seen_languages: Collection[str],
    memory_mb: float,
    observers: Sequence[Observer] = (),
) -> Scored:
    """Score every setting.

    Args:
        benchmark: queries and pools.
        queries_QD: embeddings of its queries.
        passages_ND: embeddings of its passages, in memory or in a file.
        seen_languages: languages that the encoder was trained on.
        memory_mb: for scores that are held at once, where passages are in a file.
        observers: see the scores as well, all queries of a question at once; only of passages
            in memory.

    Raises:
        InputError: if there are observers, but passages in a file, which are never scored at once.
        TrialError: if the embeddings are not numbers.
    """
    whole = WholeRankings(benchmark)
    if isinstance(passages_ND, StoredVectors):
        if observers:
            raise InputError(
                f"{benchmark.name}: the rankings of {len(passages_ND)} passages are too many to "
                "be written; leave out --trec and --mteb"
            )
        ranks = ranks_of(benchmark, queries_QD, passages_ND)
        whole.add_stored(queries_QD, passages_ND, memory_mb)
    else:
        ranks = ranks_of(benchmark, queries_QD, passages_ND, [whole.add, *observers])
    return _scored(benchmark, ranks, whole, seen_languages)


def score_encoder(
    config: EncoderConfig,
    benchmark: Benchmark,
    *,
    cache: Path,
    evaluation: EvaluationConfig,
    precision: str,
    seen_languages: Collection[str],
    observers: Sequence[Observer] = (),
) -> Scored:
    """Embed a benchmark's texts and score every setting.

    Args:
        config: where the weights are and how texts become vectors.
        benchmark: queries and pools.
        cache: folder of prepared data; of embeddings, too, while they take too much memory.
        evaluation: tokens at once, and how much memory is too much.
        precision: ``fp32``, ``bf16`` or ``auto``.
        seen_languages: languages that the encoder was trained on.
        observers: see `score_embeddings`.

    Raises:
        InputError: if the encoder cannot be loaded.
        TrialError: if its embeddings are not numbers.
    """
    tokenizer = load_tokenizer(config, [], "", cache)
    encoder = load_encoder(config, tokenizer, seed=0)
    with TemporaryDirectory(dir=_made(cache), prefix="embeddings-") as folder:
        with accelerator(choose_precision(precision, encoder.dimension)) as accelerate:
            accelerate.prepare_model(encoder, evaluation_mode=True)
            embedded = encode_benchmark(
                encoder,
                benchmark,
                tokenizer,
                config,
                batch_tokens=evaluation.batch_tokens,
                cache=cache,
                memory_mb=evaluation.memory_mb,
                folder=Path(folder),
            )
        return score_embeddings(
            benchmark, *embedded, seen_languages, evaluation.memory_mb, observers
        )


def score_bm25(
    benchmark: Benchmark,
    *,
    seen_languages: Collection[str],
    observers: Sequence[Observer] = (),
) -> Scored:
    """Score every setting by BM25, see `hybridir.retrieval.bm25.bm25_scorer`.

    Raises:
        InputError: if bm25s is not installed.
    """
    whole = WholeRankings(benchmark)
    ranks = ranks_by(benchmark, bm25_scorer(benchmark), [whole.add, *observers])
    return _scored(benchmark, ranks, whole, seen_languages)


def _scored(
    benchmark: Benchmark,
    ranks: RelevantRanks,
    whole: WholeRankings,
    seen_languages: Collection[str],
) -> Scored:
    table = table_of_ranks(benchmark, ranks, seen_languages)
    summary = summarise(table)
    correlation = whole.mean_rank_correlation()
    if not math.isnan(correlation):
        summary[names.bias_metric(benchmark.name, names.RANK_CORRELATION)] = correlation
    return Scored(table, whole, summary, ranks)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settings_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Means over the queries of every setting.

    Args:
        table: per-query table of one benchmark.

    Returns:
        For each pair of question language and pool its names, the number of queries ``n`` and the
        mean of every measure, under the names that means have (``map``, ``mrr``,
        ``recall_at_1`` ...); settings in the order of `names.SETTINGS`, languages sorted.
    """
    keys = [names.SETTING, names.QUERY_LANGUAGE, names.POOL_LANGUAGE]
    groups = table.groupby(keys, observed=True)
    means = groups[list(names.MEASURES)].mean()
    means = means.rename(columns=names.MEAN_NAMES)
    means.insert(0, "n", groups.size())
    rows = means.reset_index().astype(dict.fromkeys(keys, "str"))
    rows["order"] = rows[names.SETTING].map(names.SETTINGS.index)
    ordered = rows.sort_values(["order", *keys[1:]]).drop(columns="order")
    return [{str(key): value for key, value in row.items()} for row in ordered.to_dict("records")]


def macro_of(
    table: pd.DataFrame, measures: Sequence[str] = names.MEASURES
) -> dict[str, dict[str, float]]:
    """Macro means of measures, for each kind of setting that the table has."""
    return {
        setting: {
            names.MEAN_NAMES.get(measure, measure): macro_mean(table, measure, setting)
            for measure in measures
        }
        for setting in names.SETTINGS
        if (table[names.SETTING] == setting).any()
    }
