from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.passage_groups import connected_questions

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
