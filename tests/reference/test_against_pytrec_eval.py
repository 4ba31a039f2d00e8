"""Every measure in every setting, against pytrec_eval on the same fp32 scores."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
import torch

from hybridir import names
from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.evaluation.per_query import per_query_table
from hybridir.retrieval import bm25_scorer, rank_embeddings, rank_scores

TREC_NAMES = {
    names.AP: "map",
    names.AP_AT_20: "map_cut_20",
    names.RR: "recip_rank",
    names.RECALL_AT_1: "recall_1",
    names.RECALL_AT_10: "recall_10",
    names.RECALL_AT_100: "recall_100",
    names.NDCG_AT_10: "ndcg_cut_10",
    names.HIT_AT_1: "success_1",
    names.HIT_AT_10: "success_10",
    names.SET_F1: "Rprec",
}
TREC_MEASURES = {
    *("map", "map_cut_20", "recip_rank", "recall_1,10,100"),
    *("ndcg_cut_10", "success_1,10", "Rprec"),
}
POOLS = {"de": 150, "en": 210, "th": 90, "zh": 121}
QUESTIONS = 40


def partly_parallel(rng: np.random.Generator) -> Benchmark:
    """Questions in some of the languages, with one to three relevant passages in each."""
    prefixes = ["", "ä", "中", "\uff21", "\U0001f600", "Z", "-"]
    passage_ids = {
        code: [f"{prefixes[rng.integers(7)]}{code}{rng.integers(99)}-{n}" for n in range(size)]
        for code, size in POOLS.items()
    }
    queries, relevant = [], {}
    for number in range(QUESTIONS):
        codes = rng.permutation(list(POOLS))[: rng.integers(1, 5)]
        queries += [(f"q{number}", str(code), "") for code in codes]
        relevant[f"q{number}"] = {
            str(key)
            for code in codes
            for key in rng.choice(passage_ids[code], rng.integers(1, 4), replace=False)
        }
    passages = [(key, code, "") for code, keys in passage_ids.items() for key in keys]
    return build_benchmark("random", queries, passages, relevant)


def expected(benchmark: Benchmark, scores_QN: np.ndarray) -> pd.DataFrame:
    """Give pytrec_eval the exact fp32 scores, one call a pool."""
    offsets, rows = benchmark.relevant_offsets, []
    bounds = list(zip(benchmark.pool_offsets[:-1], benchmark.pool_offsets[1:], strict=True))
    pools = {**dict(zip(benchmark.languages, bounds, strict=True)), "all": (0, scores_QN.shape[1])}
    for pool, (start, stop) in pools.items():
        ids = benchmark.passage_ids[start:stop]
        run: dict[str, dict[str, float]] = {}
        qrels: dict[str, dict[str, int]] = {}
        for query, scores in enumerate(scores_QN):
            relevant = benchmark.relevant[offsets[query] : offsets[query + 1]]
            in_pool = {benchmark.passage_ids[n]: 1 for n in relevant if start <= n < stop}
            if in_pool:
                qrels[str(query)] = in_pool
                run[str(query)] = dict(zip(ids, scores[start:stop].tolist(), strict=True))
        for key, values in (
            pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run).items()
        ):
            code = benchmark.languages[benchmark.query_languages[int(key)]]
            row = {name: values[trec_name] for name, trec_name in TREC_NAMES.items()}
            rows.append(
                {
                    "setting": "multilingual"
                    if pool == "all"
                    else ("monolingual" if pool == code else "crosslingual"),
                    "query_language": code,
                    "pool_language": pool,
                    "question_id": benchmark.question_ids[int(key)],
                    "n_relevant": len(qrels[key]),
                    **row,
                }
            )
    return pd.DataFrame(rows)


def check(benchmark: Benchmark, queries: np.ndarray, passages: np.ndarray) -> None:
    # One block of the same shape: the same product, bit for bit.
    scores = torch.mm(torch.from_numpy(queries), torch.from_numpy(passages).T).numpy()
    ranks = rank_embeddings(benchmark, queries, passages)
    compare(benchmark, per_query_table(benchmark, ranks, set(POOLS)), scores)


def compare(benchmark: Benchmark, table: pd.DataFrame, scores: np.ndarray) -> None:
    reference = expected(benchmark, scores)
    keys = ["setting", "query_language", "pool_language", "question_id", "n_relevant"]
    table = table[[*keys, *TREC_NAMES]].astype(dict.fromkeys(keys[:4], "str"))
    assert set(table.setting) == set(names.SETTINGS)
    pd.testing.assert_frame_equal(
        table.sort_values(keys, ignore_index=True),
        reference.astype(dict.fromkeys(keys[:4], "str")).sort_values(keys, ignore_index=True),
        rtol=0,
        atol=1e-9,
        check_dtype=False,
    )


@pytest.fixture(params=[0, 1, 2])
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def embeddings(benchmark: Benchmark, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw vectors; relevant passages lean towards their question, so that no measure is zero."""
    queries = rng.standard_normal((len(benchmark.queries), 24), dtype=np.float32)
    passages = rng.standard_normal((len(benchmark.passages), 24), dtype=np.float32)
    query = np.repeat(np.arange(len(queries)), np.diff(benchmark.relevant_offsets))
    passages[benchmark.relevant] += 0.5 * queries[query]
    return queries, passages


def test_random_embeddings_score_as_in_pytrec_eval(rng: np.random.Generator) -> None:
    benchmark = partly_parallel(rng)
    check(benchmark, *embeddings(benchmark, rng))


@pytest.mark.parametrize("copies", [0.05, 0.5])
def test_duplicated_passages_score_as_in_pytrec_eval(
    rng: np.random.Generator, copies: float
) -> None:
    benchmark = partly_parallel(rng)
    queries, passages = embeddings(benchmark, rng)
    n_copies = int(copies * len(passages))
    passages[rng.choice(len(passages), n_copies)] = passages[rng.choice(len(passages), n_copies)]
    check(benchmark, queries, passages)


@pytest.mark.parametrize("n_values", [2, 3, 10])
def test_scores_of_few_values_score_as_in_pytrec_eval(
    rng: np.random.Generator, n_values: int
) -> None:
    benchmark = partly_parallel(rng)
    scores = rng.integers(n_values, size=(len(benchmark.queries), len(benchmark.passages)))
    values = rng.standard_normal(n_values, dtype=np.float32)  # unit vectors keep them exact
    check(
        benchmark,
        np.eye(len(scores), dtype=np.float32),
        np.ascontiguousarray(values[scores].T),
    )


@pytest.mark.parametrize("constant", [0.0, -1.0, 0.3])
def test_pain_20_a_constant_scorer_scores_as_in_pytrec_eval(
    rng: np.random.Generator, constant: float
) -> None:
    benchmark = partly_parallel(rng)
    queries = np.ones((len(benchmark.queries), 1), dtype=np.float32)
    check(benchmark, queries, np.full((len(benchmark.passages), 1), constant, dtype=np.float32))


def test_scores_that_differ_in_the_last_bit_are_told_apart_as_in_pytrec_eval(
    rng: np.random.Generator,
) -> None:
    benchmark = partly_parallel(rng)
    shape = (len(benchmark.queries), len(benchmark.passages))
    near = np.float32(0.7) * np.ones(shape, dtype=np.float32)
    steps = rng.integers(4, size=shape).astype(np.int32)
    scores = (near.view(np.int32) + steps).view(np.float32)
    check(benchmark, np.eye(shape[0], dtype=np.float32), np.ascontiguousarray(scores.T))


def test_bm25_scores_as_in_pytrec_eval_though_most_passages_tie_at_zero(
    rng: np.random.Generator,
) -> None:
    bare = partly_parallel(rng)
    few, many = "oslo 1898 köln", "rom paris kiew wien bern 北京大学 กรุงเทพ"
    texts = [
        [" ".join(rng.choice(words.split(), rng.integers(4))) for _ in range(count)]
        for words, count in ((few, len(bare.queries)), (f"{few} {many}", len(bare.passages)))
    ]
    benchmark = replace(bare, queries=texts[0], passages=texts[1])
    scores = np.empty((len(texts[0]), len(texts[1])), dtype=np.float32)
    bm25_scorer(benchmark)(np.arange(len(scores)), scores)
    assert 0.5 < (scores == 0).mean() < 1
    ranks = rank_scores(benchmark, bm25_scorer(benchmark))
    compare(benchmark, per_query_table(benchmark, ranks, ()), scores)
