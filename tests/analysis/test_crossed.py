"""Means over random seeds and questions: against closed forms, statsmodels and simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from analysis.crossed import (
    Mean,
    contributions,
    crossed_mean,
    mean_squares,
    paired_gain,
    setting_of,
    side_by_side,
    variance_of_mean,
)
from analysis.scores import Floats, Scores
from hybridir import names


def make_scores(
    values: Floats, cells: tuple[tuple[str, str], ...], questions: tuple[str, ...]
) -> Scores:
    ratios = tuple(np.linspace(0, 1, values.shape[0]).tolist())
    seeds = tuple(range(values.shape[1]))
    return Scores(names.AP, setting_of(cells[0]), ratios, seeds, cells, questions, values)


def layout(
    generator: np.random.Generator, shape: tuple[int, int], sds: tuple[float, float, float]
) -> Floats:
    """Seeds by questions with known standard deviations of seed, question and rest; mean 0."""
    n_seeds, n_questions = shape
    seed, question, rest = sds
    return np.asarray(
        generator.normal(0, seed, (n_seeds, 1))
        + generator.normal(0, question, (1, n_questions))
        + generator.normal(0, rest, shape)
    )


def test_mean_squares_are_those_of_an_analysis_of_variance() -> None:
    values = layout(np.random.default_rng(0), (3, 7), (1.0, 2.0, 0.5))
    rows = [(s, q, value) for (s, q), value in np.ndenumerate(values)]
    table = anova_lm(ols("y ~ C(s) + C(q)", pd.DataFrame(rows, columns=["s", "q", "y"])).fit())
    found = mean_squares(values)
    assert found[:3] == pytest.approx(table["mean_sq"].tolist())
    assert (found.n_seeds, found.n_questions) == (3, 7)


def test_questions_that_do_not_vary_leave_the_t_test_over_seeds() -> None:
    per_seed = np.array([0.1, 0.4, 0.3, 0.2])
    found = crossed_mean(np.repeat(per_seed[:, None], 50, axis=1))
    expected = stats.ttest_1samp(per_seed, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.degrees == pytest.approx(3)


def test_one_seed_leaves_the_t_test_over_questions() -> None:
    per_question = np.random.default_rng(1).normal(0.1, 1, 30)
    found = crossed_mean(per_question[None])
    expected = stats.ttest_1samp(per_question, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_scores_that_are_all_equal_have_an_interval_without_width() -> None:
    found = crossed_mean(np.full((3, 5), 0.25))
    assert (found.estimate, found.low, found.high, found.p) == (0.25, 0.25, 0.25, 0.0)
    assert crossed_mean(np.zeros((3, 5))).p == 1.0


def test_a_single_score_has_no_interval() -> None:
    found: Mean = crossed_mean(np.array([[0.5]]))
    assert found.estimate == 0.5
    assert np.isnan([found.low, found.high, found.p]).all()


def test_variance_of_the_mean_is_unbiased_with_three_seeds() -> None:
    # 0.2² / 3 + 1² / 40 + 0.5² / 120
    truth = 0.2**2 / 3 + 1.0**2 / 40 + 0.5**2 / 120
    generator = np.random.default_rng(2)
    drawn = [
        variance_of_mean(mean_squares(layout(generator, (3, 40), (0.2, 1.0, 0.5))))[0]
        for _ in range(2000)
    ]
    assert np.mean(drawn) == pytest.approx(truth, abs=4 * np.std(drawn) / np.sqrt(len(drawn)))


@pytest.mark.parametrize(
    "sds", [(0.3, 1.0, 1.0), (0.05, 1.0, 1.0), (1.0, 0.5, 1.0)], ids=["both", "questions", "seeds"]
)
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_intervals_cover_at_their_nominal_rate(
    sds: tuple[float, float, float], n_seeds: int
) -> None:
    generator = np.random.default_rng(3)
    found = [crossed_mean(layout(generator, (n_seeds, 60), sds)) for _ in range(1500)]
    covered = np.mean([mean.low <= 0 <= mean.high for mean in found])
    # three standard errors of a share of 1500 are .017; the approximation costs up to .01
    assert 0.925 <= covered <= 0.98


def test_contributions_average_to_the_macro_mean_where_cells_have_unlike_questions() -> None:
    values = np.random.default_rng(4).random((2, 3, 2, 6))
    values[:, :, 0, 4:] = np.nan
    values[:, :, 1, 0] = np.nan
    cells = (("en", "en"), ("de", "de"))
    scores = make_scores(values, cells, tuple("abcdef"))
    np.testing.assert_allclose(contributions(scores).mean(axis=2), scores.macro_means())


def test_contributions_of_complete_cells_are_the_questions_means() -> None:
    values = np.random.default_rng(5).random((2, 3, 4, 6))
    cells = tuple(("en", pool) for pool in ("de", "es", "ru", "vi"))
    scores = make_scores(values, cells, tuple("abcdef"))
    np.testing.assert_allclose(contributions(scores), values.mean(axis=2))
    contrast = np.array([1.0, 0.0, -1.0, 0.0])
    np.testing.assert_allclose(
        contributions(scores, contrast), values[:, :, 0] - values[:, :, 2], atol=1e-12
    )


def test_a_cell_without_some_questions_has_the_variance_of_those_that_it_has() -> None:
    values = np.random.default_rng(6).random((1, 1, 2, 9))
    values[:, :, 0, 6:] = np.nan
    scores = make_scores(values, (("en", "en"), ("de", "de")), tuple("abcdefghi"))
    alone = contributions(scores, np.array([1.0, 0.0]))
    np.testing.assert_allclose(alone[0, 0], values[0, 0, 0, :6])


def test_trials_that_are_missing_stay_so_and_pairs_are_over_shared_seeds() -> None:
    values = np.random.default_rng(7).random((2, 3, 1, 4))
    values[1, 0] = np.nan
    scores = make_scores(values, (("en", "en"),), tuple("abcd"))
    found = contributions(scores)
    assert np.isnan(found[1, 0]).all()
    gain = paired_gain(found, scores, 1.0, 0.0)
    np.testing.assert_allclose(gain, values[1, 1:, 0] - values[0, 1:, 0])


def test_settings_side_by_side_keep_their_cells_and_line_up_questions() -> None:
    mono = make_scores(np.full((1, 1, 1, 2), 0.5), (("en", "en"),), ("b", "c"))
    cross = make_scores(np.full((1, 1, 2, 2), 0.25), (("en", "de"), ("de", "en")), ("a", "b"))
    both = side_by_side([mono, cross])
    assert both.questions == ("a", "b", "c")
    assert [setting_of(cell) for cell in both.cells] == [
        names.MONOLINGUAL,
        names.CROSSLINGUAL,
        names.CROSSLINGUAL,
    ]
    np.testing.assert_array_equal(
        both.values[0, 0],
        [[np.nan, 0.5, 0.5], [0.25, 0.25, np.nan], [0.25, 0.25, np.nan]],
    )
