import math

import pandas as pd
import pytest

from hybridir.evaluation import language_bias


def table(*rows: tuple[object, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(
        rows,
        columns=[
            "setting",
            "query_language",
            "best_rank",
            "worst_rank",
            "best_rank_seen",
            "worst_rank_seen",
            "top1_language",
            "best_is_own",
        ],
    )
    # p of a test among languages: none where nothing is relevant in a second one.
    frame["equal_ranks"] = [
        0.3 if worst > best else math.nan
        for best, worst in zip(frame.best_rank, frame.worst_rank, strict=True)
    ]
    frame = frame.astype({"best_rank_seen": "Int32", "worst_rank_seen": "Int32"})
    frame = frame.astype({"best_is_own": "boolean"})
    return frame.astype(dict.fromkeys(["setting", "query_language", "top1_language"], "category"))


EXAMPLE = table(
    ("multilingual", "de", 1, 11, 1, 4, "de", True),
    ("multilingual", "de", 2, 2, None, None, "en", None),
    ("multilingual", "de", 1, 6, None, None, "de", False),
    ("multilingual", "en", 5, 105, 5, 25, "de", True),
    ("monolingual", "en", 1, 900, None, None, None, None),
)


def test_rank_distance_is_a_mean_of_the_languages_means() -> None:
    de, en = (10 + 5) / 2, 100  # the second German question has one relevant passage
    assert language_bias.rank_distance(EXAMPLE) == pytest.approx((de + en) / 2)


def test_rank_distance_over_seen_languages_leaves_out_questions_without_two() -> None:
    de, en = 3, 20
    assert language_bias.rank_distance(EXAMPLE, seen_only=True) == pytest.approx((de + en) / 2)


def test_where_nothing_is_parallel_no_distance_is_the_best_one() -> None:
    # Three relevant passages, all in the question's language.
    rows = EXAMPLE.assign(equal_ranks=math.nan)
    assert math.isnan(language_bias.rank_distance(rows))
    assert math.isnan(language_bias.peer(rows))


@pytest.mark.parametrize(
    ("relevant", "p_values", "can_tell"),
    [
        # Three languages with a passage each: H is 2 at 2 degrees of freedom, so p is e^-1.
        ([3, 3, 3], [math.exp(-1)] * 3, False),
        # One of three questions has a fourth passage: the mean is a constant in all but name.
        ([3, 3, 4], [math.exp(-1), math.exp(-1), 0.2], False),
        ([3, 4, 4], [math.exp(-1), 0.2, 0.9], True),
        ([3, 3, 3], [math.nan] * 3, False),  # all in one language
    ],
)
def test_peer_tells_nothing_where_most_questions_have_one_passage_a_language(
    relevant: list[int], p_values: list[float], can_tell: bool
) -> None:
    rows = pd.DataFrame({"setting": "multilingual", "n_relevant": relevant})
    assert language_bias.peer_can_tell(rows.assign(equal_ranks=p_values)) is can_tell


def test_top1_languages_are_shares_of_each_question_language() -> None:
    shares = language_bias.top1_languages(EXAMPLE)
    assert shares.index.tolist() == shares.columns.tolist() == ["de", "en"]
    assert shares.to_numpy().tolist() == [[2 / 3, 1 / 3], [1.0, 0.0]]


def test_a_language_that_is_never_first_still_has_a_column() -> None:
    rows = table(
        ("multilingual", "de", 1, 1, 1, 1, "de", None),
        ("multilingual", "en", 1, 1, 1, 1, "de", None),
    )
    assert language_bias.top1_languages(rows).to_dict("index") == {
        "de": {"de": 1.0, "en": 0.0},
        "en": {"de": 1.0, "en": 0.0},
    }


def test_top1_in_the_own_language_is_the_mean_of_the_diagonal() -> None:
    assert language_bias.top1_own_language(EXAMPLE) == pytest.approx((2 / 3 + 0) / 2)


def test_language_preference_is_a_mean_over_questions_that_leave_a_choice() -> None:
    de, en = (1 + 0) / 2, 1
    assert language_bias.language_preference(EXAMPLE) == pytest.approx((de + en) / 2)


def test_without_a_multilingual_row_there_is_no_figure() -> None:
    rows = EXAMPLE[EXAMPLE.setting == "monolingual"]
    assert math.isnan(language_bias.rank_distance(rows))
    assert math.isnan(language_bias.top1_own_language(rows))
    assert math.isnan(language_bias.language_preference(rows))
