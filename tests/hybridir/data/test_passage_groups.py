from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.passage_groups import connected_questions, joined

ANSWERS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("0123456789")))


def test_questions_with_a_common_passage_are_one_group_named_by_the_smallest() -> None:
    answers = [("q3", "x"), ("q2", "x"), ("q2", "y"), ("q1", "y"), ("q4", "z")]
    assert connected_questions(answers) == {"q3": "q1", "q2": "q1", "q1": "q1", "q4": "q4"}


@given(ANSWERS)
def test_groups_are_those_of_a_flood_over_questions_and_passages(
    answers: list[tuple[str, str]],
) -> None:
    expected = {}
    for start in {question for question, _ in answers}:
        reached = {start}
        while True:
            passages = {passage for question, passage in answers if question in reached}
            neighbours = {question for question, passage in answers if passage in passages}
            if neighbours <= reached:
                break
            reached |= neighbours
        expected[start] = min(reached)
    assert connected_questions(answers) == expected


@given(ANSWERS)
def test_groups_do_not_depend_on_the_order_of_the_answers(answers: list[tuple[str, str]]) -> None:
    assert connected_questions(answers) == connected_questions(answers[::-1])


@given(
    st.lists(st.tuples(*(st.sampled_from(letters) for letters in ("abcdef", "xy", "123", "uvw"))))
)
def test_labels_with_a_common_key_in_one_column_are_joined_under_the_smallest(
    rows: list[tuple[str, str, str, str]],
) -> None:
    labels = [row[0] for row in rows]
    first, second = [(row[1], row[2]) for row in rows], [("", row[3]) for row in rows]
    # A label is connected to its keys, and these know their column.
    edges = [(row[0], f"{row[1]}{row[2]}") for row in rows] + [(row[0], row[3]) for row in rows]
    component = connected_questions(edges)
    assert list(joined(labels, first, second)) == [component[label] for label in labels]


def test_labels_without_a_common_key_come_back_as_they_are() -> None:
    labels = ["a", "b", "a"]
    assert joined(labels, [("", "x"), ("", "y"), ("", "x")]) is labels
