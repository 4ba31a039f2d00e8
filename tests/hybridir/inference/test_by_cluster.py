from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm

from hybridir.inference import Crossed, design_effects
from hybridir.inference.by_cluster import paired_gain, score_by_cluster
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]


def test_with_the_same_questions_everywhere_it_is_the_mean_over_cells(make_scores: Make) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 10))
    scores = make_scores(values, (0.0, 1.0))
    np.testing.assert_allclose(score_by_cluster(scores), values.mean(axis=2))
    contrast = np.array([1.0, 0.0, -1.0, 0.0])
    np.testing.assert_allclose(
        score_by_cluster(scores, contrast), values[:, :, 0] - values[:, :, 2], atol=1e-12
    )


def test_ragged_cells_keep_their_macro_mean_and_weigh_a_question_by_its_cell(
    make_scores: Make,
) -> None:
    values = np.array([[[[0.0, 0.6, 0.6], [1.0, np.nan, np.nan]]]])
    # macro mean (.4 + 1) / 2 = .7; the first cell is half of it, and each of its three questions
    # a third of the cell: each is worth 3 / (2 * 3) of its distance from .4. The second cell has
    # no spread.
    numbers = score_by_cluster(make_scores(values, (0.5,)))
    np.testing.assert_allclose(numbers[0, 0], [0.7 - 0.4 / 2, 0.7 + 0.2 / 2, 0.7 + 0.2 / 2])


def test_numbers_average_to_the_macro_mean_where_cells_have_different_questions(
    make_scores: Make,
) -> None:
    values = np.random.default_rng(4).random((2, 3, 2, 6))
    values[:, :, 0, 4:] = np.nan
    values[:, :, 1, 0] = np.nan
    scores = make_scores(values, (0.0, 1.0))
    np.testing.assert_allclose(score_by_cluster(scores).mean(axis=2), scores.macro_means())


def test_a_cell_that_lacks_questions_has_the_variance_of_its_own(make_scores: Make) -> None:
    values = np.random.default_rng(6).random((1, 1, 2, 9))
    values[:, :, 0, 6:] = np.nan
    alone = score_by_cluster(make_scores(values, (0.5,)), np.array([1.0, 0.0]))
    np.testing.assert_allclose(alone[0, 0], values[0, 0, 0, :6])


def test_untrained_seeds_stay_missing_and_pairs_are_over_shared_seeds(make_scores: Make) -> None:
    values = np.random.default_rng(7).random((2, 3, 1, 4))
    values[1, 0] = np.nan
    scores = make_scores(values, (0.0, 1.0))
    numbers = score_by_cluster(scores)
    assert np.isnan(numbers[1, 0]).all()
    assert np.isnan(numbers).sum() == 4
    gain = paired_gain(numbers, scores, 1.0, 0.0)
    np.testing.assert_allclose(gain, values[1, 1:, 0] - values[0, 1:, 0])


def test_standard_errors_by_cluster_are_those_of_statsmodels(make_scores: Make) -> None:
    generator = np.random.default_rng(9)
    sizes = generator.integers(1, 9, 12)
    cluster = np.repeat(np.arange(12), sizes)
    values = generator.normal(size=(2, 3, 4, len(cluster))) + generator.normal(size=12)[cluster]
    scores = make_scores(values, (0.0, 1.0), clusters=tuple(map(str, cluster)))
    effects = {(effect.quantity, effect.mixing_ratio): effect for effect in design_effects(scores)}
    for ratio, of_question in zip((0.0, 1.0), values.mean(axis=(1, 2)), strict=True):
        # Factor G / (G - 1) × (n - 1) / (n - 1), statsmodels' small-sample correction for a mean.
        fit = sm.OLS(of_question, np.ones(len(cluster))).fit(
            cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": True}
        )
        effect = effects["level", ratio]
        assert effect.standard_error == pytest.approx(fit.bse[0], rel=1e-9)
        alone = of_question.var(ddof=1) / len(of_question)
        assert effect.value == pytest.approx(fit.bse[0] ** 2 / alone, rel=1e-9)
        numbers = score_by_cluster(scores)[scores.ratios.index(ratio)].mean(axis=0)
        assert Crossed.of(numbers[None, None]).clusters[0, 0] ** 0.5 == pytest.approx(fit.bse[0])


def test_clusters_without_a_question_in_the_cell_do_not_count(make_scores: Make) -> None:
    values = np.random.default_rng(10).random((1, 1, 2, 6))
    values[:, :, 0, 4:] = np.nan
    scores = make_scores(values, (0.5,), clusters=("a", "a", "b", "b", "c", "c"))
    assert score_by_cluster(scores, np.array([1.0, 0.0])).shape == (1, 1, 2)
    assert score_by_cluster(scores).shape == (1, 1, 3)
