"""All figures of a retriever on a benchmark, without training.

Trials and the command ``hybridir evaluate`` use this function as well.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from hybridir import names
from hybridir.config import EvaluationConfig
from hybridir.data import Benchmark
from hybridir.encoder import LoadedEncoder, load_encoder
from hybridir.errors import InputError
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.rank_correlation import FullRankings
from hybridir.evaluation.summary import summarise
from hybridir.retrieval import (
    Embeddings,
    encode_benchmark,
    rank_embeddings,
    rank_scores,
    rank_stored,
)
from hybridir.retrieval.ranks import Observer, RelevantRanks, Scorer
from hybridir.retrieval.vector_store import StoredVectors
from hybridir.runtime.precision import accelerator, choose_precision


@dataclass(frozen=True)
class Evaluation:
    """The figures of a retriever on a benchmark, from single queries to headline figures.

    Attributes:
        table: a row for each query and pool, see `hybridir.evaluation.per_query.per_query_table`.
        full_rankings: top languages and rank correlation in the multilingual pool.
        summary: headline figures under their full names: those of
            `hybridir.evaluation.summary.summarise`, and the mean rank correlation if it has a
            value.
        ranks: ranks of the relevant passages and the first passages, for
            `hybridir.evaluation.reader.f1.reader_table`.
    """

    table: pd.DataFrame
    full_rankings: FullRankings
    summary: dict[str, float]
    ranks: RelevantRanks


def evaluate(
    retriever: LoadedEncoder | str | Path | Embeddings | Scorer,
    benchmark: Benchmark,
    *,
    seen_languages: Collection[str] = (),
    settings: EvaluationConfig = EvaluationConfig(),  # noqa: B008 (frozen)
    precision: str = "fp32",
    observers: Sequence[Observer] = (),
    cache: Path | None = None,
) -> Evaluation:
    """Evaluate a retriever in every setting of a benchmark.

    Args:
        retriever: an encoder from `hybridir.load_encoder`, put into evaluation mode; or the folder
            of one; or embeddings of the benchmark; or any other source of scores, for example
            ``bm25_scorer(benchmark)``.
        benchmark: queries, pools and relevance.
        seen_languages: languages that the retriever was trained on, for rank distances.
        settings: for an encoder or embeddings: tokens at once, and the memory limit.
        precision: for an encoder: ``fp32``, ``bf16`` or ``auto``.
        observers: called with the scores of each block of queries; not with embeddings in a file.
        cache: folder of prepared data, for later calls; by default a temporary one.

    Returns:
        Per-query table, full rankings, headline figures and ranks.

    Raises:
        InputError: if the encoder cannot be loaded, or embeddings in a file have observers.
        TrialError: if embeddings are not finite.

    An encoder with random weights, on a made-up benchmark:

    >>> from hybridir import evaluate, load_encoder
    >>> from hybridir.config import EncoderConfig
    >>> from hybridir.data.synthetic.corpus import synthetic_corpus
    >>> benchmark = synthetic_corpus(languages=2, seed=20, entities=1).test
    >>> config = EncoderConfig(from_scratch={"layers": 1, "hidden_size": 32})
    >>> encoder = load_encoder(config, texts=benchmark.passages)
    >>> evaluation = evaluate(encoder, benchmark)
    >>> evaluation.table.groupby("setting", observed=True).size().to_dict()
    {'monolingual': 480, 'crosslingual': 480, 'multilingual': 480}
    >>> 0 < evaluation.summary["synthetic-test/map_multilingual"] < 1
    True
    """
    if isinstance(retriever, str | Path):
        retriever = load_encoder(retriever)
    if isinstance(retriever, Embeddings):
        return _evaluate_embeddings(retriever, benchmark, seen_languages, settings, observers)
    if not isinstance(retriever, LoadedEncoder):
        rankings = FullRankings(benchmark)
        ranks = rank_scores(benchmark, retriever, [rankings.add, *observers])
        return _evaluation(benchmark, ranks, rankings, seen_languages)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    model = retriever.model
    with TemporaryDirectory(dir=cache, prefix="embeddings-") as folder:
        with accelerator(choose_precision(precision, model.width)) as accelerate:
            accelerate.prepare_model(model, evaluation_mode=True)
            embeddings = encode_benchmark(
                retriever, benchmark, settings, cache=cache or Path(folder), folder=Path(folder)
            )
        return _evaluate_embeddings(embeddings, benchmark, seen_languages, settings, observers)


def _evaluate_embeddings(
    embeddings: Embeddings,
    benchmark: Benchmark,
    seen_languages: Collection[str],
    settings: EvaluationConfig,
    observers: Sequence[Observer],
) -> Evaluation:
    queries_QD, passages_ND = embeddings
    rankings = FullRankings(benchmark)
    if not isinstance(passages_ND, StoredVectors):
        ranks = rank_embeddings(benchmark, queries_QD, passages_ND, [rankings.add, *observers])
        return _evaluation(benchmark, ranks, rankings, seen_languages)
    if observers:
        raise InputError(
            f"{benchmark.name}: embeddings of {len(passages_ND)} passages exceed the memory limit "
            "and full rankings cannot be written; leave out --trec and --mteb"
        )
    ranks = rank_stored(benchmark, queries_QD, passages_ND)
    rankings.add_stored(queries_QD, passages_ND, settings.memory_mb)
    return _evaluation(benchmark, ranks, rankings, seen_languages)


def _evaluation(
    benchmark: Benchmark,
    ranks: RelevantRanks,
    rankings: FullRankings,
    seen_languages: Collection[str],
) -> Evaluation:
    table = per_query_table(benchmark, ranks, seen_languages)
    summary = summarise(table)
    correlation = rankings.mean_rank_correlation()
    if not math.isnan(correlation):
        summary[names.bias_metric(benchmark.name, names.RANK_CORRELATION)] = correlation
    return Evaluation(table, rankings, summary, ranks)
