"""Tests of hybrid batches against the same tests by scipy, where it has them."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from hybridir import inference
from hybridir.inference.hybrid_vs_pure import p_of_swaps
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]


def compare(scores: Scores) -> list[inference.HybridTest]:
    generator = np.random.default_rng(0)
    return inference.compare_hybrid(scores, inference.replicate(scores, generator, 50), generator)


def test_swaps_of_questions_give_the_exact_permutation_test() -> None:
    apart = np.random.default_rng(1).normal(0.5, 1, size=(2, 10))
    exact = stats.permutation_test(
        (apart,), np.mean, permutation_type="samples", axis=1, n_resamples=np.inf, vectorized=True
    )
    result = p_of_swaps(apart, np.random.default_rng(0))
    # three standard errors of a share of about .2 in 9,999 swaps
    assert result == pytest.approx(exact.pvalue, abs=0.013)


def test_effects_are_those_of_the_paired_values(make_scores: Make) -> None:
    values = np.random.default_rng(2).normal(1, 0.1, size=(3, 4, 2, 30))
    scores = make_scores(values, (0.0, 0.5, 1.0))
    against_cross, against_mono = compare(scores)
    apart = (values[1] - values[2]).mean(axis=1)
    assert (against_mono.hybrid, against_mono.pure, against_cross.pure) == (0.5, 1.0, 0.0)
    assert against_mono.difference == pytest.approx(apart.mean())
    assert against_mono.relative == pytest.approx(apart.mean() / values[2].mean())
    by_seed, by_question = apart.mean(axis=1), apart.mean(axis=0)
    assert against_mono.d_seeds == pytest.approx(by_seed.mean() / by_seed.std(ddof=1))
    assert against_mono.d_clusters == pytest.approx(by_question.mean() / by_question.std(ddof=1))
    assert (against_mono.n_seeds, against_mono.n_questions) == (4, 30)


def test_interval_leaves_out_zero_where_other_seeds_would_show_it(make_scores: Make) -> None:
    generator = np.random.default_rng(3)
    for shift in (0.0, 0.05, 0.1):
        values = generator.normal(0, 0.1, size=(2, 5, 1, 40))
        values[1] += shift
        (result,) = compare(make_scores(values, (0.0, 0.5)))
        assert (result.p_crossed < 0.05) == (result.low > 0 or result.high < 0)
        assert result.p == max(result.p_crossed, result.p_clusters)


def test_five_seeds_that_agree_cannot_say_more_than_one_in_sixteen(make_scores: Make) -> None:
    values = np.random.default_rng(4).normal(0, 0.01, size=(2, 5, 1, 40))
    values[1] += 1
    (result,) = compare(make_scores(values, (0.0, 0.5)))
    assert result.p_seeds == 2 / 2**5
    assert result.p_clusters == 1 / 10_000
    assert result.p == result.p_clusters


@pytest.mark.parametrize("n_seeds", [2, 3, 4, 7])
def test_swaps_of_few_seeds_give_the_exact_permutation_test(
    make_scores: Make, n_seeds: int
) -> None:
    values = np.random.default_rng(n_seeds).normal(0, 0.05, size=(2, n_seeds, 1, 6))
    values[1] += 0.02
    (result,) = compare(make_scores(values, (0.0, 0.5)))
    expected = stats.permutation_test(
        ((values[1] - values[0]).mean(axis=(1, 2)),),
        np.mean,
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert result.p_seeds == pytest.approx(expected.pvalue)


def test_swaps_of_forty_seeds_are_drawn_since_all_of_them_would_not_fit(make_scores: Make) -> None:
    values = np.random.default_rng(8).normal(0, 0.05, size=(2, 40, 1, 6))
    values[1] += 0.006
    (result,) = compare(make_scores(values, (0.0, 0.5)))
    apart = (values[1] - values[0]).mean(axis=(1, 2))
    expected = stats.permutation_test(
        (apart,), np.mean, permutation_type="samples", n_resamples=20_000, rng=9
    )
    assert 0.01 < expected.pvalue < 0.5
    # Of 10,000 and of 20,000 swaps: four standard errors of a share of .25 are .02.
    assert result.p_seeds == pytest.approx(expected.pvalue, abs=0.02)


def test_one_seed_has_no_test_over_seeds(make_scores: Make) -> None:
    values = np.random.default_rng(5).normal(size=(2, 1, 1, 40))
    (result,) = compare(make_scores(values, (0.0, 0.5)))
    assert np.isnan(result.p_seeds)
    assert np.isnan(result.d_seeds)
    expected = stats.ttest_rel(values[0, 0, 0], values[1, 0, 0])
    assert result.p_crossed == pytest.approx(expected.pvalue)


def test_seeds_without_a_partner_are_left_out(make_scores: Make) -> None:
    values = np.random.default_rng(7).normal(size=(3, 3, 1, 12))
    values[0, 1], values[2, [0, 2]] = np.nan, np.nan
    values[1, 1] = 7.0
    against_cross, against_mono = compare(make_scores(values, (0.0, 0.5, 1.0)))
    assert (against_cross.n_seeds, against_mono.n_seeds) == (2, 1)
    assert abs(against_cross.difference) < 1  # without the seed that has 7


def test_holm_multiplies_the_smallest_by_their_number() -> None:
    # .01 * 3; .04 * 1, no less than .03 * 2
    assert inference.holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert len(inference.holm(np.array([]))) == 0


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.02, 0.0, 0.04, 0.03), True),
        ((0.02, -0.01, 0.05, 0.03), False),
        # Cut off at the measure's limit, 1: its whole half width is .03.
        ((0.99, 0.96, 1.0, 0.025), False),
        ((0.02, 0.0, 0.04, float("nan")), False),  # one cluster
    ],
)
def test_an_interval_is_narrow_by_its_farther_end(
    interval: tuple[float, float, float, float], expected: bool
) -> None:
    assert inference.is_narrow(*interval) is expected
