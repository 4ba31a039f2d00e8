from collections.abc import Callable

import numpy as np

from hybridir.inference.by_question import paired_gain, score_by_question
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]


def test_with_the_same_questions_everywhere_it_is_the_mean_over_cells(make_scores: Make) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 10))
    scores = make_scores(values, (0.0, 1.0))
    np.testing.assert_allclose(score_by_question(scores), values.mean(axis=2))
    contrast = np.array([1.0, 0.0, -1.0, 0.0])
    np.testing.assert_allclose(
        score_by_question(scores, contrast), values[:, :, 0] - values[:, :, 2], atol=1e-12
    )


def test_ragged_cells_keep_their_macro_mean_and_weigh_a_question_by_its_cell(
    make_scores: Make,
) -> None:
    values = np.array([[[[0.0, 0.6, 0.6], [1.0, np.nan, np.nan]]]])
    # macro mean (.4 + 1) / 2 = .7; the first cell is half of it, and each of its three questions
    # a third of the cell: each is worth 3 / (2 * 3) of its distance from .4. The second cell has
    # no spread.
    numbers = score_by_question(make_scores(values, (0.5,)))
    np.testing.assert_allclose(numbers[0, 0], [0.7 - 0.4 / 2, 0.7 + 0.2 / 2, 0.7 + 0.2 / 2])


def test_numbers_average_to_the_macro_mean_where_cells_have_different_questions(
    make_scores: Make,
) -> None:
    values = np.random.default_rng(4).random((2, 3, 2, 6))
    values[:, :, 0, 4:] = np.nan
    values[:, :, 1, 0] = np.nan
    scores = make_scores(values, (0.0, 1.0))
    np.testing.assert_allclose(score_by_question(scores).mean(axis=2), scores.macro_means())


def test_a_cell_that_lacks_questions_has_the_variance_of_its_own(make_scores: Make) -> None:
    values = np.random.default_rng(6).random((1, 1, 2, 9))
    values[:, :, 0, 6:] = np.nan
    alone = score_by_question(make_scores(values, (0.5,)), np.array([1.0, 0.0]))
    np.testing.assert_allclose(alone[0, 0], values[0, 0, 0, :6])


def test_untrained_seeds_stay_missing_and_pairs_are_over_shared_seeds(make_scores: Make) -> None:
    values = np.random.default_rng(7).random((2, 3, 1, 4))
    values[1, 0] = np.nan
    scores = make_scores(values, (0.0, 1.0))
    numbers = score_by_question(scores)
    assert np.isnan(numbers[1, 0]).all()
    assert np.isnan(numbers).sum() == 4
    gain = paired_gain(numbers, scores, 1.0, 0.0)
    np.testing.assert_allclose(gain, values[1, 1:, 0] - values[0, 1:, 0])
