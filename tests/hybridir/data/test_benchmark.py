from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.benchmark import Benchmark, benchmark_from_pairs, build_benchmark
from hybridir.data.pairs import Pairs
from hybridir.errors import InputError
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.summary import summarise
from hybridir.retrieval import rank_embeddings

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


rows = st.dictionaries(
    st.tuples(st.integers(0, 9), st.sampled_from(["de", "en", "es"])),
    st.integers(0, 5),
    min_size=1,
)


@given(rows=rows)
def test_pairs_become_a_pool_of_distinct_passages_with_translations_relevant(
    rows: dict[tuple[int, str], int],
) -> None:
    ids = [f"q{key}" for key, _ in rows]
    codes = [code for _, code in rows]
    texts = [f"passage {number}" for number in rows.values()]
    questions = [f"question {key}" for key in ids]
    benchmark = benchmark_from_pairs("dev", Pairs(ids, ids, codes, questions, texts))

    passages = list(
        zip(
            (benchmark.languages[code] for code in benchmark.passage_languages),
            benchmark.passages,
            strict=True,
        )
    )
    assert len(passages) == len(set(passages))
    assert set(passages) == set(zip(codes, texts, strict=True))
    bounds = benchmark.relevant_offsets
    for query, key in enumerate(benchmark.question_ids):
        relevant = {
            passages[index] for index in benchmark.relevant[bounds[query] : bounds[query + 1]]
        }
        expected = {
            (code, text) for row, code, text in zip(ids, codes, texts, strict=True) if row == key
        }
        assert relevant == expected


def test_questions_whose_passages_are_in_another_language_have_an_empty_pool_of_their_own() -> (
    None
):
    # German q0 and Yoruba q1 share an English passage; English q2 has one of its own.
    ids = ["q0", "q1", "q2"]
    pairs = Pairs(
        ids, ids, ["de", "yo", "en"], ["0?", "1?", "2?"], ["a.", "a.", "b."], ["en", "en", "en"]
    )
    benchmark = benchmark_from_pairs("dev", pairs)
    assert benchmark.languages == ("de", "en", "yo")
    assert benchmark.pool_offsets.tolist() == [0, 0, 2, 2]
    assert list(benchmark.passages) == ["a.", "b."]
    assert (list(benchmark.question_ids), benchmark.relevant.tolist()) == (
        ["q0", "q2", "q1"],
        [0, 1, 0],
    )
    # Scores of a and b: q0 ranks a second, q2 b first, q1 a first.
    vectors = np.array([[0.1, 0.2], [0.3, 0.9], [0.5, 0.4]], dtype=np.float32).T.copy()
    ranks = rank_embeddings(benchmark, np.eye(3, dtype=np.float32), vectors)
    table = per_query_table(benchmark, ranks, {"en"})
    rows = table[["setting", "query_language", "pool_language", "ap"]]
    assert list(rows.itertuples(index=False, name=None)) == [
        ("monolingual", "en", "en", 1.0),
        ("crosslingual", "de", "en", 0.5),
        ("crosslingual", "yo", "en", 1.0),
        ("multilingual", "de", "all", 0.5),
        ("multilingual", "en", "all", 1.0),
        ("multilingual", "yo", "all", 1.0),
    ]
    means = summarise(table)
    assert means["dev/map_crosslingual"] == (0.5 + 1) / 2
    assert means["dev/map_multilingual"] == pytest.approx((0.5 + 1 + 1) / 3)
