"""Differences of gains: against scipy where one source varies, and an analysis of variance."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from hybridir import names
from hybridir.inference import Crossed, score_by_cluster
from hybridir.inference.between_studies import difference_of_gains
from hybridir.inference.scores import Floats, Scores


def scores_of(
    values: Floats, questions: tuple[str, ...] | None = None, first_seed: int = 0
) -> Scores:
    """Values [ratio, seed, cell, question] at the ratios 0 and .5."""
    _, seeds, cells, count = values.shape
    return Scores(
        measure=names.AP,
        setting=names.MULTILINGUAL,
        ratios=(0.0, 0.5),
        seeds=tuple(range(first_seed, first_seed + seeds)),
        cells=tuple((f"l{cell}", "all") for cell in range(cells)),
        questions=questions or tuple(f"q{number}" for number in range(count)),
        values=values,
    )


def test_seeds_alone_give_welchs_test() -> None:
    # All questions are alike, so that only seeds vary: then it is the test of scipy.
    generator = np.random.default_rng(1)
    gains = [generator.normal(0.1, 0.02, 4), generator.normal(0.08, 0.05, 6)]
    studies: list[Scores] = []
    for gain in gains:
        values = np.zeros((2, len(gain), 3, 5))
        values[1] = gain[:, None, None]
        studies.append(scores_of(values, first_seed=10 * len(studies)))
    result = difference_of_gains(studies[0], studies[1], hybrid=0.5, pure=0.0)
    expected = stats.ttest_ind(*gains, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert result is not None
    assert result.difference == pytest.approx(gains[0].mean() - gains[1].mean())
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.p == pytest.approx(expected.pvalue)
    assert result.n_seeds == (4, 6)


@pytest.mark.parametrize("paired", [True, False])
def test_questions_alone_give_a_t_test_that_is_paired_where_they_are_the_same(
    paired: bool,
) -> None:
    # Seeds do not differ, so that only questions vary.
    generator = np.random.default_rng(2)
    gains = generator.normal(0.1, 0.05, (2, 30)) + generator.normal(0, 0.2, 30)
    studies: list[Scores] = []
    for number, gain in enumerate(gains):
        values = np.zeros((2, 2, 1, 30))
        values[1] = gain
        ids = tuple(f"{0 if paired else number}-{question}" for question in range(30))
        studies.append(scores_of(values, ids))
    result = difference_of_gains(studies[0], studies[1], hybrid=0.5, pure=0.0)
    test = stats.ttest_rel(*gains) if paired else stats.ttest_ind(*gains, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert result is not None
    assert result.paired == paired
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.p == pytest.approx(test.pvalue)


def anova(values_SQ: Floats) -> tuple[float, float, float]:
    """Mean squares of seeds, questions and the rest, by statsmodels."""
    rows = [(s, q, value) for (s, q), value in np.ndenumerate(values_SQ)]
    model = ols("y ~ C(s) + C(q)", pd.DataFrame(rows, columns=["s", "q", "y"]))
    seeds, questions, rest = anova_lm(model.fit())["mean_sq"]
    return seeds, questions, rest


def added(*terms: tuple[float, int]) -> tuple[float, float]:
    """Sum of mean squares with Satterthwaite's degrees of freedom."""
    variance = sum(term for term, _ in terms)
    return variance, variance**2 / sum(term**2 / degrees for term, degrees in terms)


def half_width(seeds: tuple[float, float], questions: tuple[float, float]) -> float:
    """Half of Cochran's interval at .95, of two (variance, degrees of freedom)."""
    quantiles = [stats.t.ppf(0.975, degrees) for _, degrees in (seeds, questions)]
    both = np.array([seeds[0], questions[0]])
    return float(both @ quantiles / np.sqrt(both.sum()))


@pytest.mark.parametrize("paired", [True, False])
def test_where_seeds_and_questions_vary_their_mean_squares_add_up(paired: bool) -> None:
    generator = np.random.default_rng(5)
    values = []
    shared = generator.normal(0, 0.3, 12)
    for n_seeds in (3, 4):
        value = np.zeros((2, n_seeds, 1, 12))
        value[1, :, 0] = 0.1 + shared + generator.normal(0, 0.1, 12)
        value[1, :, 0] += generator.normal(0, 0.1, (n_seeds, 1))
        value[1, :, 0] += generator.normal(0, 0.2, (n_seeds, 12))
        values.append(value)
    ids = [tuple(f"{0 if paired else study}-{q}" for q in range(12)) for study in range(2)]
    result = difference_of_gains(
        scores_of(values[0], ids[0]), scores_of(values[1], ids[1], first_seed=10), 0.5, 0
    )
    gains = [value[1, :, 0] for value in values]
    (s1, q1, r1), (s2, q2, r2) = (anova(gain) for gain in gains)
    # (mean square / number of values, degrees of freedom); the rest is in the seeds' part
    seeds = added((s1 / 36, 2), (s2 / 48, 3))
    rests = (-r1 / 36, 22), (-r2 / 48, 33)
    if paired:
        apart = gains[0].mean(axis=0) - gains[1].mean(axis=0)
        questions = added((apart.var(ddof=1) / 12, 11), *rests)
    else:
        questions = added((q1 / 36, 11), (q2 / 48, 11), *rests)
    assert result is not None
    half = half_width(seeds, questions)
    assert result.difference == pytest.approx(gains[0].mean() - gains[1].mean())
    assert (result.low, result.high) == pytest.approx(
        (result.difference - half, result.difference + half)
    )
    assert (result.p < 0.05) == (abs(result.difference) > half)
    assert result.n_clusters == (12, 12)


def test_against_a_study_without_variance_it_is_that_of_the_studys_own_report() -> None:
    # Cells of 12 and 3 questions whose levels differ: a question counts by its distance from its
    # cell's mean.
    generator = np.random.default_rng(6)
    values = generator.normal(0.3, 0.1, (2, 2, 2, 12)) + generator.normal(0, 0.2, 12)
    values[1] += generator.normal(0, 0.3, 12)
    values[:, :, 1] += 0.4 * np.array([0, 1])[:, None, None]
    values[:, :, 1, 3:] = np.nan
    scores = scores_of(values)
    constant = scores_of(np.zeros((2, 2, 1, 12)), tuple("abcdefghijkl"))
    result = difference_of_gains(scores, constant, hybrid=0.5, pure=0.0)
    numbers = score_by_cluster(scores)
    crossed = Crossed.of(numbers)
    s, q, r = anova(numbers[1] - numbers[0])
    half = half_width((s / 24, 1), added((q / 24, 11), (-r / 24, 11)))
    gain = np.diff(crossed.means)[0]
    assert result is not None
    assert not result.paired
    assert (result.first, result.second) == pytest.approx((gain, 0))
    assert (result.low, result.high) == pytest.approx((gain - half, gain + half))


def test_cells_weigh_the_same_however_many_questions_they_have() -> None:
    # Gains: 1, 1, 1 in the first cell, 0 in the second: the macro mean is 1 / 2.
    values = np.zeros((2, 2, 2, 3))
    values[1, :, 0] = 1.0
    values[:, :, 1, 1:] = np.nan
    zero = scores_of(np.zeros((2, 2, 1, 3)))
    result = difference_of_gains(scores_of(values), zero, hybrid=0.5, pure=0.0)
    assert result is not None
    assert (result.first, result.second) == (0.5, 0.0)


def test_seeds_without_both_ratios_are_left_out_and_two_single_seeds_give_no_result() -> None:
    generator = np.random.default_rng(3)
    first, second = (scores_of(generator.random((2, 3, 2, 8)), first_seed=s) for s in (0, 9))
    lacking = first.values.copy()
    lacking[1, 2] = np.nan
    result = difference_of_gains(dataclasses.replace(first, values=lacking), second, 0.5, 0.0)
    assert result is not None
    assert result.n_seeds == (2, 3)
    single = scores_of(generator.random((2, 1, 2, 8)))
    assert difference_of_gains(single, single, 0.5, 0.0) is None
    assert difference_of_gains(single, second, 0.5, 0.0) is not None


def test_studies_with_common_seeds_are_compared_seed_by_seed() -> None:
    # All questions are alike; what a seed does, it does in both studies.
    generator = np.random.default_rng(8)
    seeds = generator.normal(0, 0.3, 5)
    gains = [0.1 + seeds + generator.normal(0, 0.01, 5), 0.05 + seeds[:4]]
    studies: list[Scores] = []
    for gain in gains:
        values = np.zeros((2, len(gain), 1, 6))
        values[1] = gain[:, None, None]
        studies.append(scores_of(values))
    result = difference_of_gains(studies[0], studies[1], hybrid=0.5, pure=0.0)
    expected = stats.ttest_rel(gains[0][:4], gains[1])
    interval = expected.confidence_interval(0.95)
    assert result is not None
    assert result.seed_by_seed
    assert result.n_seeds == (4, 4)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.p == pytest.approx(expected.pvalue)
