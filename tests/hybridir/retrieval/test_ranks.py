import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hybridir.errors import TrialError
from hybridir.retrieval.ranks import RelevantRanks, rank_embeddings, rank_scores
from tests.support.benchmarks import bare_benchmark


def ranks_of_scores(
    scores_QN: Any, pools: Any, relevant: Any, ids: Sequence[str], block: int = 256
) -> RelevantRanks:
    """Rank scores: unit vectors as queries make the product equal them exactly."""
    scores = np.array(scores_QN, dtype=np.float32)
    return rank_embeddings(
        bare_benchmark(pools, relevant, ids),
        np.eye(len(scores), dtype=np.float32),
        np.ascontiguousarray(scores.T),
        block=block,
    )


def test_rank_is_one_more_than_the_number_of_candidates_above() -> None:
    # Two pools, a..c and d..e. In order: d .9, a .8, c .5, e .3, b .1
    ranks = ranks_of_scores([[0.8, 0.1, 0.5, 0.9, 0.3]], [0, 3, 5], [[2, 4]], "abcde")
    assert ranks.higher_RL.tolist() == [[1, 1], [2, 1]]  # above c: a | d; above e: a, c | d
    assert ranks.top1_Q.tolist() == [3]


def test_at_an_equal_score_the_higher_id_ranks_first() -> None:
    ranks = ranks_of_scores([[0.5, 0.5, 0.5, 0.5, 0.1]], [0, 2, 5], [[0, 2]], "cadbe")
    # Order by id among the four equal ones: d c b a. Passage 0 is "c", passage 2 is "d".
    assert ranks.higher_RL.tolist() == [[0, 1], [0, 0]]
    assert ranks.top1_Q.tolist() == [2]


def test_ids_are_compared_by_the_bytes_of_utf_8() -> None:
    # First bytes 7a, c3, e4, ef, f0. By UTF-16 units the last would come before the fourth.
    ids = ["z", "\u00e9", "\u4e2d", "\uff21", "\U0001f600"]
    ranks = ranks_of_scores([[1.0] * 5], [0, 5], [[0, 1, 2, 3, 4]], ids)
    assert ranks.higher_RL[:, 0].tolist() == [4, 3, 2, 1, 0]
    assert sorted(ids, key=str.encode) == ids


def test_pain_20_a_constant_scorer_is_ranked_by_id_alone() -> None:
    ranks = ranks_of_scores([[0.0] * 5] * 2, [0, 2, 5], [[1], [4]], "abcde")
    assert ranks.higher_RL.tolist() == [[0, 3], [0, 0]]
    assert ranks.top1_Q.tolist() == [4, 4]


def test_minus_zero_equals_zero() -> None:
    ranks = ranks_of_scores([[-0.0, 0.0]], [0, 2], [[0, 1]], "ba")
    assert ranks.higher_RL.tolist() == [[0], [1]]


@st.composite
def cases(draw: st.DrawFn) -> Any:
    n_queries, n_passages = draw(st.integers(1, 6)), draw(st.integers(1, 40))
    few_values = st.sampled_from([-1.5, -0.0, 0.0, 0.25, 0.5, np.float32(1 / 3), 7.0])
    any_value = st.floats(-(2.0**90), 2.0**90, width=32)
    scores = draw(hnp.arrays(np.float32, (n_queries, n_passages), elements=few_values | any_value))
    cuts = draw(st.lists(st.integers(0, n_passages), max_size=4))
    ids = draw(
        st.lists(st.text(max_size=3), min_size=n_passages, max_size=n_passages, unique=True)
    )
    ids = [key.encode("utf-8", "ignore").decode() + f"-{n}" for n, key in enumerate(ids)]
    relevant = draw(
        st.lists(
            st.sets(st.integers(0, n_passages - 1), max_size=6),
            min_size=n_queries,
            max_size=n_queries,
        )
    )
    block = draw(st.integers(1, 7))
    return scores, [0, *sorted(cuts), n_passages], [sorted(row) for row in relevant], ids, block


@settings(deadline=None)
@given(cases())
def test_counting_gives_the_position_in_the_sorted_list(case: Any) -> None:
    scores, pools, relevant, ids, block = case
    ranks = ranks_of_scores(scores, pools, relevant, ids, block)
    expected, first, first_of_pools = [], [], []
    for row, relevant_passages in zip(scores, relevant, strict=True):
        order = sorted(range(len(ids)), key=lambda n: (row[n], ids[n].encode()), reverse=True)
        first.append(order[0])
        first_of_pools.append(
            [next((n for n in order if start <= n < stop), -1) for start, stop in pairwise(pools)]
        )
        for passage in relevant_passages:
            above = order[: order.index(passage)]
            expected.append(
                [sum(start <= n < stop for n in above) for start, stop in pairwise(pools)]
            )
    assert ranks.higher_RL.tolist() == expected
    assert ranks.top1_Q.tolist() == first
    assert ranks.top1_QL.tolist() == first_of_pools


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["query", "passage"])
def test_scores_that_are_not_numbers_stop_the_trial(bad: float, where: str) -> None:
    queries, passages = np.ones((300, 2), np.float32), np.zeros((3, 2), np.float32)
    {"query": queries[290:291], "passage": passages[2:]}[where][0, 0] = bad
    if bad == np.inf:  # inf times zero, or inf minus inf, is NaN
        queries[:, 1], passages[:, 1] = np.inf, -np.inf
    with pytest.raises(TrialError, match="contain NaN"):
        rank_embeddings(bare_benchmark([0, 3], [[0]] * 300, "abc"), queries, passages)


def test_the_message_about_nan_says_how_many_embeddings_are_bad() -> None:
    queries, passages = np.ones((3, 2), np.float32), np.ones((3, 2), np.float32)
    queries[1:] = np.nan
    with pytest.raises(TrialError, match=r"query 1 .* 2 query and 0 passage"):
        rank_embeddings(bare_benchmark([0, 3], [[0]] * 3, "abc"), queries, passages)


def test_read_only_embeddings_are_taken_without_a_warning() -> None:
    queries, passages = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)
    queries.flags.writeable = passages.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ranks = rank_embeddings(bare_benchmark([0, 2], [[0], [0]], "ab"), queries, passages)
    assert ranks.higher_RL.tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (np.ones((1, 2)), "float64"),
        (np.ones((1, 3), np.float32), r"shapes \(1, 3\) and \(3, 2\)"),
        (np.ones((2, 2), np.float32), "2 embeddings for 1 queries"),
    ],
)
def test_embeddings_that_do_not_fit_the_benchmark_are_refused(queries: Any, message: str) -> None:
    benchmark, passages = bare_benchmark([0, 3], [[0]], "abc"), np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=message):
        rank_embeddings(benchmark, queries, passages)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"passage_languages": np.zeros(4, np.int32)}, r"pools \[0, 4\] do not divide 3 passages"),
        ({"relevant_offsets": np.array([0, 1, 1])}, "3 offsets for 1 queries"),
        ({"relevant_offsets": np.array([0, 2])}, "do not divide 1 relevant"),
        ({"relevant": np.array([3])}, "outside 0..2"),
        ({"passage_ids": "ab"}, "3 embeddings for 2 passages"),
    ],
)
def test_a_benchmark_whose_arrays_do_not_fit_each_other_is_refused(
    change: dict[str, Any], message: str
) -> None:
    benchmark = replace(bare_benchmark([0, 3], [[0]], "abc"), **change)
    with pytest.raises(ValueError, match=message):
        rank_embeddings(benchmark, np.ones((1, 2), np.float32), np.ones((3, 2), np.float32))


def test_any_source_of_scores_is_ranked_as_their_product_would_be() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(4, size=(7, 12)).astype(np.float32)
    ids = [f"p{number}" for number in range(12)]
    relevant = rng.integers(12, size=(7, 1)).tolist()
    benchmark = bare_benchmark([0, 5, 5, 12], relevant, ids, list("abacbdd"))
    scored: list[int] = []

    def score(queries_B: Any, scores_BN: Any) -> None:
        scored.extend(queries_B)
        scores_BN[:] = scores[queries_B]

    ranks = rank_scores(benchmark, score, block=3)
    expected = rank_embeddings(benchmark, np.eye(7, dtype=np.float32), scores.T.copy())
    for name in ("higher_RL", "top1_QL", "top1_Q"):
        assert np.array_equal(getattr(ranks, name), getattr(expected, name))
    assert sorted(scored) == list(range(7))
    assert scored.index(2) == scored.index(0) + 1, "queries of one question come together"


def test_a_source_of_scores_that_are_not_numbers_is_refused() -> None:
    def score(queries_B: Any, scores_BN: Any) -> None:
        scores_BN[:] = np.where(queries_B[:, None] == 4, np.nan, 0.0)

    with pytest.raises(TrialError, match=r"scores of query 4 contain NaN and cannot be ranked$"):
        rank_scores(bare_benchmark([0, 3], [[0]] * 6, "abc"), score, block=2)


@pytest.mark.parametrize("queries", [1, 2, 255, 256, 257, 600])
@pytest.mark.parametrize("dimensions", [3, 384])
def test_scores_are_those_of_one_product_of_all_queries_to_the_last_bit(
    queries: int, dimensions: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    query_QD = torch.randn(queries, dimensions, generator=generator)
    distinct = torch.randn(400, dimensions, generator=generator)
    which = torch.cat([torch.randperm(400, generator=generator) for _ in range(3)])
    scores_QN = np.zeros((queries, len(which)), dtype=np.float32)

    def observe(queries_B: Any, scores_BN: Any) -> None:
        scores_QN[queries_B] = scores_BN

    ids = [str(number) for number in range(len(which))]
    rank_embeddings(
        bare_benchmark([0, len(which)], [[0]] * queries, ids),
        query_QD.numpy(),
        distinct[which].numpy(),
        observers=[observe],
    )
    assert np.array_equal(scores_QN, torch.mm(query_QD, distinct[which].T).numpy())
    # Passages with the same embedding tie, wherever they are.
    copies = np.argsort(which.numpy(), kind="stable").reshape(400, 3)
    assert (scores_QN[:, copies] == scores_QN[:, copies[:, :1]]).all()
