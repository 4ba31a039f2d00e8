from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridir.batches.index import Rows, draw_distinct, index_pairs
from hybridir.data.pairs import Pairs
from tests.hybridir.batches.test_plan import cross_lingual_rows, tables
from tests.support.tiny import pairs_of


@given(tables())
def test_rows_lie_in_the_slice_of_their_language(table: Pairs) -> None:
    index = index_pairs(table)
    assert sorted(index.rows.tolist()) == list(range(len(table)))
    assert index.sizes.sum() == len(table)
    for number, language in enumerate(index.languages):
        rows = index.rows[index.of_language(number)]
        assert {table.language[row] for row in rows} == {language}
        assert index.sizes[number] == len(rows)


@given(tables())
def test_cross_lingual_pairs_are_all_ordered_pairs_with_one_question_id(table: Pairs) -> None:
    index = index_pairs(table)
    pairs = [(int(first), int(second)) for first, second in index.cross]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == cross_lingual_rows(table)


@given(tables())
def test_the_rows_of_each_ordered_language_pair_are_consecutive(table: Pairs) -> None:
    index = index_pairs(table)
    bounds = index.cross_offsets
    stretches = [
        {
            (table.language[question], table.language[passage])
            for question, passage in index.cross[low:high]
        }
        for low, high in pairwise(bounds)
    ]
    assert all(len(stretch) == 1 for stretch in stretches)
    assert len(set.union(*stretches)) == len(stretches)
    assert bounds[-1] == len(index.cross)


@given(tables())
def test_groups_are_numbered_as_they_are_named(table: Pairs) -> None:
    index = index_pairs(table)
    names = np.array(table.passage_group)
    number = dict(zip(names[index.rows], index.row_groups.tolist(), strict=True))
    assert len(number) == index.n_groups == len(set(number.values()))
    assert [number[name] for name in names[index.rows]] == index.row_groups.tolist()
    assert [number[name] for name in names[index.cross[:, 1]]] == index.cross_groups.tolist()


def test_a_table_in_one_language_has_no_cross_lingual_pairs() -> None:
    index = index_pairs(pairs_of([("q0", "g0", "en"), ("q1", "g1", "en")]))
    assert index.cross.shape == (0, 2)
    assert index.cross_offsets.tolist() == [0]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.data())
def test_drawn_items_share_no_group_unless_there_are_fewer_groups_than_items(
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


def test_a_group_that_is_hardly_ever_drawn_still_gets_into_the_batch() -> None:
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
    index = index_pairs(table)
    assert index.languages == ("de", "en")
    assert (index.rows.tolist(), index.row_offsets.tolist()) == ([0, 1, 4], [0, 1, 3])
    assert index.row_groups.tolist() == [0, 0, 2]
    # German to English: q0 with its translation, q1 by itself; then English to German, and
    # Yoruba to English.
    assert index.cross.tolist() == [[0, 1], [2, 2], [1, 0], [3, 3]]
    assert index.cross_offsets.tolist() == [0, 2, 3, 4]
    assert index.cross_groups.tolist() == [0, 1, 0, 1]


def test_a_question_with_several_passages_makes_one_pair_with_each_translation() -> None:
    # q0 has two English passages, rows 0 and 1, and a German one; q1 has no translation.
    rows = [("q0", "en"), ("q0", "en"), ("q0", "de"), ("q1", "en"), ("q1", "en")]
    table = Pairs(
        question_id=[key for key, _ in rows],
        passage_group=[key for key, _ in rows],
        language=[code for _, code in rows],
        question=[f"{key} {code}?" for key, code in rows],
        passage=[f"passage {number}" for number in range(len(rows))],
    )
    index = index_pairs(table)
    # The question is that of its first row, which asks it in the same words as the second.
    assert {(int(q), int(p)) for q, p in index.cross} == {(0, 2), (2, 0), (2, 1)}
    assert sorted(index.rows.tolist()) == [0, 1, 2, 3, 4]
