import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hybridir.data.pairs import (
    COLUMNS,
    Pairs,
    concatenate,
    row_problems,
    select_data_part,
    shared_questions,
    split_by_group,
)
from hybridir.errors import InputError


def table(*rows: tuple[str, str, str]) -> Pairs:
    """Rows of (question id, passage group, language)."""
    ids, groups, codes = ([row[column] for row in rows] for column in range(3))
    return Pairs(
        ids,
        groups,
        codes,
        question=[f"question {row[0]} {row[2]}" for row in rows],
        passage=[f"passage {row[1]} {row[2]}" for row in rows],
    )


def as_rows(pairs: Pairs) -> list[tuple[str, ...]]:
    return list(zip(*(getattr(pairs, column) for column in COLUMNS), strict=True))


tables = st.dictionaries(
    st.tuples(st.integers(0, 30), st.sampled_from(["de", "en", "es"])),
    st.integers(0, 6),
    min_size=1,
).map(lambda d: table(*((f"q{key}", f"g{group}", code) for (key, code), group in d.items())))


@given(pairs=tables, share=st.floats(0.05, 0.95), seed=st.integers(0, 2**32))
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
    with pytest.raises(InputError, match="there are 2 passage groups; choose at most 2 parts"):
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
    with pytest.raises(InputError, match=rf"dev_share={share}: of 3 passage groups"):
        split_by_group(pairs, share, 0)


def test_shared_questions_are_those_in_two_languages() -> None:
    pairs = table(("a", "a", "en"), ("b", "b", "en"), ("a", "a", "de"), ("c", "c", "de"))
    assert as_rows(shared_questions(pairs)) == [as_rows(pairs)[0], as_rows(pairs)[2]]


def test_languages_are_sorted_and_choose_rows() -> None:
    pairs = table(("a", "a", "es"), ("a", "a", "de"), ("b", "b", "es"))
    assert pairs.languages == ("de", "es")
    assert list(pairs.in_languages(["es"]).question_id) == ["a", "b"]


def test_selected_rows_come_in_the_order_of_the_selection() -> None:
    pairs = table(("a", "a", "en"), ("b", "b", "en"), ("c", "c", "en"))
    assert list(pairs.select(np.array([2, 0])).question_id) == ["c", "a"]


def test_concatenated_tables_follow_each_other_and_share_no_id_or_group() -> None:
    first, second = table(("a", "g", "en"), ("b", "g", "de")), table(("a", "g", "en"))
    both = concatenate([first, second])
    assert list(both.question_id) == ["1/a", "1/b", "2/a"]
    assert list(both.passage_group) == ["1/g", "1/g", "2/g"]
    for column in ("language", "question", "passage"):
        assert getattr(both, column) == [*getattr(first, column), *getattr(second, column)]
    assert list(concatenate([first, second], number_ids=False).question_id) == ["a", "b", "a"]


def test_a_single_table_concatenated_is_itself() -> None:
    pairs = table(("a", "g", "en"))
    assert concatenate([pairs]) is pairs


def test_digest_is_sha_256_over_lengths_and_texts() -> None:
    pairs = Pairs(["q"], ["g"], ["en"], ["ä?"], [""])
    # Each text: its length in bytes as four bytes, then its UTF-8 bytes.
    expected = b"\0\0\0\1q\0\0\0\1g\0\0\0\2en\0\0\0\3\xc3\xa4?\0\0\0\0"
    assert pairs.digest == hashlib.sha256(expected).hexdigest()


def test_digest_tells_where_one_text_ends_and_the_next_begins() -> None:
    assert (
        Pairs(["ab"], ["c"], ["en"], ["a"], ["b"]).digest
        != Pairs(["a"], ["bc"], ["en"], ["a"], ["b"]).digest
    )


def test_each_bad_row_has_its_reason() -> None:
    pairs = Pairs(
        ["a", "b", "c", "a", "a", " "],
        ["a", "b", "c", "a", "a", "d"],
        ["en", "xx", "en", "de", "en", "en"],
        ["?", "?", " \n", "?", "?", ""],
        [".", ".", ".", ".", ".", "."],
    )
    (row1, reason1), (row2, reason2), (row4, reason4), (row5, reason5) = row_problems(pairs)
    assert (row1, row2, row4, row5) == (1, 2, 4, 5)
    assert "unknown language 'xx'" in reason1
    assert reason2 == "empty question"
    assert reason4 == "question 'a' is already there in 'en'"
    assert reason5 == "empty question_id and question"


def crossing(*rows: tuple[str, str, str]) -> Pairs:
    """Rows of (question id, language, language of the passage), each with a group of its own."""
    ids, codes, passages = ([row[column] for row in rows] for column in range(3))
    return Pairs(ids, ids, codes, ["?"] * len(ids), ["."] * len(ids), passages)


def test_passage_languages_equal_to_the_languages_make_no_difference() -> None:
    plain = table(("a", "g", "en"), ("b", "h", "de"))
    repeated = replace(plain, passage_language=["en", "de"])
    assert repeated == plain
    assert repeated.digest == plain.digest
    assert repeated.columns == COLUMNS


def test_the_language_of_passages_is_the_last_text_of_each_row_of_the_digest() -> None:
    pairs = crossing(("a", "de", "en"), ("b", "en", "en"))
    texts = [["a", "a", "de", "?", ".", "en"], ["b", "b", "en", "?", ".", "en"]]
    expected = b"".join(
        len(text).to_bytes(4, "big") + text.encode() for row in texts for text in row
    )
    assert pairs.digest == hashlib.sha256(expected).hexdigest()


def test_languages_are_those_of_questions_and_passages_and_both_choose_rows() -> None:
    pairs = crossing(("a", "yo", "en"), ("b", "en", "en"), ("c", "yo", "de"))
    assert pairs.languages == ("de", "en", "yo")
    assert list(pairs.in_languages(["yo", "en"]).question_id) == ["a", "b"]
    chosen = pairs.in_languages(["en"])
    assert (list(chosen.question_id), chosen.columns) == (["b"], COLUMNS)


def test_tables_with_and_without_passage_languages_can_be_concatenated() -> None:
    both = concatenate([table(("a", "g", "de")), crossing(("a", "yo", "en"))])
    assert list(both.language) == ["de", "yo"]
    assert list(both.passage_languages) == ["de", "en"]


def test_rows_that_cross_languages_are_no_translations_of_each_other() -> None:
    pairs = crossing(("a", "de", "en"), ("a", "yo", "en"), ("b", "de", "de"), ("b", "en", "en"))
    assert list(shared_questions(pairs).question_id) == ["b", "b"]


def test_an_unknown_or_empty_language_of_a_passage_is_a_bad_row() -> None:
    pairs = crossing(("a", "de", "en"), ("b", "de", "xx"), ("c", "de", " "))
    (row1, reason1), (row2, reason2) = row_problems(pairs)
    assert (row1, row2, reason2) == (1, 2, "empty passage_language")
    assert "unknown language 'xx'" in reason1
