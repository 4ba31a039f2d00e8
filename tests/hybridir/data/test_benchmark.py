from dataclasses import replace
from itertools import pairwise

import pytest

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.errors import InputError

QUERIES = [("q2", "en", "Two?"), ("q1", "en", "One?"), ("q1", "de", "Eins?")]
PASSAGES = [("p3", "en", "a"), ("p1", "de", "b"), ("p2", "en", "c"), ("p4", "de", "b")]
RELEVANT = {"q1": {"p1", "p2"}, "q2": {"p3"}}


def relevant_ids(benchmark: Benchmark) -> list[list[str]]:
    bounds = benchmark.relevant_offsets
    return [
        [benchmark.passage_ids[index] for index in benchmark.relevant[low:high]]
        for low, high in pairwise(bounds)
    ]


def test_queries_and_passages_are_sorted_by_language_in_their_order() -> None:
    benchmark = build_benchmark("tiny", QUERIES, PASSAGES, RELEVANT)
    assert benchmark.languages == ("de", "en")
    assert benchmark.question_ids == ["q1", "q2", "q1"]
    assert benchmark.queries == ["Eins?", "Two?", "One?"]
    assert benchmark.query_languages.tolist() == [0, 1, 1]
    assert benchmark.passage_ids == ["p1", "p4", "p3", "p2"]
    assert benchmark.passage_languages.tolist() == [0, 0, 1, 1]
    assert benchmark.pool_offsets.tolist() == [0, 2, 4]
    assert relevant_ids(benchmark) == [["p1", "p2"], ["p3"], ["p1", "p2"]]


def test_language_may_have_passages_without_queries() -> None:
    benchmark = build_benchmark("tiny", QUERIES, [*PASSAGES, ("p5", "th", "d")], RELEVANT)
    assert benchmark.languages == ("de", "en", "th")
    assert benchmark.pool_offsets.tolist() == [0, 2, 4, 5]


def test_all_reasons_against_a_benchmark_are_in_one_message() -> None:
    queries = [("q1", "en", "a"), ("q1", "en", "b"), ("q2", "de", "c"), ("q3", "en", "d")]
    passages = [("p1", "en", "a"), ("p1", "en", "b")]
    with pytest.raises(InputError) as caught:
        build_benchmark("bad", queries, passages, {"q1": {"p1"}, "q2": {"p9"}})
    message = str(caught.value)
    assert "benchmark 'bad'" in message
    assert "1 passage ids occur more than once" in message
    assert "a question occurs twice in one language" in message
    assert "1 questions have no relevant passage, e.g. 'q3'" in message
    assert "1 relevant passages are missing, e.g. 'p9'" in message
    assert "no passages in de" in message


def test_benchmark_without_queries_is_refused() -> None:
    with pytest.raises(InputError, match="there is no query"):
        build_benchmark("bad", [], PASSAGES, {})


def test_digest_depends_on_text_and_relevance_and_not_on_the_name() -> None:
    benchmark = build_benchmark("tiny", QUERIES, PASSAGES, RELEVANT)
    other_relevance = build_benchmark("tiny", QUERIES, PASSAGES, {**RELEVANT, "q2": {"p2"}})
    other_text = build_benchmark("tiny", QUERIES, [*PASSAGES[:3], ("p4", "de", "x")], RELEVANT)
    other_name = build_benchmark("other", QUERIES, PASSAGES, RELEVANT)
    digests = {benchmark.digest, other_relevance.digest, other_text.digest}
    assert len(digests) == 3
    assert other_name.digest == benchmark.digest


def test_each_question_is_its_own_cluster_where_nothing_is_known() -> None:
    benchmark = build_benchmark("tiny", QUERIES, PASSAGES, RELEVANT)
    assert list(benchmark.clusters) == list(benchmark.question_ids) == ["q1", "q2", "q1"]
    assert benchmark.n_clusters == 2
    assert list(replace(benchmark, clusters=()).clusters) == ["q1", "q2", "q1"]


def test_clusters_come_in_the_order_of_the_queries_and_change_no_digest() -> None:
    clusters = {"q1": "A", "q2": "B"}
    benchmark = build_benchmark("tiny", QUERIES, PASSAGES, RELEVANT, clusters=clusters)
    assert list(benchmark.clusters) == ["A", "B", "A"]
    assert benchmark.digest == build_benchmark("tiny", QUERIES, PASSAGES, RELEVANT).digest


def test_clusters_that_do_not_fit_the_questions_are_refused() -> None:
    benchmark = build_benchmark("tiny", QUERIES, PASSAGES, RELEVANT)
    with pytest.raises(InputError, match="2 clusters for 3 queries"):
        replace(benchmark, clusters=["A", "B"])
    with pytest.raises(InputError, match="question 'q1' is in the clusters 'A' and 'C'"):
        replace(benchmark, clusters=["A", "B", "C"])
    with pytest.raises(InputError, match=r"1 questions have no cluster, e\.g\. 'q2'"):
        build_benchmark("tiny", QUERIES, PASSAGES, RELEVANT, clusters={"q1": "A"})
