"""Intervals against closed forms, for scores that are made up here."""

import numpy as np
import pytest

from analysis import inference
from analysis.scores import Floats, Scores
from hybridir import names


def make_scores(values: Floats, ratios: tuple[float, ...], measure: str = names.AP) -> Scores:
    _, n_seeds, n_cells, n_questions = values.shape
    return Scores(
        measure,
        names.MULTILINGUAL,
        ratios,
        tuple(range(n_seeds)),
        tuple((f"language {cell}", names.ALL_LANGUAGES) for cell in range(n_cells)),
        tuple(f"question {question}" for question in range(n_questions)),
        values,
    )


def replicated(scores: Scores, seed: int = 0, draws: int = 4000) -> inference.Replicates:
    return inference.replicate(scores, np.random.default_rng(seed), draws)


def test_interval_of_one_seed_is_that_of_the_mean_over_questions() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, size=(1, 1, 1, 400))
    scores = make_scores(values, (0.5,))
    (found,) = inference.mean_curve(scores, replicated(scores))
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_variances_of_seeds_and_questions_add_up() -> None:
    generator = np.random.default_rng(2)
    seeds = generator.normal(0, 0.05, size=(1, 40, 1, 1))
    questions = generator.normal(0, 0.5, size=(1, 1, 1, 300))
    scores = make_scores(seeds + questions, (0.5,))
    replicates = replicated(scores)
    curve = (replicates.values[0] * replicates.seed_counts).sum(axis=0) / 40
    expected = seeds.var() / 40 + questions.var() / 300
    assert curve.var() == pytest.approx(expected, rel=0.1)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(3)
    covered = []
    for _ in range(300):
        seeds = generator.normal(0, 0.02, size=(1, 30, 1, 1))
        questions = generator.normal(0, 0.1, size=(1, 1, 1, 60))
        scores = make_scores(0.5 + seeds + questions, (0.5,))
        replicates = inference.replicate(scores, generator, 400)
        (found,) = inference.mean_curve(scores, replicates)
        covered.append(found.low <= 0.5 <= found.high)
    # 95 % less what 30 seeds, 60 questions and 400 draws cost; three standard errors are .038
    assert 0.89 <= np.mean(covered) <= 0.985


def test_replicates_respect_the_macro_mean_over_ragged_cells() -> None:
    # the second cell has the first question alone: where it is drawn k of 3 times, k > 0, the
    # macro mean is ((k * 0 + (3 - k) * .6) / 3 + 1) / 2, else .6 alone
    values = np.array([[[[0.0, 0.6, 0.6], [1.0, np.nan, np.nan]]]])
    scores = make_scores(values, (0.5,))
    expected = {round((0.6 * (3 - k) / 3 + 1) / 2, 12) for k in (1, 2, 3)} | {0.6}
    assert set(replicated(scores).values.round(12).ravel()) == expected


def test_constant_difference_has_an_interval_of_no_width() -> None:
    noise = np.random.default_rng(4).normal(size=(1, 3, 2, 20))
    scores = make_scores(np.concatenate([noise, noise + 0.25]), (0.0, 0.5))
    found = inference.difference(scores, replicated(scores), 0.5, 0.0)
    assert found is not None
    assert found[:3] == pytest.approx((0.25, 0.25, 0.25))
    assert (found.n_seeds, found.n_questions) == (3, 20)


def test_difference_is_over_the_seeds_that_both_ratios_have() -> None:
    values = np.zeros((2, 3, 1, 4))
    values[0, :, 0] = [[0.1], [0.2], [0.9]]
    values[1, :, 0] = [[0.3], [0.6], [0.0]]
    values[1, 2] = np.nan
    scores = make_scores(values, (0.0, 0.5))
    found = inference.difference(scores, replicated(scores), 0.5, 0.0)
    assert found is not None
    assert found.estimate == pytest.approx((0.2 + 0.4) / 2)
    assert found.n_seeds == 2
    assert (found.low, found.high) == pytest.approx((0.2, 0.4))


def test_ratios_without_a_common_seed_have_no_difference() -> None:
    values = np.full((2, 2, 1, 4), np.nan)
    values[0, 0], values[1, 1] = 0.1, 0.2
    scores = make_scores(values, (0.0, 0.5))
    assert inference.difference(scores, replicated(scores), 0.5, 0.0) is None


def test_same_generator_state_gives_the_same_replicates() -> None:
    scores = make_scores(np.random.default_rng(6).normal(size=(2, 3, 2, 10)), (0.0, 1.0))
    first, second = replicated(scores, seed=8), replicated(scores, seed=8)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.seed_counts, second.seed_counts)


def test_best_ratio_that_always_wins_has_no_width() -> None:
    noise = np.random.default_rng(7).normal(size=(1, 2, 1, 30))
    scores = make_scores(np.concatenate([noise, noise + 1, noise + 0.5]), (0.0, 0.5, 1.0))
    assert inference.best_ratio(scores, replicated(scores)) == (0.5, 0.5, 0.5, 1.0)


def test_lowest_rank_distance_is_the_best() -> None:
    values = np.array([30.0, 10.0, 20.0]).reshape(3, 1, 1, 1)
    scores = make_scores(values, (0.0, 0.5, 1.0), names.RANK_DISTANCE)
    assert inference.best_ratio(scores, replicated(scores)).ratio == 0.5


def test_two_equally_good_ratios_share_the_replicates() -> None:
    values = np.random.default_rng(9).normal(size=(2, 1, 1, 500))
    values -= values.mean(axis=3, keepdims=True)
    values[1] += 1e-9  # decides the data, not the replicates
    scores = make_scores(values, (0.25, 0.75))
    found = inference.best_ratio(scores, replicated(scores))
    assert (found.ratio, found.low, found.high) == (0.75, 0.25, 0.75)
    assert found.share == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [((0.0, 0.25, 0.5, 1.0), 0.5), ((0.0, 0.4, 1.0), 0.4), ((0.0, 1.0), None)],
)
def test_hybrid_ratio_is_the_mixed_one_nearest_to_a_half(
    ratios: tuple[float, ...], expected: float | None
) -> None:
    assert inference.hybrid_ratio(ratios) == expected
