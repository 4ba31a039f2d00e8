from typing import Any

import pytest

from hybridir import names
from hybridir.config.trial import DataPart
from tune.space.parameters import SHORT, condition_levels
from tune.study.confirmation import ConfirmConfig, repeats


def test_without_parts_every_repeat_trains_on_all_data() -> None:
    listed = repeats(seed=3, seeds=4, data_parts=None)
    assert len(listed) == len({repeat.seed for repeat in listed}) == 4
    assert {repeat.data_part for repeat in listed} == {None}


def test_repeats_are_listed_part_by_part_and_share_no_seed() -> None:
    listed = repeats(seed=3, seeds=2, data_parts=3)
    assert [repeat.data_part for repeat in listed] == [
        DataPart(number=number, of=3) for number in (0, 0, 1, 1, 2, 2)
    ]
    assert len({repeat.seed for repeat in listed}) == 6


def test_seeds_equal_the_first_seeds_of_a_study_of_all_data() -> None:
    dealt, whole = repeats(3, 2, 2), repeats(3, 4, None)
    assert [repeat.seed for repeat in dealt] == [repeat.seed for repeat in whole]
    assert repeats(4, 4, None) != whole


def test_later_seeds_are_those_that_a_longer_study_would_have_had() -> None:
    whole = repeats(3, 5, None)
    assert repeats(3, 3, None) + repeats(3, 2, None, first_seed=3) == whole
    assert [repeat.number for repeat in whole] == [0, 1, 2, 3, 4]


def test_every_parameter_that_may_be_crossed_is_a_setting() -> None:
    assert set(SHORT) <= set(ConfirmConfig.model_fields)


def test_parameters_may_be_named_with_their_section() -> None:
    confirm = ConfirmConfig.model_validate(
        {
            "batch.mixing_ratio": [0, 1],
            "training.temperature": [0.02, 0.05],
            "at": {"training": {"learning_rate": 0.001}, "encoder.pooling": "cls"},
        }
    )
    assert confirm.mixing_ratio == (0, 1)
    assert confirm.temperature == (0.02, 0.05)
    assert confirm.at == {"learning_rate": 0.001, "encoder.pooling": "cls"}


def test_a_design_crosses_all_listed_values_and_its_trials_have_names_of_their_own() -> None:
    confirm = ConfirmConfig.model_validate(
        {
            "mixing_ratio": [0, 0.5, 1],
            "temperature": [0.02, 0.05],
            "batch_size": 32,
            "pairs": [2048, 8192],
        }
    )
    assert confirm.levels == {
        "temperature": (0.02, 0.05),
        "batch_size": (32,),
        "pairs": (2048, 8192),
    }
    assert confirm.varied == ("temperature", "pairs")
    assert confirm.first == {"temperature": 0.02, "batch_size": 32, "pairs": 2048}
    design = confirm.design
    assert len(design) == 3 * 2 * 1 * 2
    assert [point["mixing_ratio"] for point in design[:3]] == [0.0, 0.5, 1.0]
    names_of = [confirm.trial_name(point, seed) for seed in range(2) for point in design]
    assert len(set(names_of)) == 24
    assert confirm.trial_name(design[1], 1) == "confirm-a0.5-temperature0.02-pairs2048-s1"
    for name, point in zip(names_of, design * 2, strict=True):
        read = names.read_confirmed_trial(name)
        assert read is not None
        assert read.ratio == point["mixing_ratio"]
        levels = condition_levels(read.condition)
        assert levels == {k: names.level_text(point[k]) for k in ("temperature", "pairs")}


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1e-05, 0.123456])
def test_the_ratio_alone_keeps_the_names_of_earlier_versions(ratio: float) -> None:
    confirm = ConfirmConfig(mixing_ratio=(ratio,), temperature=(0.05,), seeds=1)
    name = confirm.trial_name(confirm.design[0], 0)
    assert name == f"confirm-a{ratio:g}-s0"
    assert names.read_confirmed_trial(name) == (ratio, "", 0)


@pytest.mark.parametrize(
    ("parameter", "values", "end"),
    [
        ("learning_rate", [3e-5, 1e-4], "learning_rate0.00003-s0"),
        ("kind", ["x-x", "en-en"], "kindx_x-s0"),
        ("symmetric", [True, False], "symmetrictrue-s0"),
        ("temperature", [1, 2.5], "temperature1-s0"),
    ],
)
def test_values_in_names_have_no_hyphen_capital_or_exponent(
    parameter: str, values: list[Any], end: str
) -> None:
    confirm = ConfirmConfig.model_validate({"mixing_ratio": 0.5, parameter: values})
    name = confirm.trial_name(confirm.design[0], 0)
    assert name == f"confirm-a0.5-{end}"
    read = names.read_confirmed_trial(name)
    assert read is not None
    assert list(condition_levels(read.condition)) == [parameter]


@pytest.mark.parametrize("name", ["search-003", "baseline-x-x-s1", "confirm-", "confirm-a0.5"])
def test_other_names_are_no_confirmed_trials(name: str) -> None:
    assert names.read_confirmed_trial(name) is None


def test_values_of_a_parameter_are_those_listed_then_those_fixed_then_those_searched() -> None:
    listed = ConfirmConfig.model_validate({"mixing_ratio": [0.5], "batch_size": [16, 32]})
    fixed = ConfirmConfig.model_validate({"mixing_ratio": [0.5], "at": {"batch_size": 8}})
    best = ConfirmConfig(mixing_ratio=(0.5,))
    assert listed.values_of("batch_size", 64, [1, 2]) == (16, 32)
    assert fixed.values_of("batch_size", 64, [1, 2]) == (8,)
    assert fixed.values_of("temperature", 0.05, [1, 2]) == (0.05,)
    assert best.values_of("batch_size", 64, [1, 2]) == (1, 2)
    assert best.values_of("batch_size", 64, None) == (64,)


def test_each_ratio_may_have_a_point_of_its_own() -> None:
    confirm = ConfirmConfig.model_validate(
        {
            "mixing_ratio": [0, 0.3, 1],
            "pairs": [64, 128],
            "at": [
                {"batch.mixing_ratio": 1, "temperature": 0.1},
                {"mixing_ratio": 0, "temperature": 0.02, "batch_size": 16},
                # The third of ten steps.
                {"mixing_ratio": 0.30000000000000004, "training.temperature": 0.05},
            ],
        }
    )
    assert confirm.per_ratio
    assert confirm.point(0) == {"temperature": 0.02, "batch_size": 16}
    assert confirm.point(0.3) == {"temperature": 0.05}
    assert confirm.point(1) == {"temperature": 0.1}
    # The batch size that is not named is the study's own, 32.
    assert confirm.values_of("batch_size", 32, [1, 2]) == (32, 16)
    assert confirm.values_of("temperature", 0.5, None) == (0.1, 0.02, 0.05)
    assert len(confirm.design) == 6


def test_one_point_for_all_ratios_is_the_same_for_each() -> None:
    fixed = ConfirmConfig.model_validate({"mixing_ratio": [0, 1], "at": {"temperature": 0.1}})
    assert not fixed.per_ratio
    assert fixed.point(0) == fixed.point(1) == {"temperature": 0.1}
    assert ConfirmConfig(mixing_ratio=(0.5,)).point(0.5) is None
