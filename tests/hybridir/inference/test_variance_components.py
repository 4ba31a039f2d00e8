"""Variance components: against an analysis of variance by statsmodels, and simulation."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from hybridir.inference.mean_squares import CLUSTER, DATA, RATIO, SEED, Source
from hybridir.inference.scores import Floats
from hybridir.inference.variance_components import complete_block, estimate_components, sources

SEEDS = (RATIO, SEED, CLUSTER)  # axes of a study of all data
PARTS = (RATIO, DATA, SEED, CLUSTER)  # and of one whose seeds lie within parts of the data
SDS = {
    SEEDS: dict(zip(sources(3), (0.5, 1.0, 0.3, 0.4, 0.6, 0.8), strict=True)),
    PARTS: dict(zip(sources(4), (0.7, 0.5, 1.0, 0.4, 0.3, 0.4, 0.5, 0.6, 0.3, 0.8), strict=True)),
}


def simulate(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    axes = PARTS if len(shape) == 4 else SEEDS
    total = np.zeros(shape)
    for source, sd in SDS[axes].items():
        # A seed's effect is that of one seed of one part.
        inside = source | {DATA} if SEED in source else source
        size = [length if axes[axis] in inside else 1 for axis, length in enumerate(shape)]
        total = total + generator.normal(0, sd, size)
    ratios = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return np.asarray(total + ratios)  # ratios differ; that is no component


def test_variances_solve_the_expected_mean_squares() -> None:
    shape = (3, 4, 5)
    values = simulate(np.random.default_rng(0), shape)
    rows = [(*index, value) for index, value in np.ndenumerate(values)]
    model = ols("y ~ C(a) * C(s) * C(q)", pd.DataFrame(rows, columns=["a", "s", "q", "y"]))
    with np.errstate(divide="ignore"):  # of F, since the model leaves no residual
        table = anova_lm(model.fit())
    a, s, q = shape
    squares = (table["sum_sq"] / table["df"]).drop("Residual").tolist()
    _, ms_s, ms_q, ms_as, ms_aq, ms_sq, ms_asq = squares
    expected = [
        (ms_s - ms_as - ms_sq + ms_asq) / (a * q),
        (ms_q - ms_aq - ms_sq + ms_asq) / (a * s),
        (ms_as - ms_asq) / q,
        (ms_aq - ms_asq) / s,
        (ms_sq - ms_asq) / a,
        ms_asq,
    ]
    components = estimate_components(values, np.random.default_rng(1))
    assert [component.variance for component in components] == pytest.approx(expected)


def test_variances_with_parts_solve_the_expected_mean_squares() -> None:
    shape = a, p, t, q = 2, 3, 2, 4
    values = simulate(np.random.default_rng(5), shape)
    rows = [(*index, value) for index, value in np.ndenumerate(values)]
    model = ols(
        "y ~ C(a) * C(q) * (C(p) / C(t))", pd.DataFrame(rows, columns=["a", "p", "t", "q", "y"])
    )
    with np.errstate(divide="ignore"):  # of F, since the model leaves no residual
        table = anova_lm(model.fit())
    ms = {
        "".join(sorted(name[2] for name in term.split(":"))): square
        for term, square in (table["sum_sq"] / table["df"]).items()
    }
    expected = {
        frozenset({DATA}): (
            ms["p"] - ms["ap"] - ms["pt"] - ms["pq"] + ms["apt"] + ms["apq"] + ms["pqt"]
            - ms["apqt"]
        ) / (a * t * q),
        frozenset({SEED}): (ms["pt"] - ms["apt"] - ms["pqt"] + ms["apqt"]) / (a * q),
        frozenset({CLUSTER}): (ms["q"] - ms["aq"] - ms["pq"] + ms["apq"]) / (a * p * t),
        frozenset({RATIO, DATA}): (ms["ap"] - ms["apt"] - ms["apq"] + ms["apqt"]) / (t * q),
        frozenset({RATIO, SEED}): (ms["apt"] - ms["apqt"]) / q,
        frozenset({RATIO, CLUSTER}): (ms["aq"] - ms["apq"]) / (p * t),
        frozenset({DATA, CLUSTER}): (ms["pq"] - ms["apq"] - ms["pqt"] + ms["apqt"]) / (a * t),
        frozenset({SEED, CLUSTER}): (ms["pqt"] - ms["apqt"]) / a,
        frozenset({RATIO, DATA, CLUSTER}): (ms["apq"] - ms["apqt"]) / t,
        frozenset({RATIO, SEED, CLUSTER}): ms["apqt"],
    }  # fmt: skip
    components = estimate_components(values, np.random.default_rng(1))
    variances = {component.source: component.variance for component in components}
    assert variances == pytest.approx(expected)
    assert list(components[-1].source ^ {RATIO, SEED, CLUSTER}) == []  # the rest comes last


@pytest.mark.slow
@pytest.mark.parametrize(("axes", "shape"), [(SEEDS, (3, 5, 12)), (PARTS, (3, 5, 2, 12))])
def test_variances_are_unbiased_and_intervals_cover_at_their_nominal_rate(
    axes: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    generator = np.random.default_rng(2)
    studies = 400
    studied = [estimate_components(simulate(generator, shape), generator) for _ in range(studies)]
    sds: dict[Source, float] = SDS[axes]
    for index, (source, sd) in enumerate(sds.items()):
        drawn = np.array([components[index].variance for components in studied])
        error = drawn.std() / np.sqrt(studies)
        assert drawn.mean() == pytest.approx(sd**2, abs=4 * error), source
        covered = np.mean([split[index].low <= sd**2 <= split[index].high for split in studied])
        # three standard errors of .95 over 400 are .033; they may cover more than they say
        assert covered >= 0.95 - 0.033, source


def test_a_trials_mean_averages_what_varies_with_the_question() -> None:
    components = estimate_components(
        simulate(np.random.default_rng(3), (3, 5, 12)), np.random.default_rng(4)
    )
    by_source = {component.source: component for component in components}
    question, seed = by_source[frozenset({CLUSTER})], by_source[frozenset({SEED})]
    assert question.in_mean == pytest.approx(np.sqrt(max(question.variance, 0) / 12))
    assert seed.in_mean_high == pytest.approx(np.sqrt(seed.high))


def test_largest_block_without_gaps_is_taken() -> None:
    trained = np.array(
        [
            [True, True, True, True],
            [True, True, False, True],
            [False, True, False, False],
        ]
    )
    assert complete_block(trained) == ([0, 1], [0, 1, 3])  # 6 trials; all three ratios have 3
    assert complete_block(np.ones((2, 3), dtype=bool)) == ([0, 1], [0, 1, 2])
