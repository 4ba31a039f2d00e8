import hashlib
from dataclasses import replace

import numpy as np

from hybridir.data.pairs import (
    COLUMNS,
    Pairs,
    concatenate,
    row_problems,
    shared_questions,
    unshared_questions,
)
from tests.support.tables import as_rows, table


def test_shared_questions_are_those_in_two_languages() -> None:
    pairs = table(("a", "a", "en"), ("b", "b", "en"), ("a", "a", "de"), ("c", "c", "de"))
    assert as_rows(shared_questions(pairs)) == [as_rows(pairs)[0], as_rows(pairs)[2]]
    assert as_rows(unshared_questions(pairs)) == [as_rows(pairs)[1], as_rows(pairs)[3]]


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


def test_clusters_and_split_groups_go_with_their_rows() -> None:
    first = replace(
        table(("a", "g", "en"), ("b", "h", "en"), ("a", "g", "de")),
        cluster=["X", "Y", "X"],
        split_group=["s", "s", "s"],
    )
    chosen = first.select([2, 1])
    assert (list(chosen.clusters), list(chosen.split_groups)) == (["X", "Y"], ["s", "s"])
    assert list(shared_questions(first).clusters) == ["X", "X"]
    assert list(first.in_languages(["de"]).split_groups) == ["s"]
    # The second table has neither column: its passage groups stand for both.
    both = concatenate([first, table(("a", "X", "en"))])
    assert list(both.clusters) == ["1/X", "1/Y", "1/X", "2/X"]
    assert list(both.split_groups) == ["1/s", "1/s", "1/s", "2/X"]
    assert concatenate([first.select([0]), first.select([1])], number_ids=False).clusters == [
        "X",
        "Y",
    ]


def test_clusters_and_split_groups_change_no_digest_and_repeat_no_passage_group() -> None:
    plain = table(("a", "g", "en"), ("b", "h", "de"))
    assert replace(plain, cluster=["c", "c"], split_group=["s", "s"]).digest == plain.digest
    assert replace(plain, cluster=["g", "h"], split_group=["g", "h"]) == plain


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
        ["en", "x/x", "en", "de", "en", "en"],
        ["?", "?", " \n", "?", "Other?", ""],
        [".", ".", ".", ".", ".", "."],
    )
    (row1, reason1), (row2, reason2), (row4, reason4), (row5, reason5) = row_problems(pairs)
    assert (row1, row2, row4, row5) == (1, 2, 4, 5)
    assert "'x/x' is no language code" in reason1
    assert reason2 == "empty question"
    assert reason4 == "question 'a' has another text in 'en' already: '?'"
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
    pairs = crossing(("a", "de", "en"), ("b", "de", "x/x"), ("c", "de", " "))
    (row1, reason1), (row2, reason2) = row_problems(pairs)
    assert (row1, row2, reason2) == (1, 2, "empty passage_language")
    assert "'x/x' is no language code" in reason1
