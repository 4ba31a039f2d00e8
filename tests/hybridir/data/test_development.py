from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.benchmark import Benchmark
from hybridir.data.development import Development, development_benchmark, table_development
from hybridir.data.pairs import Pairs
from hybridir.errors import InputError
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.summary import summarise
from hybridir.retrieval import rank_embeddings
from tests.support.tables import table

NOTHING = table()


def dev_of(pairs: Pairs, left_out: Pairs = NOTHING, trained: Pairs = NOTHING) -> Benchmark:
    return development_benchmark("dev", [table_development(pairs, left_out)], [trained])


def answers(benchmark: Benchmark) -> dict[str, set[str]]:
    """Question id -> texts of its relevant passages."""
    bounds = benchmark.relevant_offsets
    return {
        question: {benchmark.passages[index] for index in benchmark.relevant[low:high]}
        for question, low, high in zip(
            benchmark.question_ids, bounds[:-1], bounds[1:], strict=True
        )
    }


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
    benchmark = dev_of(Pairs(ids, ids, codes, questions, texts))

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
    benchmark = dev_of(pairs)
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


def test_the_pool_has_all_passages_of_a_table_that_are_not_trained_on() -> None:
    held_out = table(("a", "g", "en"), ("a", "g", "de"))
    left_out = table(("b", "h", "en"), ("c", "t", "en"))
    trained = table(("d", "t", "en"), ("e", "t", "de"))
    dev = dev_of(held_out, left_out, trained)
    assert set(dev.question_ids) == {"a"}
    assert list(dev.passages) == ["passage g de", "passage g en", "passage h en"]
    assert answers(dev) == {"a": {"passage g de", "passage g en"}}


def test_a_left_out_row_of_a_held_out_question_is_relevant() -> None:
    left_out = Pairs(["a"], ["g"], ["yo"], ["?"], ["other"], ["en"])
    dev = dev_of(table(("a", "g", "en")), left_out)
    assert answers(dev) == {"a": {"passage g en", "other"}}


def test_clusters_are_those_of_the_table_or_else_its_passage_groups() -> None:
    rows = table(("a", "g", "en"), ("b", "g", "en"), ("c", "h", "en"))
    assert list(dev_of(rows).clusters) == ["g", "g", "h"]
    columns = {column: getattr(rows, column) for column in rows.columns}
    assert list(dev_of(Pairs(**columns, cluster=["A", "B", "B"])).clusters) == ["A", "B", "B"]


def test_data_sets_of_a_mixture_share_no_id_and_no_cluster_but_copies_of_a_passage() -> None:
    first = table_development(table(("a", "g", "en"), ("b", "h", "en")), NOTHING)
    second = table_development(table(("a", "g", "en"), ("a", "g", "de")), NOTHING)
    dev = development_benchmark("dev", [first, second], [])
    queries = zip(dev.question_ids, dev.clusters, strict=True)
    assert list(queries) == [("2/a", "2/g"), ("1/a", "1/g"), ("1/b", "1/h"), ("2/a", "2/g")]
    # "passage g en" is there twice, and each copy answers both questions.
    assert list(dev.passages) == ["passage g de", "passage g en", "passage h en", "passage g en"]
    assert len(set(dev.passage_ids)) == 4
    bounds = dev.relevant_offsets.tolist()
    indices = [dev.relevant[low:high].tolist() for low, high in pairwise(bounds)]
    assert indices == [[0, 1, 3], [1, 3], [2], [0, 1, 3]]


def test_what_another_data_set_trains_on_is_neither_asked_for_nor_retrieved() -> None:
    developments = [
        table_development(table(("a", "g", "en"), ("b", "h", "en")), NOTHING),
        table_development(table(("c", "k", "en")), NOTHING),
    ]
    dev = development_benchmark("dev", developments, [table(("d", "g", "en"))])
    assert list(dev.question_ids) == ["1/b", "2/c"]
    assert list(dev.passages) == ["passage h en", "passage k en"]


def test_a_development_set_without_a_question_is_refused() -> None:
    held_out = table(("a", "g", "en"))
    development = Development(held_out, [("p", "en", "passage g en")], {"a": {"p"}})
    with pytest.raises(InputError, match="no question is left to tune on"):
        development_benchmark("dev", [development], [held_out])
