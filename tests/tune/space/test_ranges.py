import math

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from tests.support.tiny import trial
from tune.space.parameters import Value, settings_of
from tune.space.ranges import (
    Range,
    Space,
    active_parameters,
    check_space,
    contains,
    corners,
    grid_points,
    in_order,
    propose,
    restrict,
    space_digest,
)


def space(**ranges: dict[str, object]) -> Space:
    return {name: Range.model_validate(settings) for name, settings in ranges.items()}


# A ratio for hybrid batches alone, a temperature for all.
CONDITIONAL = space(
    mixing_ratio={"uniform": [0, 1], "points": 3, "when": {"kind": "hybrid"}},
    kind={"choice": ["hybrid", "x-x"]},
    temperature={"loguniform": [0.01, 1.0], "points": 3},
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"uniform": [0.0, 1.0]}, FloatDistribution(0.0, 1.0)),
        ({"loguniform": [0.01, 1.0]}, FloatDistribution(0.01, 1.0, log=True)),
        ({"integer": [2, 8]}, IntDistribution(2, 8)),
        ({"choice": [16, 32]}, CategoricalDistribution((16, 32))),
        ({"choice": [True, False]}, CategoricalDistribution((True, False))),
    ],
)
def test_a_range_is_converted_to_the_distribution_of_its_kind(
    settings: dict[str, object], expected: BaseDistribution
) -> None:
    assert Range.model_validate(settings).distribution == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "exactly one"),
        ({"uniform": [0, 1], "choice": [1]}, "exactly one"),
        ({"uniform": [1.0, 0.0]}, "must lie below"),
        ({"loguniform": [0.0, 1.0]}, "must be positive"),
        ({"choice": []}, "at least one value"),
        ({"choice": [16, 16]}, "named twice"),
        ({"choice": [16, 32], "points": 2}, "names its values itself"),
        ({"integer": [1, 3], "points": 4}, "has 3 values"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Range.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"uniform": [0, 1], "points": 5}, (0, 0.25, 0.5, 0.75, 1)),
        ({"loguniform": [0.01, 1], "points": 3}, (0.01, 0.1, 1)),
        ({"integer": [2, 8], "points": 3}, (2, 5, 8)),
        ({"choice": ["a", "b"]}, ("a", "b")),
    ],
)
def test_the_points_of_a_range_are_evenly_spaced_ends_included(
    settings: dict[str, object], expected: tuple[Value, ...]
) -> None:
    assert Range.model_validate(settings).grid == pytest.approx(expected)


def test_a_parameter_comes_after_those_that_its_condition_names() -> None:
    order = in_order(CONDITIONAL)
    assert order.index("kind") < order.index("mixing_ratio")
    free = space(warmup={"uniform": [0, 0.5]}, dropout={"uniform": [0, 0.5]})
    assert in_order(free) == ["warmup", "dropout"], "otherwise in file order"


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"colour": {"choice": [1]}}, "no such parameter"),
        ({"batch_size": {"choice": [1, 8]}}, "batch_size=1"),
        ({"dropout": {"uniform": [0, 0.1], "when": {"kind": "x-x"}}}, "kind is not searched"),
        (
            {
                "kind": {"choice": ["hybrid", "x-x"]},
                "dropout": {"uniform": [0, 0.1], "when": {"kind": "en-en"}},
            },
            "dropout.when: kind=en-en: never occurs",
        ),
        (
            {
                "warmup": {"uniform": [0, 0.5]},
                "dropout": {"uniform": [0, 0.1], "when": {"warmup": 0.1}},
            },
            "hits no value exactly",
        ),
        (
            {
                "kind": {"choice": ["hybrid", "x-x"], "when": {"coin": "bernoulli"}},
                "coin": {"choice": ["bernoulli", "stratified"], "when": {"kind": "hybrid"}},
            },
            "circular conditions: ",
        ),
        (
            # The coin exists for hybrid batches alone, so never together with x-x.
            {
                "kind": {"choice": ["hybrid", "x-x"]},
                "coin": {"choice": ["bernoulli", "stratified"], "when": {"kind": "hybrid"}},
                "dropout": {
                    "uniform": [0, 0.1],
                    "when": {"kind": "x-x", "coin": ["bernoulli", "stratified"]},
                },
            },
            "dropout.when: these conditions never hold together",
        ),
    ],
)
def test_parameters_that_can_never_be_proposed_are_refused(
    ranges: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_space(space(**ranges))


def test_conditions_that_hold_are_legal_with_one_value_or_a_list() -> None:
    check_space(CONDITIONAL)
    check_space(
        space(
            kind={"choice": ["hybrid", "x-x", "en-en"]},
            symmetric={"choice": [True, False]},
            dropout={"uniform": [0, 0.1], "when": {"kind": ["x-x", "en-en"], "symmetric": True}},
        )
    )


def test_a_parameter_is_proposed_exactly_if_its_condition_holds() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [propose(study.ask(), CONDITIONAL) for _ in range(20)]
    assert {point["kind"] for point in points} == {"hybrid", "x-x"}
    for point in points:
        assert ("mixing_ratio" in point) == (point["kind"] == "hybrid")
        assert contains(CONDITIONAL, point)


def test_a_grid_has_each_point_once_if_a_condition_leaves_a_parameter_out() -> None:
    points = grid_points(CONDITIONAL)
    # Three temperatures, each with x-x alone and with three ratios of hybrid.
    assert len(points) == 3 * (1 + 3)
    assert len({tuple(sorted(point.items())) for point in points}) == 12
    assert all(contains(CONDITIONAL, point) for point in points)


def test_a_grid_needs_a_number_of_points() -> None:
    with pytest.raises(ValueError, match="number of values of temperature"):
        grid_points(space(temperature={"uniform": [0.1, 1]}))


@pytest.mark.parametrize(
    ("point", "whole", "remaining"),
    [
        ({"kind": "x-x", "temperature": 0.1}, True, {"kind", "temperature"}),
        ({"kind": "hybrid", "temperature": 0.1}, False, {"kind", "temperature"}),
        ({"kind": "x-x", "temperature": 2.0}, False, {"kind"}),
        ({"kind": "x-x", "temperature": 0.1, "dropout": 0}, False, {"kind", "temperature"}),
        ({"kind": "x-x", "temperature": 0.1, "mixing_ratio": 0}, False, {"kind", "temperature"}),
    ],
)
def test_a_point_belongs_to_a_space_if_it_has_exactly_its_parameters_in_their_ranges(
    point: dict[str, Value], whole: bool, remaining: set[str]
) -> None:
    assert contains(CONDITIONAL, point) is whole
    assert restrict(point, CONDITIONAL).keys() == remaining


def test_the_active_parameters_of_a_trial_are_those_whose_conditions_hold() -> None:
    mixed = settings_of(trial(batch={"kind": "x-x"}))
    assert active_parameters(mixed, CONDITIONAL) == {"kind": "x-x", "temperature": 0.05}
    hybrid = settings_of(trial(batch={"kind": "hybrid", "mixing_ratio": 0.25}))
    assert active_parameters(hybrid, CONDITIONAL)["mixing_ratio"] == 0.25


def test_corners_are_the_extremes_and_every_value_of_a_choice() -> None:
    assert list(corners(CONDITIONAL, ["mixing_ratio"])) == [
        {"kind": "hybrid", "mixing_ratio": 0},
        {"kind": "hybrid", "mixing_ratio": 1},
        {"kind": "x-x"},
    ]
    assert list(corners(CONDITIONAL, [])) == [{}]


def test_the_digest_changes_with_every_change_of_the_space() -> None:
    changed = [
        space(temperature={"loguniform": [0.01, 1.0]}),
        space(temperature={"loguniform": [0.01, 0.5]}),
        space(temperature={"uniform": [0.01, 1.0]}),
        space(temperature={"uniform": [0.01, 1.0]}, dropout={"uniform": [0, 0.1]}),
        CONDITIONAL,
        CONDITIONAL | space(mixing_ratio={"uniform": [0, 1], "points": 3}),
    ]
    assert len({space_digest(ranges) for ranges in changed}) == len(changed)
    assert space_digest(space(temperature={"uniform": [0.01, 1]})) == space_digest(changed[2])


def test_the_end_of_a_logarithmic_range_holds_its_own_exponential() -> None:
    space: Space = {"learning_rate": Range(loguniform=(1e-5, 1e-3))}
    lowest = math.exp(math.log(1e-5))
    assert lowest < 1e-5
    assert contains(space, {"learning_rate": lowest})
    assert not contains(space, {"learning_rate": 0.99e-5})
