"""Scoring as the usual libraries do it: each query ranked in each pool, one call a pool."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hybridir.data import Benchmark

Floats = NDArray[np.float32]
Qrels = dict[str, dict[str, int]]
CUTS = (1, 10, 100)


def pools(benchmark: Benchmark) -> Iterator[tuple[int, int, Qrels]]:
    """Each language's pool and that of all languages.

    Yields:
        First passage, the one behind the last, and what is relevant there.
    """
    bounds = [*zip(benchmark.pool_offsets[:-1], benchmark.pool_offsets[1:], strict=True)]
    for start, stop in [*bounds, (0, len(benchmark.passage_ids))]:
        qrels = {}
        for query in range(len(benchmark.queries)):
            first, last = benchmark.relevant_offsets[query : query + 2]
            qrels[str(query)] = {
                benchmark.passage_ids[index]: 1
                for index in benchmark.relevant[first:last]
                if start <= index < stop
            }
        yield int(start), int(stop), qrels


def runs(
    benchmark: Benchmark, queries: Floats, passages: Floats
) -> Iterator[tuple[Qrels, dict[str, dict[str, float]]]]:
    """What trec_eval and its kin take: relevance and scores by name, of each pool."""
    scores = queries @ passages.T
    for start, stop, qrels in pools(benchmark):
        ids = benchmark.passage_ids[start:stop]
        yield (
            qrels,
            {
                str(query): dict(zip(ids, row[start:stop].tolist(), strict=True))
                for query, row in enumerate(scores)
            },
        )


def pytrec_eval(benchmark: Benchmark, queries: Floats, passages: Floats) -> None:
    """Full rankings by pytrec_eval."""
    import pytrec_eval as library

    measures = {"map", "map_cut_20", "recip_rank", "recall_1,10,100", "ndcg_cut_10"}
    for qrels, run in runs(benchmark, queries, passages):
        library.RelevanceEvaluator(qrels, measures).evaluate(run)


def ir_measures(benchmark: Benchmark, queries: Floats, passages: Floats) -> None:
    """Full rankings by ir_measures."""
    import ir_measures as library
    from ir_measures import AP, RR, R, nDCG

    measures = [AP, AP @ 20, RR, nDCG @ 10, *(R @ k for k in CUTS)]
    for qrels, run in runs(benchmark, queries, passages):
        for _ in library.iter_calc(measures, qrels, run):
            pass


def ranx(benchmark: Benchmark, queries: Floats, passages: Floats) -> None:
    """Full rankings by ranx."""
    from ranx import Qrels as Relevance
    from ranx import Run, evaluate

    measures = ["map", "map@20", "mrr", "ndcg@10", *(f"recall@{k}" for k in CUTS)]
    for qrels, run in runs(benchmark, queries, passages):
        evaluate(Relevance(qrels), Run(run), measures, return_mean=False)


class _Encoded:
    """Stands where sentence-transformers wants an encoder: the embeddings are there already."""

    def __init__(self, queries: Floats) -> None:
        self._queries = torch.from_numpy(queries)

    def encode_query(self, sentences: Any, **others: Any) -> torch.Tensor:
        return self._queries


def sentence_transformers(benchmark: Benchmark, queries: Floats, passages: Floats) -> None:
    """InformationRetrievalEvaluator at full depth."""
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )
    from sentence_transformers.util import dot_score

    model: Any = _Encoded(queries)
    corpus = torch.from_numpy(passages)
    for start, stop, qrels in pools(benchmark):
        InformationRetrievalEvaluator(
            queries={str(query): "" for query in range(len(queries))},
            corpus=dict.fromkeys(benchmark.passage_ids[start:stop], ""),
            relevant_docs={query: set(relevant) for query, relevant in qrels.items()},
            map_at_k=[stop - start],
            mrr_at_k=[stop - start],
            precision_recall_at_k=list(CUTS),
            score_functions={"dot": dot_score},
            write_csv=False,
        ).compute_all_metrics(model, corpus_embeddings=corpus[start:stop])


PEERS: dict[str, Callable[[Benchmark, Floats, Floats], None]] = {
    "score-vs-pytrec_eval": pytrec_eval,
    "score-vs-ir_measures": ir_measures,
    "score-vs-ranx": ranx,
    "score-vs-sentence-transformers": sentence_transformers,
}
