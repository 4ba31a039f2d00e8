from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridir.batches.index import Rows, build_pools, draw_distinct
from hybridir.data.pairs import Pairs
from tests.hybridir.batches.test_plan import cross_lingual_rows, tables
from tests.support.tiny import pairs_of


@given(tables())
def test_rows_lie_in_the_slice_of_their_language(table: Pairs) -> None:
    pools = build_pools(table)
    assert sorted(pools.rows.tolist()) == list(range(len(table)))
    assert pools.sizes.sum() == len(table)
    for index, language in enumerate(pools.languages):
        rows = pools.rows[pools.of_language(index)]
        assert {table.language[row] for row in rows} == {language}
        assert pools.sizes[index] == len(rows)


@given(tables())
def test_cross_lingual_pairs_are_all_ordered_pairs_with_one_question_id(table: Pairs) -> None:
    pools = build_pools(table)
    found = [(int(first), int(second)) for first, second in pools.cross]
    assert len(found) == len(set(found))
    assert set(found) == cross_lingual_rows(table)


@given(tables())
def test_each_ordered_language_pair_has_one_stretch(table: Pairs) -> None:
    pools = build_pools(table)
    bounds = pools.cross_offsets
    stretches = [
        {
            (table.language[question], table.language[passage])
            for question, passage in pools.cross[low:high]
        }
        for low, high in pairwise(bounds)
    ]
    assert all(len(stretch) == 1 for stretch in stretches)
    assert len(set.union(*stretches)) == len(stretches)
    assert bounds[-1] == len(pools.cross)


@given(tables())
def test_groups_are_numbered_as_they_are_named(table: Pairs) -> None:
    pools = build_pools(table)
    names = np.array(table.passage_group)
    number = dict(zip(names[pools.rows], pools.row_groups.tolist(), strict=True))
    assert len(number) == pools.n_groups == len(set(number.values()))
    assert [number[name] for name in names[pools.rows]] == pools.row_groups.tolist()
    assert [number[name] for name in names[pools.cross[:, 1]]] == pools.cross_groups.tolist()


def test_a_table_in_one_language_has_no_cross_lingual_pairs() -> None:
    pools = build_pools(pairs_of([("q0", "g0", "en"), ("q1", "g1", "en")]))
    assert pools.cross.shape == (0, 2)
    assert pools.cross_offsets.tolist() == [0]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.data())
def test_drawn_items_share_no_group_unless_groups_are_fewer_than_asked_for(
    groups: list[int], data: st.DataObject
) -> None:
    group = np.array(groups)
    size = data.draw(st.integers(1, 2 * len(groups)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))

    def draw(n: int) -> Rows:
        return rng.integers(len(group), size=n)

    items = draw_distinct(rng, size, draw, group)
    assert len(items) == size
    assert len(set(group[items].tolist())) == min(size, len(set(groups)))
    assert len(set(items.tolist())) == min(size, len(groups))


def test_a_group_that_is_hardly_ever_drawn_is_found_all_the_same() -> None:
    # The draws only ever give item 0; the pass over everything finds the other two groups.
    group = np.array([0, 0, 1, 2])
    items = draw_distinct(
        np.random.default_rng(0), 3, lambda n: np.zeros(n, dtype=np.int64), group
    )
    assert sorted(group[items].tolist()) == [0, 1, 2]


def test_a_row_that_crosses_languages_is_a_pair_by_itself_and_in_no_language() -> None:
    table = replace(
        pairs_of(
            [
                ("q0", "g0", "de"),
                ("q0", "g0", "en"),
                ("q1", "g1", "de"),  # with an English passage
                ("q1", "g1", "yo"),  # with an English passage
                ("q2", "g2", "en"),
            ]
        ),
        passage_language=["de", "en", "en", "en", "en"],
    )
    pools = build_pools(table)
    assert pools.languages == ("de", "en")
    assert (pools.rows.tolist(), pools.row_offsets.tolist()) == ([0, 1, 4], [0, 1, 3])
    assert pools.row_groups.tolist() == [0, 0, 2]
    # German to English: q0 with its translation, q1 by itself; then English to German, and
    # Yoruba to English.
    assert pools.cross.tolist() == [[0, 1], [2, 2], [1, 0], [3, 3]]
    assert pools.cross_offsets.tolist() == [0, 2, 3, 4]
    assert pools.cross_groups.tolist() == [0, 1, 0, 1]
