from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hybridir.errors import TrialError
from hybridir.retrieval.ranks import rank_embeddings
from hybridir.retrieval.ranks_from_store import observe_stored, rank_stored, top_k
from hybridir.retrieval.vector_store import StoredVectors
from tests.support.benchmarks import bare_benchmark

Floats = NDArray[np.float32]


def stored(folder: Path, passages_ND: Floats) -> StoredVectors:
    path = folder / "vectors.f32"
    passages_ND.tofile(path)
    return StoredVectors(path, *passages_ND.shape)


@st.composite
def cases(draw: st.DrawFn) -> Any:
    """Small whole numbers, so that products of any shape are exact and ties are many."""
    n_queries, n_passages = draw(st.integers(1, 9)), draw(st.integers(1, 40))
    integers = st.integers(-3, 3).map(float)
    queries = draw(hnp.arrays(np.float32, (n_queries, 3), elements=integers))
    passages = draw(hnp.arrays(np.float32, (n_passages, 3), elements=integers))
    cuts = draw(st.lists(st.integers(0, n_passages), max_size=4))
    relevant = draw(
        st.lists(
            st.sets(st.integers(0, n_passages - 1), max_size=6).map(sorted),
            min_size=n_queries,
            max_size=n_queries,
        )
    )
    ids = draw(st.permutations([f"p{number}" for number in range(n_passages)]))
    block = (draw(st.integers(1, 10)), draw(st.integers(1, 41)))
    benchmark = bare_benchmark([0, *sorted(cuts), n_passages], relevant, ids)
    return benchmark, queries, passages, block


shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@shared_folder
@given(case=cases())
def test_ranks_by_blocks_are_those_of_one_product(tmp_path: Path, case: Any) -> None:
    benchmark, queries, passages, block = case
    expected = rank_embeddings(benchmark, queries, passages)
    ranks = rank_stored(benchmark, queries, stored(tmp_path, passages), block)
    assert ranks.higher_RL.tolist() == expected.higher_RL.tolist()
    assert ranks.top1_QL.tolist() == expected.top1_QL.tolist()
    assert ranks.top1_Q.tolist() == expected.top1_Q.tolist()
    assert ranks.higher_RL.dtype == ranks.top1_QL.dtype == ranks.top1_Q.dtype == np.int32


@pytest.mark.slow
@shared_folder
@given(case=cases(), k=st.integers(1, 50))
def test_the_first_passages_are_those_of_the_sorted_list(
    tmp_path: Path, case: Any, k: int
) -> None:
    benchmark, queries, passages, block = case
    ids = benchmark.passage_ids
    top, top_scores = top_k(benchmark, queries, stored(tmp_path, passages), k, block)
    for row, row_top, row_scores in zip(queries @ passages.T, top, top_scores, strict=True):
        order = sorted(range(len(ids)), key=lambda n: (row[n], ids[n].encode()), reverse=True)
        assert row_top.tolist() == order[:k]
        assert row_scores.tolist() == [row[n] for n in order[:k]]


@pytest.mark.slow
@shared_folder
@given(case=cases(), memory_bytes=st.integers(1, 2000), data=st.data())
def test_observers_see_full_rows_and_the_queries_of_a_question_together(
    tmp_path: Path, case: Any, memory_bytes: int, data: st.DataObject
) -> None:
    _, queries, passages, block = case
    names = st.lists(st.sampled_from("abc"), min_size=len(queries), max_size=len(queries))
    questions = data.draw(names)
    seen: list[list[int]] = []

    def observe(queries_B: NDArray[np.int64], scores_BN: Floats) -> None:
        seen.append(queries_B.tolist())
        assert np.array_equal(scores_BN, queries[queries_B] @ passages.T)

    file = stored(tmp_path, passages)
    observe_stored(queries, file, questions, [observe], memory_bytes / 1e6, block)
    assert sorted(query for block in seen for query in block) == list(range(len(queries)))
    for question in set(questions):
        members = {query for query, key in enumerate(questions) if key == question}
        assert any(members <= set(block) for block in seen)


def test_ranks_of_real_numbers_are_exact_within_the_products_that_were_made(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((70, 48)).astype(np.float32)
    passages = rng.standard_normal((1000, 48)).astype(np.float32)
    passages[500:600] = passages[:100]  # ties
    relevant = rng.integers(1000, size=140)
    ids = [f"p{number}" for number in rng.permutation(1000)]
    benchmark = bare_benchmark([0, 300, 300, 1000], relevant.reshape(70, 2).tolist(), ids)
    file = stored(tmp_path, passages)
    ranks = rank_stored(benchmark, queries, file, block=(32, 128))
    top, scores = top_k(benchmark, queries, file, 1000, block=(32, 128))
    assert np.array_equal(top[:, 0], ranks.top1_Q)
    assert (np.diff(scores, axis=1) <= 0).all()
    pools = (0, 300, 300, 1000)
    for occurrence, passage in enumerate(relevant):
        order = top[occurrence // 2].tolist()
        above = order[: order.index(passage)]
        counts = [sum(low <= n < high for n in above) for low, high in pairwise(pools)]
        assert ranks.higher_RL[occurrence].tolist() == counts
    # Products of another shape round differently, but rarely past a neighbour.
    one_product = rank_embeddings(benchmark, queries, passages)
    assert np.abs(ranks.higher_RL - one_product.higher_RL).max() <= 1


@pytest.mark.parametrize("where", ["query", "passage"])
def test_scores_that_are_not_numbers_stop_the_trial(tmp_path: Path, where: str) -> None:
    queries, passages = np.ones((5, 2), np.float32), np.ones((9, 2), np.float32)
    {"query": queries[3:], "passage": passages[7:8]}[where][0, 0] = np.nan
    counts = r"query 3 .* 1 query and 0 p" if where == "query" else r"query 0 .* 0 query and 1 p"
    file, benchmark = stored(tmp_path, passages), bare_benchmark([0, 9], [[0]] * 5, "abcdefghi")
    block = (2, 4)
    with pytest.raises(TrialError, match=counts):
        top_k(benchmark, queries, file, 2, block)
    with pytest.raises(TrialError, match=counts):
        rank_stored(benchmark, queries, file, block)


def test_arguments_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    queries, file = np.ones((1, 3), np.float32), stored(tmp_path, np.ones((3, 2), np.float32))
    benchmark = bare_benchmark([0, 3], [[0]], "abc")
    with pytest.raises(ValueError, match=r"shapes \(1, 3\) and \(3, 2\)"):
        top_k(benchmark, queries, file, 1)
    with pytest.raises(ValueError, match="3 embeddings for 2 passages"):
        rank_stored(bare_benchmark([0, 2], [[0]], "ab"), queries[:, :2], file)
    with pytest.raises(ValueError, match="k=0"):
        top_k(benchmark, queries[:, :2], file, 0)
