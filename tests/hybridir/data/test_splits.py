from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hybridir.data.pairs import Pairs
from hybridir.data.splits import inseparable_groups, select_data_part, split_by_group
from hybridir.errors import InputError
from tests.support.tables import as_rows, table

# Each question in some languages, all in one group: nothing else holds groups together.
tables = st.dictionaries(
    st.integers(0, 30),
    st.tuples(st.integers(0, 6), st.sets(st.sampled_from(["de", "en", "es"]), min_size=1)),
    min_size=1,
).map(
    lambda questions: table(
        *(
            (f"q{key}", f"g{group}", code)
            for key, (group, codes) in questions.items()
            for code in sorted(codes)
        )
    )
)


@given(
    rows=st.lists(
        st.tuples(*(st.integers(0, 9) for _ in range(3)), st.sampled_from(["de", "en"])),
        min_size=1,
    )
)
def test_groups_that_share_a_question_or_a_passage_in_one_language_are_inseparable(
    rows: list[tuple[int, int, int, str]],
) -> None:
    pairs = Pairs(
        question_id=[f"q{row[0]}" for row in rows],
        passage_group=["" for _ in rows],
        language=[row[3] for row in rows],
        question=["?" for _ in rows],
        passage=[f"p{row[1]}" for row in rows],
        split_group=[f"s{row[2]}" for row in rows],
    )
    # Nodes: 10 questions, 10 passages in each of two languages, 10 groups; a row joins three.
    questions, passages, groups = (np.array([row[axis] for row in rows]) for axis in range(3))
    passage_nodes = 10 + passages + 10 * np.array([row[3] == "en" for row in rows])
    ends = np.concatenate([questions, passage_nodes]), np.tile(30 + groups, 2)
    graph = coo_array((np.ones(2 * len(rows)), ends), shape=(40, 40))
    _, label = connected_components(graph, directed=False)
    joined = list(zip(inseparable_groups(pairs), label[questions].tolist(), strict=True))
    assert len(set(joined)) == len({name for name, _ in joined}) == len({n for _, n in joined})


def test_questions_on_one_passage_are_not_split_though_the_table_has_no_groups() -> None:
    # Ten questions with groups of their own; each two have one passage.
    ids = [f"q{number}" for number in range(10)]
    passages = [f"passage {number // 2}" for number in range(10)]
    pairs = Pairs(ids, ids, ["en"] * 10, ids, passages)
    for seed in range(20):
        train, dev = split_by_group(pairs, 0.4, seed)
        assert (len(train), len(dev)) == (6, 4)  # .4 of 5
        assert not set(train.passage) & set(dev.passage)
        parts = [select_data_part(pairs, number, 2, seed) for number in range(2)]
        assert not set(parts[0].passage) & set(parts[1].passage)


def test_a_split_keeps_split_groups_together_and_not_passage_groups_alone() -> None:
    plain = table(*((f"q{number}", f"g{number}", "en") for number in range(20)))
    pairs = replace(plain, split_group=[f"s{number // 4}" for number in range(20)])
    train, dev = split_by_group(pairs, 0.2, 0)
    assert len(dev) == 4  # one of five
    assert len(set(dev.split_groups)) == 1
    assert not set(train.split_groups) & set(dev.split_groups)


@given(pairs=tables, share=st.floats(0.05, 0.95), seed=st.integers(0, 2**32))
@pytest.mark.slow
def test_split_has_no_group_on_both_sides_and_loses_no_row(
    pairs: Pairs, share: float, seed: int
) -> None:
    groups = len(set(pairs.passage_group))
    assume(0 < round(share * groups) < groups)
    train, dev = split_by_group(pairs, share, seed)
    assert not set(train.passage_group) & set(dev.passage_group)
    assert len(set(dev.passage_group)) == round(share * groups)
    assert sorted(as_rows(train) + as_rows(dev)) == sorted(as_rows(pairs))
    order = {row: index for index, row in enumerate(as_rows(pairs))}
    for table_of_split in (train, dev):
        positions = [order[row] for row in as_rows(table_of_split)]
        assert positions == sorted(positions)


@given(pairs=tables, of=st.integers(2, 5), seed=st.integers(0, 2**32))
def test_parts_share_no_group_differ_by_one_group_at_most_and_lose_no_row(
    pairs: Pairs, of: int, seed: int
) -> None:
    groups = set(pairs.passage_group)
    assume(len(groups) >= of)
    parts = [select_data_part(pairs, number, of, seed) for number in range(of)]
    groups_of_parts = [set(pairs.passage_group) for pairs in parts]
    assert sorted(group for dealt in groups_of_parts for group in dealt) == sorted(groups)
    sizes = list(map(len, groups_of_parts))
    assert max(sizes) - min(sizes) <= 1
    assert sorted(row for table in parts for row in as_rows(table)) == sorted(as_rows(pairs))


def test_another_seed_deals_groups_into_other_parts() -> None:
    pairs = table(*((f"q{number}", f"g{number}", "en") for number in range(20)))
    dealt = {tuple(select_data_part(pairs, 0, 2, seed).passage_group) for seed in range(5)}
    assert len(dealt) == 5


def test_more_parts_than_groups_are_refused() -> None:
    pairs = table(("q1", "g1", "en"), ("q2", "g2", "en"))
    with pytest.raises(InputError, match="there are 2 groups of passages; choose at most 2 parts"):
        select_data_part(pairs, 0, 3, seed=0)


@given(pairs=tables, seed=st.integers(0, 2**32), data=st.data())
def test_split_does_not_depend_on_the_order_of_the_rows(
    pairs: Pairs, seed: int, data: st.DataObject
) -> None:
    groups = len(set(pairs.passage_group))
    assume(groups > 1 and 0 < round(0.5 * groups) < groups)
    shuffled = pairs.select(data.draw(st.permutations(range(len(pairs)))))
    first, second = (split_by_group(order, 0.5, seed)[1] for order in (pairs, shuffled))
    assert set(first.passage_group) == set(second.passage_group)


def test_every_group_is_held_out_for_some_seed() -> None:
    pairs = table(*((f"q{n}", f"g{n}", "en") for n in range(10)))
    held_out = {split_by_group(pairs, 0.1, seed)[1].passage_group[0] for seed in range(200)}
    assert len(held_out) == 10


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_split_that_leaves_a_side_empty_is_refused(share: float) -> None:
    pairs = table(("q1", "g1", "en"), ("q2", "g2", "en"), ("q3", "g3", "en"))
    with pytest.raises(InputError, match=rf"dev_share={share}: of 3 groups of passages"):
        split_by_group(pairs, share, 0)
