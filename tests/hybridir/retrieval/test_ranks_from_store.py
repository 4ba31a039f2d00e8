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
from hybridir.retrieval.ranks import rank_relevant
from hybridir.retrieval.ranks_from_store import observe_stored, rank_stored, top_k
from hybridir.retrieval.vector_store import StoredVectors

Floats = NDArray[np.float32]


def stored(folder: Path, passages_ND: Floats) -> StoredVectors:
    path = folder / "vectors.f32"
    passages_ND.tofile(path)
    return StoredVectors(path, *passages_ND.shape)


@st.composite
def cases(draw: st.DrawFn) -> Any:
    """Small whole numbers, so that products of any shape are exact and ties are many."""
    n_queries, n_passages = draw(st.integers(1, 9)), draw(st.integers(1, 40))
    whole = st.integers(-3, 3).map(float)
    queries = draw(hnp.arrays(np.float32, (n_queries, 3), elements=whole))
    passages = draw(hnp.arrays(np.float32, (n_passages, 3), elements=whole))
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
    offsets = np.cumsum([0, *map(len, relevant)])
    flat = np.array([index for row in relevant for index in row], dtype=np.int64)
    return queries, passages, np.array([0, *sorted(cuts), n_passages]), offsets, flat, ids, block


untidy = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@untidy
@given(case=cases())
def test_ranks_by_blocks_are_those_of_one_product(tmp_path: Path, case: Any) -> None:
    queries, passages, pools, offsets, relevant, ids, block = case
    what = (pools, offsets, relevant, ids)
    expected = rank_relevant(queries, passages, *what)
    found = rank_stored(queries, stored(tmp_path, passages), *what, block)
    assert found.higher_RL.tolist() == expected.higher_RL.tolist()
    assert found.top1_QL.tolist() == expected.top1_QL.tolist()
    assert found.top1_Q.tolist() == expected.top1_Q.tolist()
    assert found.higher_RL.dtype == found.top1_QL.dtype == found.top1_Q.dtype == np.int32


@untidy
@given(case=cases(), k=st.integers(1, 50))
def test_the_first_passages_are_those_of_the_sorted_list(
    tmp_path: Path, case: Any, k: int
) -> None:
    queries, passages, _, _, _, ids, block = case
    found, scores = top_k(queries, stored(tmp_path, passages), ids, k, block)
    all_scores = queries @ passages.T
    for row, own, own_scores in zip(all_scores, found, scores, strict=True):
        order = sorted(range(len(ids)), key=lambda n: (row[n], ids[n].encode()), reverse=True)
        assert own.tolist() == order[:k]
        assert own_scores.tolist() == [row[n] for n in order[:k]]


@untidy
@given(case=cases(), memory_bytes=st.integers(1, 2000), data=st.data())
def test_observers_see_whole_rows_and_the_queries_of_a_question_together(
    tmp_path: Path, case: Any, memory_bytes: int, data: st.DataObject
) -> None:
    queries, passages, *_, block = case
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
        members = {query for query, own in enumerate(questions) if own == question}
        assert any(members <= set(block) for block in seen)


def test_ranks_of_real_numbers_are_exact_within_the_products_that_were_made(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((70, 48)).astype(np.float32)
    passages = rng.standard_normal((1000, 48)).astype(np.float32)
    passages[500:600] = passages[:100]  # ties
    relevant = rng.integers(1000, size=140)
    pools, offsets = np.array([0, 300, 300, 1000]), np.arange(0, 141, 2)
    ids = [f"p{number}" for number in rng.permutation(1000)]
    file = stored(tmp_path, passages)
    found = rank_stored(queries, file, pools, offsets, relevant, ids, block=(32, 128))
    one = rank_relevant(queries, passages, pools, offsets, relevant, ids)
    top, scores = top_k(queries, file, ids, 1000, block=(32, 128))
    assert np.array_equal(top[:, 0], found.top1_Q)
    assert (np.diff(scores, axis=1) <= 0).all()
    for occurrence, passage in enumerate(relevant):
        order = top[occurrence // 2].tolist()
        above = order[: order.index(passage)]
        counts = [sum(low <= n < high for n in above) for low, high in pairwise(pools)]
        assert found.higher_RL[occurrence].tolist() == counts
    # Products of another shape round differently, but rarely past a neighbour.
    assert np.abs(found.higher_RL - one.higher_RL).max() <= 1


@pytest.mark.parametrize("where", ["query", "passage"])
def test_scores_that_are_not_numbers_stop_the_trial(tmp_path: Path, where: str) -> None:
    queries, passages = np.ones((5, 2), np.float32), np.ones((9, 2), np.float32)
    {"query": queries[3:], "passage": passages[7:8]}[where][0, 0] = np.nan
    said = r"query 3 .* 1 query and 0 pass" if where == "query" else r"query 0 .* 0 query and 1 p"
    file, ids = stored(tmp_path, passages), list("abcdefghi")
    block = (2, 4)
    with pytest.raises(TrialError, match=said):
        top_k(queries, file, ids, 2, block)
    relevant = np.zeros(5, dtype=np.int64)
    with pytest.raises(TrialError, match=said):
        rank_stored(queries, file, np.array([0, 9]), np.arange(6), relevant, ids, block)


def test_arguments_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    queries, file = np.ones((1, 3), np.float32), stored(tmp_path, np.ones((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"shapes \(1, 3\) and \(3, 2\)"):
        top_k(queries, file, "abc", 1)
    with pytest.raises(ValueError, match="2 ids for 3 passages"):
        rank_stored(
            queries[:, :2], file, np.array([0, 3]), np.arange(2), np.zeros(1, np.int64), "ab"
        )
    with pytest.raises(ValueError, match="k=0"):
        top_k(queries[:, :2], file, "abc", 0)
