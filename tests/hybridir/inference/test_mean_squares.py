"""Means over random seeds and questions: against closed forms, statsmodels and simulation."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from hybridir import names
from hybridir.inference import score_by_question
from hybridir.inference.mean_squares import (
    mean_squares,
    paired_gain,
    setting_of,
    side_by_side,
    variance_of_mean,
)
from hybridir.inference.scores import Floats, Scores


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


def test_variance_of_the_mean_is_unbiased_with_three_seeds() -> None:
    # 0.2² / 3 + 1² / 40 + 0.5² / 120
    truth = 0.2**2 / 3 + 1.0**2 / 40 + 0.5**2 / 120
    generator = np.random.default_rng(2)
    drawn = [
        variance_of_mean(mean_squares(layout(generator, (3, 40), (0.2, 1.0, 0.5))))[0]
        for _ in range(2000)
    ]
    assert np.mean(drawn) == pytest.approx(truth, abs=4 * np.std(drawn) / np.sqrt(len(drawn)))


def test_contributions_average_to_the_macro_mean_where_cells_have_unlike_questions() -> None:
    values = np.random.default_rng(4).random((2, 3, 2, 6))
    values[:, :, 0, 4:] = np.nan
    values[:, :, 1, 0] = np.nan
    cells = (("en", "en"), ("de", "de"))
    scores = make_scores(values, cells, tuple("abcdef"))
    np.testing.assert_allclose(score_by_question(scores).mean(axis=2), scores.macro_means())


def test_contributions_of_complete_cells_are_the_questions_means() -> None:
    values = np.random.default_rng(5).random((2, 3, 4, 6))
    cells = tuple(("en", pool) for pool in ("de", "es", "ru", "vi"))
    scores = make_scores(values, cells, tuple("abcdef"))
    np.testing.assert_allclose(score_by_question(scores), values.mean(axis=2))
    contrast = np.array([1.0, 0.0, -1.0, 0.0])
    np.testing.assert_allclose(
        score_by_question(scores, contrast), values[:, :, 0] - values[:, :, 2], atol=1e-12
    )


def test_a_cell_without_some_questions_has_the_variance_of_those_that_it_has() -> None:
    values = np.random.default_rng(6).random((1, 1, 2, 9))
    values[:, :, 0, 6:] = np.nan
    scores = make_scores(values, (("en", "en"), ("de", "de")), tuple("abcdefghi"))
    alone = score_by_question(scores, np.array([1.0, 0.0]))
    np.testing.assert_allclose(alone[0, 0], values[0, 0, 0, :6])


def test_trials_that_are_missing_stay_so_and_pairs_are_over_shared_seeds() -> None:
    values = np.random.default_rng(7).random((2, 3, 1, 4))
    values[1, 0] = np.nan
    scores = make_scores(values, (("en", "en"),), tuple("abcd"))
    found = score_by_question(scores)
    assert np.isnan(found[1, 0]).all()
    gain = paired_gain(found, scores, 1.0, 0.0)
    np.testing.assert_allclose(gain, values[1, 1:, 0] - values[0, 1:, 0])


def test_settings_side_by_side_keep_their_cells_and_line_up_questions() -> None:
    mono = make_scores(np.full((1, 1, 1, 2), 0.5), (("en", "en"),), ("b", "c"))
    cross = make_scores(np.full((1, 1, 2, 2), 0.25), (("en", "de"), ("de", "en")), ("a", "b"))
    both = side_by_side([mono, cross], {0.0, 0.5})
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
