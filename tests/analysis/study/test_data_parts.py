"""Seeds within parts of the training data: values worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.study.data_parts import average_data_parts, data_part_of_seed, group_by_data_part
from hybridir import names
from hybridir.inference import score_by_cluster
from hybridir.inference.scores import Scores

SEEDS = (11, 12, 13, 14)
PARTS = {11: 1, 12: 0, 13: 1, 14: 0}


@pytest.fixture
def scores() -> Scores:
    """Ratio 0 has all four seeds, ratio 1 lacks seed 13; the score is 10 * ratio + seed."""
    values = np.empty((2, 4, 1, 3))
    for ratio in range(2):
        for index, seed in enumerate(SEEDS):
            values[ratio, index] = 10 * ratio + seed
    values[1, 2] = np.nan
    cells = (("en", names.ALL_LANGUAGES),)
    key = (names.AP, names.MULTILINGUAL)
    return Scores(*key, (0.0, 1.0), SEEDS, cells, ("a", "b", "c"), values)


def test_trials_of_all_data_have_no_parts(scores: Scores) -> None:
    assert data_part_of_seed(pd.DataFrame({names.SEED: [1, 2]})) == {}
    assert data_part_of_seed(pd.DataFrame({names.SEED: [1], names.DATA_PART: [np.nan]})) == {}
    assert average_data_parts(scores, {}) is scores


def test_a_trial_has_the_part_that_it_recorded() -> None:
    trials = pd.DataFrame({names.SEED: [11.0, 12.0], names.DATA_PART: [1.0, 0.0]})
    assert data_part_of_seed(trials) == {11: 1, 12: 0}


def test_a_part_is_the_mean_over_its_trained_seeds(scores: Scores) -> None:
    averaged = average_data_parts(scores, PARTS)
    assert averaged.seeds == (0, 1)
    # Part 0 holds seeds 12 and 14, part 1 seeds 11 and 13, of which ratio 1 has 11 alone.
    assert averaged.values[:, :, 0, 0].tolist() == [[13.0, 12.0], [23.0, 21.0]]
    assert averaged.trained.all()


def test_a_part_without_a_seed_was_not_trained(scores: Scores) -> None:
    scores.values[1, [1, 3]] = np.nan
    assert average_data_parts(scores, PARTS).trained.tolist() == [[True, True], [False, True]]


def test_seeds_are_grouped_by_part(scores: Scores) -> None:
    values, trained = group_by_data_part(score_by_cluster(scores), scores, PARTS)
    assert values.shape == (2, 2, 2, 3)
    assert values[0, :, :, 0].tolist() == [[12.0, 14.0], [11.0, 13.0]]
    assert trained.tolist() == [[True, True], [True, False]]  # ratio 1 lacks a seed of part 1
