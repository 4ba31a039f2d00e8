from typing import Any, get_args

import pytest
from pydantic import BaseModel

from hybridir.config import BatchConfig, EncoderConfig, TrainingConfig
from tests.support.tiny import trial
from tune.space.parameters import (
    SHORT,
    Value,
    check_name,
    check_value,
    describe,
    full_name,
    known_name,
    known_names,
    settings_of,
    with_values,
)


def leaves(model: type[BaseModel], before: str) -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        inner = [t for t in (field.annotation, *get_args(field.annotation)) if isinstance(t, type)]
        models = [t for t in inner if issubclass(t, BaseModel)]
        path = f"{before}.{name}"
        names += leaves(models[0], path) if models else [path]
    return names


def test_every_setting_of_a_trial_may_be_searched_or_says_why_not() -> None:
    every = [
        *leaves(BatchConfig, "batch"),
        *leaves(TrainingConfig, "training"),
        *leaves(EncoderConfig, "encoder"),
    ]
    refused = {}
    for name in every:
        try:
            check_name(known_name(name))
        except ValueError as error:
            refused[name] = str(error)
    assert set(refused) == {
        *("encoder.path", "encoder.hub.id", "encoder.hub.revision"),
        *("training.betas", "training.chunk_tokens", "training.checkpoint_every"),
        *("training.checkpoint_minutes", "training.checkpoint_share"),
    }
    assert all("no such parameter" not in reason for reason in refused.values())
    assert {full_name(name) for name in SHORT} <= set(every)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("evaluation.memory_mb", "changes what is measured"),
        ("dev_share", "changes what is measured"),
        ("report_on", "changes what is measured"),
        ("train.table.path", "changes the development data"),
        ("seed", "search.seeds"),
        ("trainings.pairs", "no such parameter; did you mean training.pairs?"),
        ("zzz", "no such parameter; legal are mixing_ratio, "),
        ("pooling", "encoder.pooling"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: ") as caught:
        check_name(name)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "checked"),
    [
        ("temperature", 1, 1.0),
        ("encoder.pooling", "cls+mean", "cls+mean"),
        ("encoder.from_scratch.layers", 3, 3),
        ("pairs", 64, 64),
    ],
)
def test_legal_values_get_the_type_of_their_setting(name: str, value: Any, checked: Any) -> None:
    assert (check_value(name, value), type(check_value(name, value))) == (checked, type(checked))


@pytest.mark.parametrize(
    ("name", "value"),
    [("encoder.pooling", "sum"), ("temperature", 0), ("encoder.query_length", True)],
)
def test_illegal_values_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError):
        check_value(name, value)


def test_a_parameter_is_known_by_one_name_wherever_it_stands() -> None:
    nested = {"encoder": {"from_scratch": {"layers": 1}, "dropout": 2}, "training": {"warmup": 3}}
    assert known_names(nested) == {"encoder.from_scratch.layers": 1, "dropout": 2, "warmup": 3}
    with pytest.raises(ValueError, match=r"warmup is training\.warmup; name it once"):
        known_names({"warmup": 1, "training.warmup": 2})


def test_values_are_set_and_read_where_they_belong() -> None:
    config = trial()
    sections = {key: getattr(config, key).model_dump() for key in ("batch", "training", "encoder")}
    point: dict[str, Value] = {
        "temperature": 0.7,
        "encoder.pooling": "max",
        "encoder.from_scratch.layers": 4,
    }
    changed = with_values(sections, point)
    assert changed["training"]["temperature"] == 0.7
    assert changed["encoder"]["from_scratch"]["layers"] == 4
    assert sections["encoder"]["from_scratch"]["layers"] != 4, "the settings stay as they were"
    assert settings_of(trial(**changed), point).items() >= point.items()
    with pytest.raises(ValueError, match=r"the study has no encoder\.hub"):
        with_values(sections, {"encoder.hub.id": "x"})
    assert describe(point) == "tau=0.7 pooling=max layers=4"
