import json
from pathlib import Path

import ir_measures
import numpy as np
import pandas as pd
import pytest
from ir_measures import AP, RR, R, nDCG

from hybridir import names
from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.errors import InputError
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.trec_files import Runs
from hybridir.retrieval import rank_embeddings

LANGUAGES = ("de", "en", "zh")
MEASURES = {AP: names.AP, RR: names.RR, R @ 10: names.RECALL_AT_10, nDCG @ 10: names.NDCG_AT_10}


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    """Questions in one to three languages; ids that sort otherwise than they stand."""
    rng = np.random.default_rng(0)
    keys = rng.permutation(90)
    passages = [(f"p{key}", code, "") for key, code in zip(keys, LANGUAGES * 30, strict=True)]
    queries, relevant = [], {}
    for number in range(20):
        codes = rng.permutation(LANGUAGES)[: rng.integers(1, 4)]
        queries += [(f"q{number}", str(code), "") for code in codes]
        relevant[f"q{number}"] = {
            str(rng.choice([key for key, language, _ in passages if language == code]))
            for code in codes
        }
    return build_benchmark("some", queries, passages, relevant)


def scored(benchmark: Benchmark, depth: int) -> tuple[Runs, pd.DataFrame]:
    """Runs and the per-query table of scores with many ties."""
    rng = np.random.default_rng(1)
    queries = rng.integers(-2, 3, (len(benchmark.queries), 6)).astype(np.float32)
    passages = rng.integers(-1, 2, (len(benchmark.passages), 6)).astype(np.float32)
    runs = Runs(benchmark, depth)
    ranks = rank_embeddings(benchmark, queries, passages, [runs.add])
    return runs, per_query_table(benchmark, ranks, ())


def of_pool(table: pd.DataFrame, pool: str) -> pd.DataFrame:
    rows = table[table[names.POOL_LANGUAGE] == pool]
    query_names = rows[[names.QUERY_LANGUAGE, names.QUESTION_ID]].astype("str")
    return rows.set_index(query_names.agg(":".join, axis=1))


def test_ir_measures_reads_runs_and_relevance_back(benchmark: Benchmark, tmp_path: Path) -> None:
    runs, table = scored(benchmark, depth=len(benchmark.passages))
    written = runs.write_trec(tmp_path, "ours")
    pools = (*LANGUAGES, "all")
    assert {path.name for path in written} == {
        f"{kind}-{pool}.txt" for kind in ("run", "qrels") for pool in pools
    }
    for pool in pools:
        qrels = ir_measures.read_trec_qrels(str(tmp_path / f"qrels-{pool}.txt"))
        run = ir_measures.read_trec_run(str(tmp_path / f"run-{pool}.txt"))
        ours = of_pool(table, pool)
        metrics = list(ir_measures.iter_calc(list(MEASURES), list(qrels), list(run)))
        assert len(metrics) == len(ours) * len(MEASURES)
        for metric in metrics:
            expected = ours.loc[metric.query_id, MEASURES[metric.measure]]
            assert metric.value == pytest.approx(expected, abs=1e-9)


def test_a_run_lists_trec_evals_order_to_its_depth(benchmark: Benchmark, tmp_path: Path) -> None:
    runs, _ = scored(benchmark, depth=4)
    runs.write_trec(tmp_path, "ours")
    rows = [line.split() for line in (tmp_path / "run-all.txt").read_text().splitlines()]
    assert {row[1] for row in rows} == {"Q0"}
    assert {row[5] for row in rows} == {"ours"}
    by_query = pd.DataFrame(rows).groupby(0)
    assert len(by_query) == len(benchmark.queries)
    for _, ranking in by_query:
        assert ranking[3].tolist() == ["1", "2", "3", "4"]
        order = [(float(score), key) for key, score in zip(ranking[2], ranking[4], strict=True)]
        assert order == sorted(order, reverse=True)


@pytest.mark.long
def test_mteb_reads_predictions_back(benchmark: Benchmark, tmp_path: Path) -> None:
    # Takes seconds, which no other test needs to wait for.
    from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores

    runs, table = scored(benchmark, depth=len(benchmark.passages))
    path = runs.write_mteb(tmp_path, "owner/name", "abc")
    assert path.name == "some_predictions.json"
    content = json.loads(path.read_text())
    assert content["mteb_model_meta"] == {"model_name": "owner/name", "revision": "abc"}
    runs.write_trec(tmp_path, "ours")
    for pool in (*LANGUAGES, "all"):
        qrels: dict[str, dict[str, int]] = {}
        for line in (tmp_path / f"qrels-{pool}.txt").read_text().splitlines():
            query, _, passage, relevance = line.split()
            qrels.setdefault(query, {})[passage] = int(relevance)
        theirs = calculate_retrieval_scores(content[pool]["test"], qrels, [1, 10])
        ours = of_pool(table, pool)
        assert len(theirs.all_scores) == len(ours)
        for query, scores in theirs.all_scores.items():
            assert scores["ndcg_cut_10"] == pytest.approx(ours.loc[query, names.NDCG_AT_10])
            assert scores["recall_1"] == pytest.approx(ours.loc[query, names.RECALL_AT_1])


def test_trec_files_refuse_names_with_white_space(tmp_path: Path) -> None:
    spaced = build_benchmark("s", [("q", "en", "")], [("a b", "en", "")], {"q": {"a b"}})
    runs = Runs(spaced, 1)
    with pytest.raises(InputError, match=r"white space in a name, such as 'a b'; 1 names"):
        runs.write_trec(tmp_path, "ours")
    assert list(tmp_path.iterdir()) == []
