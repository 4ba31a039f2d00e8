from collections.abc import Callable

import numpy as np

from hybridir.inference.by_question import score_by_question
from hybridir.inference.scores import Scores


def test_with_the_same_questions_everywhere_it_is_the_mean_over_cells(
    make_scores: Callable[..., Scores],
) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 10))
    found = score_by_question(make_scores(values, (0.0, 1.0)))
    np.testing.assert_allclose(found, values.mean(axis=2))


def test_ragged_cells_keep_their_macro_mean_and_weigh_a_question_by_its_cell(
    make_scores: Callable[..., Scores],
) -> None:
    values = np.array([[[[0.0, 0.6, 0.6], [1.0, np.nan, np.nan]]]])
    # macro mean (.4 + 1) / 2 = .7; the first cell is half of it, a third of which is one
    # question's: each is worth 3 / (2 * 3) of its distance from .4. The second has no spread.
    found = score_by_question(make_scores(values, (0.5,)))
    np.testing.assert_allclose(found[0, 0], [0.7 - 0.4 / 2, 0.7 + 0.2 / 2, 0.7 + 0.2 / 2])


def test_what_was_not_trained_stays_missing(make_scores: Callable[..., Scores]) -> None:
    values = np.zeros((2, 2, 1, 3))
    values[1, 0] = np.nan
    found = score_by_question(make_scores(values, (0.0, 1.0)))
    assert np.isnan(found[1, 0]).all()
    assert np.isnan(found).sum() == 3
