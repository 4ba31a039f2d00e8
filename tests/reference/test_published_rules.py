"""Benchmarks in BEIR's layout against pytrec_eval, fed as BEIR's own code feeds it.

`beir_scores` repeats ``GenericDataLoader.load``, ``DenseRetrievalExactSearch.search`` and
``EvaluateRetrieval.evaluate`` of https://github.com/beir-cellar/beir (commit ef83d29) for given
scores: the first line of the judgements is a header, the last of two equal ids counts, a query
does not find the document of its own id, all others are candidates, and pytrec_eval does the rest.
"""

import csv
import json
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytrec_eval

from hybridir import names
from hybridir.data.benchmark import Benchmark
from hybridir.data.readers.beir import FolderRules, load_beir_benchmark
from hybridir.evaluation.evaluate import Evaluation, evaluate
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.trec_files import Runs
from hybridir.retrieval import rank_embeddings, rank_stored
from hybridir.retrieval.vector_store import StoredVectors
from tests.reference.test_against_pytrec_eval import TREC_MEASURES, TREC_NAMES
from tests.support.layouts import jsonl, write_text

Qrels = dict[str, dict[str, int]]


def score(query: str, passage: str) -> float:
    """Any number that depends on the ids alone; few values, so that scores tie."""
    return zlib.crc32(f"{query} {passage}".encode()) % 17 / 16


def published(folder: Path, seed: int) -> Path:
    """A folder with what published ones have: grades, missing documents, ids of both kinds ..."""
    rng = np.random.default_rng(seed)
    queries = [f"d{n}" if n % 3 == 0 else f"q{n}" for n in range(16)]
    corpus: list[dict[str, object]] = [
        {"_id": f"d{n}", "title": ["", "T"][n % 2], "text": "" if n == 4 else f"text {n}"}
        for n in range(40)
    ]
    judged = [
        (query, f"d{n}", rng.choice([-1, 0, 1, 1, 2, 3]))
        for query in queries[:14]
        for n in rng.choice(60, rng.integers(1, 9), replace=False)  # d40 to d59 are not there
        if query != f"d{n}"
    ]
    judged += [("q13", "d1", 0), ("q14", "d2", 0), ("q14", "d3", -1), ("q14", "d3", -1)]
    judged = [row for row in judged if row[:2] != ("q13", "d1")] + [("q13", "d1", 1)]
    write_text(folder / "corpus.jsonl", jsonl([*corpus, corpus[7]]))
    write_text(folder / "queries.jsonl", jsonl([{"_id": q, "text": f"{q}?"} for q in queries]))
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in judged)]
    write_text(folder / "qrels" / "test.tsv", "\n".join(lines) + "\n")
    return folder


def beir_scores(folder: Path, drop_own: bool = True) -> dict[str, dict[str, float]]:
    """Measures of each query, as BEIR's code computes them."""
    corpus = {row["_id"]: row for row in map(json.loads, (folder / "corpus.jsonl").open())}
    queries = {row["_id"]: row for row in map(json.loads, (folder / "queries.jsonl").open())}
    qrels: Qrels = {}
    with (folder / "qrels" / "test.tsv").open() as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL)
        next(rows)
        for query, passage, grade in rows:
            qrels.setdefault(query, {})[passage] = int(grade)
    run = {
        query: {key: score(query, key) for key in corpus if key != query or not drop_own}
        for query in queries.keys() & qrels
    }
    result = pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run)
    assert isinstance(result, dict)
    return result


def scorer(benchmark: Benchmark) -> Callable[[np.ndarray, np.ndarray], None]:
    def write(queries_B: np.ndarray, scores_BN: np.ndarray) -> None:
        for row, query in enumerate(queries_B):
            key = benchmark.question_ids[query]
            scores_BN[row] = [score(key, passage) for passage in benchmark.passage_ids]

    return write


def evaluated(folder: Path, rules: FolderRules = FolderRules()) -> tuple[Benchmark, Evaluation]:  # noqa: B008
    benchmark = load_beir_benchmark("b", folder, "test", "en", rules=rules)
    return benchmark, evaluate(scorer(benchmark), benchmark)


def compare(table: pd.DataFrame, reference: dict[str, dict[str, float]]) -> None:
    for setting in (names.MONOLINGUAL, names.MULTILINGUAL):
        rows = table[table[names.SETTING] == setting].set_index(names.QUESTION_ID)
        assert sorted(rows.index) == sorted(reference)
        for (query, values), (measure, trec_name) in product(
            reference.items(), TREC_NAMES.items()
        ):
            assert rows.loc[query, measure] == pytest.approx(values[trec_name], abs=1e-9), (
                query,
                measure,
            )


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("drop_own", [True, False])
def test_pain_32_every_measure_of_every_query_is_that_of_beir(
    tmp_path: Path, seed: int, drop_own: bool
) -> None:
    folder = published(tmp_path, seed)
    reference = beir_scores(folder, drop_own)
    rules = FolderRules() if drop_own else FolderRules(ignore_identical_ids=False)
    benchmark, evaluation = evaluated(folder, rules)
    compare(evaluation.table, reference)
    # The headline is BEIR's: its means over all judged queries, those that count as 0 included.
    for name, trec_name in (("map", "map"), ("ndcg_at_10", "ndcg_cut_10")):
        mean = np.mean([values[trec_name] for values in reference.values()])
        assert evaluation.summary[f"b/{name}_monolingual"] == pytest.approx(mean)
    assert set(benchmark.judgements.counts) > {
        "passages_without_text",
        "repeated_passages",
        "repeated_judgements",
        "absent_relevant_passages",
        "queries_without_relevant_passage",
        "graded_judgements",
        "negative_judgements",
    }
    sizes = evaluation.table.groupby(names.QUESTION_ID, observed=True)[names.POOL_SIZE].max()
    assert sizes["d3"] == 40 - drop_own
    assert sizes["q1"] == 40


def test_files_for_trec_eval_give_the_same_figures(tmp_path: Path) -> None:
    folder = published(tmp_path / "in", 0)
    benchmark = load_beir_benchmark("b", folder, "test", "en")
    runs = Runs(benchmark, depth=100)
    evaluation = evaluate(scorer(benchmark), benchmark, observers=[runs.add])
    runs.write_trec(tmp_path / "out", "tag")
    with (tmp_path / "out" / "qrels-all.txt").open() as file:
        qrels = pytrec_eval.parse_qrel(file)
    with (tmp_path / "out" / "run-all.txt").open() as file:
        run = pytrec_eval.parse_run(file)
    measured = pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run)
    compare(evaluation.table, {query.removeprefix("en:"): row for query, row in measured.items()})


def test_embeddings_in_a_file_give_the_same_rows(tmp_path: Path) -> None:
    benchmark = load_beir_benchmark("b", published(tmp_path / "in", 1), "test", "en")
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((len(benchmark.queries), 8), dtype=np.float32)
    passages = rng.standard_normal((len(benchmark.passages), 8), dtype=np.float32)
    assert benchmark.judgements.excluded
    in_memory = evaluate_embeddings(benchmark, queries, passages)
    path = tmp_path / "vectors"
    passages.tofile(path)
    ranks = rank_stored(benchmark, queries, StoredVectors(path, *passages.shape), (5, 7))
    pd.testing.assert_frame_equal(per_query_table(benchmark, ranks, ()), in_memory)


def evaluate_embeddings(
    benchmark: Benchmark, queries: np.ndarray, passages: np.ndarray
) -> pd.DataFrame:
    return per_query_table(benchmark, rank_embeddings(benchmark, queries, passages), ())


def test_in_pool_only_what_is_there_counts(tmp_path: Path) -> None:
    folder = published(tmp_path, 0)
    benchmark, evaluation = evaluated(folder, FolderRules(counting="in_pool"))
    assert "d4" not in benchmark.passage_ids
    corpus = set(benchmark.passage_ids)
    qrels: Qrels = {}
    for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, passage, grade = line.split("\t")
        if passage in corpus and int(grade) > 0:
            qrels.setdefault(query, {})[passage] = 1
    run = {query: {key: score(query, key) for key in corpus} for query in qrels}
    compare(evaluation.table, pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run))


def parallel(folder: Path, seed: int) -> dict[str, dict[str, Qrels]]:
    """MIRACL's own layout in three languages with common ids.

    Returns:
        Language of the passages -> "qrels" -> question -> passage of the benchmark -> grade.
    """
    rng = np.random.default_rng(seed)
    judged: dict[str, dict[str, Qrels]] = {}
    for code, size in (("de", 12), ("en", 20), ("nl", 15)):
        passages: list[dict[str, object]] = [
            {"docid": f"p{n}", "title": "", "text": f"{code} {n}"} for n in range(size)
        ]
        write_text(folder / f"miracl-corpus-v1.0-{code}" / "docs-0.jsonl", jsonl(passages))
        asked = [f"q{n}" for n in range(10) if n < 6 or rng.random() < 0.5]
        topics = "".join(f"{query}\t{query} in {code}?\n" for query in asked)
        write_text(folder / "topics" / f"topics.miracl-v1.0-{code}-dev.tsv", topics)
        qrels: Qrels = {}
        for query in asked:
            for n in rng.choice(size + 4, 2, replace=False):  # some are not there
                qrels.setdefault(query, {})[f"{code}-p{n}"] = int(rng.integers(1, 3))
        lines = [
            f"{query} Q0 {key.removeprefix(code + '-')} {grade}\n"
            for query, grades in qrels.items()
            for key, grade in grades.items()
        ]
        write_text(folder / "qrels" / f"qrels.miracl-v1.0-{code}-dev.tsv", "".join(lines))
        judged[code] = {"qrels": qrels, "asked": {query: {} for query in asked}}
    return judged


@pytest.mark.parametrize("seed", [0, 1])
def test_a_parallel_folder_scores_as_pytrec_eval_in_three_settings(
    tmp_path: Path, seed: int
) -> None:
    judged = parallel(tmp_path, seed)
    rules = FolderRules(parallel="questions")
    benchmark = load_beir_benchmark("b", tmp_path, "dev", rules=rules)
    codes = sorted(judged)
    by_pool = {code: [key for key in benchmark.passage_ids if key[:2] == code] for code in codes}

    def write(queries_B: np.ndarray, scores_BN: np.ndarray) -> None:
        for row, query in enumerate(queries_B):
            asked = f"{codes[benchmark.query_languages[query]]} {benchmark.question_ids[query]}"
            scores_BN[row] = [score(asked, key) for key in benchmark.passage_ids]

    evaluation = evaluate(write, benchmark)
    table = evaluation.table.astype(dict.fromkeys((names.QUESTION_ID, names.POOL_LANGUAGE), "str"))
    n_rows = 0
    for asked_in, pool in product(codes, [*codes, "all"]):
        chosen = [pool] if pool != "all" else codes
        candidates = [key for code in chosen for key in by_pool[code]]
        qrels: Qrels = {}
        for query in judged[asked_in]["asked"]:
            for code in chosen:
                if grades := judged[code]["qrels"].get(query):
                    qrels.setdefault(query, {}).update(grades)
        run = {
            query: {key: score(f"{asked_in} {query}", key) for key in candidates}
            for query in qrels
        }
        reference = pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run)
        rows = table[
            (table[names.QUERY_LANGUAGE] == asked_in) & (table[names.POOL_LANGUAGE] == pool)
        ]
        rows = rows.set_index(names.QUESTION_ID)
        n_rows += len(rows)
        assert sorted(rows.index) == sorted(reference)
        for query, values in reference.items():
            for measure, trec_name in TREC_NAMES.items():
                assert rows.loc[query, measure] == pytest.approx(values[trec_name], abs=1e-9)
    assert n_rows == len(table)
    bias = {"b/rank_distance", "b/max_at_r", "b/rank_correlation", "b/set_f1_crosslingual"}
    assert bias < evaluation.summary.keys()


def test_without_translations_cross_lingual_figures_and_bias_are_absent(tmp_path: Path) -> None:
    _, evaluation = evaluated(published(tmp_path, 0))
    undefined = ("crosslingual", "rank_distance", "max_at_r", "first_", "language_preference")
    assert [name for name in evaluation.summary if any(word in name for word in undefined)] == []
