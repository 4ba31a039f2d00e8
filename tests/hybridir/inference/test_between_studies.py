import dataclasses

import numpy as np
import pytest
from scipy import stats

from hybridir import names
from hybridir.inference.between_studies import difference_of_gains
from hybridir.inference.scores import Floats, Scores


def scores_of(values: Floats, questions: tuple[str, ...] | None = None) -> Scores:
    """Values [ratio, seed, cell, question] at the ratios 0 and .5."""
    _, seeds, cells, count = values.shape
    return Scores(
        measure=names.AP,
        setting=names.MULTILINGUAL,
        ratios=(0.0, 0.5),
        seeds=tuple(range(seeds)),
        cells=tuple((f"l{cell}", "all") for cell in range(cells)),
        questions=questions or tuple(f"q{number}" for number in range(count)),
        values=values,
    )


def test_seeds_alone_give_welchs_test() -> None:
    # All questions are alike, so that only seeds vary: then it is the test of scipy.
    generator = np.random.default_rng(1)
    gains = [generator.normal(0.1, 0.02, 4), generator.normal(0.08, 0.05, 6)]
    studies = []
    for gain in gains:
        values = np.zeros((2, len(gain), 3, 5))
        values[1] = gain[:, None, None]
        studies.append(scores_of(values))
    found = difference_of_gains(studies[0], studies[1], hybrid=0.5, pure=0.0)
    expected = stats.ttest_ind(*gains, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found is not None
    assert found.difference == pytest.approx(gains[0].mean() - gains[1].mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.n_seeds == (4, 6)


@pytest.mark.parametrize("paired", [True, False])
def test_questions_alone_give_a_t_test_that_is_paired_where_they_are_the_same(
    paired: bool,
) -> None:
    # Seeds do not differ, so that only questions vary.
    generator = np.random.default_rng(2)
    gains = generator.normal(0.1, 0.05, (2, 30)) + generator.normal(0, 0.2, 30)
    studies = []
    for number, gain in enumerate(gains):
        values = np.zeros((2, 2, 1, 30))
        values[1] = gain
        ids = tuple(f"{0 if paired else number}-{question}" for question in range(30))
        studies.append(scores_of(values, ids))
    found = difference_of_gains(studies[0], studies[1], hybrid=0.5, pure=0.0)
    test = stats.ttest_rel(*gains) if paired else stats.ttest_ind(*gains, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert found is not None
    assert found.paired == paired
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(test.pvalue)


def test_cells_weigh_the_same_however_many_questions_they_have() -> None:
    # Gains: 1, 1, 1 in the first cell, 0 in the second: the macro mean is 1 / 2.
    values = np.zeros((2, 2, 2, 3))
    values[1, :, 0] = 1.0
    values[:, :, 1, 1:] = np.nan
    zero = scores_of(np.zeros((2, 2, 1, 3)))
    found = difference_of_gains(scores_of(values), zero, hybrid=0.5, pure=0.0)
    assert found is not None
    assert (found.first, found.second) == (0.5, 0.0)


def test_seeds_that_lack_a_ratio_do_not_count_and_two_single_seeds_say_nothing() -> None:
    generator = np.random.default_rng(3)
    one, other = (scores_of(generator.random((2, 3, 2, 8))) for _ in range(2))
    lacking = one.values.copy()
    lacking[1, 2] = np.nan
    found = difference_of_gains(dataclasses.replace(one, values=lacking), other, 0.5, 0.0)
    assert found is not None
    assert found.n_seeds == (2, 3)
    single = scores_of(generator.random((2, 1, 2, 8)))
    assert difference_of_gains(single, single, 0.5, 0.0) is None
    assert difference_of_gains(single, other, 0.5, 0.0) is not None
