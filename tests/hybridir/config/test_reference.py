import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, ValidationError

from hybridir.config import StrictModel, TrialConfig, read_trial
from hybridir.config.base import UNIT
from hybridir.config.example import example_trial
from hybridir.config.reference import as_lines, matching, schema_of, sections
from hybridir.errors import InputError
from tests.support.settings import all_fields, models_of
from tests.support.tiny import settings

SCHEMA = schema_of(TrialConfig)


@pytest.mark.parametrize("model", models_of(TrialConfig), ids=lambda model: model.__name__)
def test_every_setting_says_what_it_means_and_every_number_its_unit(
    model: type[BaseModel],
) -> None:
    schema = schema_of(model)
    for name, node in schema["properties"].items():
        assert node.get("description"), f"{model.__name__}.{name} has no text below it"
        if re.search('"type": "(integer|number)"', json.dumps(node)):
            assert f'"{UNIT}"' in json.dumps(node), f"{model.__name__}.{name} has no unit"


def test_the_terminal_names_every_setting_of_every_model() -> None:
    lines = list(as_lines(sections(SCHEMA), 80))
    named = {line.split(" = ")[0].strip() for line in lines if " = " in line}
    assert set(all_fields(TrialConfig)) <= {*named, *_other_places()}
    assert all(len(line) <= 80 for line in lines if "`" not in line)


def _other_places() -> set[str]:
    return {
        f"{place}.{setting.name}"
        for section in sections(SCHEMA)
        for place in section.places[1:]
        for setting in section.settings
    }


def test_a_setting_is_shown_with_the_limits_that_its_model_checks() -> None:
    (section,) = matching(sections(SCHEMA), "training.temperature")
    (setting,) = section.settings
    assert setting.kind == "number"
    assert (setting.default, setting.legal) == ("0.05", "above 0, at most 10")
    for value, legal in ((0, False), (1e-9, True), (10, True), (10.01, False)):
        content = settings(training={**settings()["training"], "temperature": value})
        assert _is_legal(content) == Draft202012Validator(SCHEMA).is_valid(content) == legal


def _is_legal(content: dict[str, Any]) -> bool:
    try:
        TrialConfig.model_validate(content)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "change",
    [
        {"batch": {"mixing_ratio": 1.5}},
        {"batch": {"kind": "mixed"}},
        {"training": {"pears": 100}},
        {"training": {"betas": [0.9]}},
        {"data": {}},
        {"seed": -1},
    ],
    ids=str,
)
def test_an_editor_marks_what_the_model_refuses(change: dict[str, Any]) -> None:
    content = settings() | change
    assert not _is_legal(content)
    assert not Draft202012Validator(SCHEMA).is_valid(content)


@pytest.mark.parametrize(
    "change",
    [
        {"data": settings()["data"] | {"report_on": ["synthetic-test"]}},
        {"data": settings()["data"] | {"report_on": [{"name": "synthetic-test"}]}},
        {"data": settings()["data"] | {"tune_on": None}},
        {"training": {"chunk_tokens": 512}},
        {"training": {"learning_rate": 3.0e-5}},
    ],
    ids=str,
)
def test_an_editor_takes_every_way_to_say_it(change: dict[str, Any]) -> None:
    content = settings() | change
    assert _is_legal(content)
    Draft202012Validator(SCHEMA).validate(content)


def test_the_example_is_a_whole_trial_and_each_remark_a_legal_setting(tmp_path: Path) -> None:
    path = tmp_path / "trial.yaml"
    lines = list(example_trial())
    path.write_text("\n".join(lines))
    config = read_trial(path)
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text()))
    named = {re.sub(r"^\s*#?", "", line).partition(":")[0] for line in lines}
    top = ("data", "encoder", "batch", "training", "evaluation")
    assert {*TrialConfig.model_fields} <= named
    for section in top:
        assert {*TrialConfig.model_fields[section].annotation.model_fields} <= named  # type: ignore
    hidden = [number for number, line in enumerate(lines) if re.match(r"\s*#\w", line)]
    assert len(hidden) > 30
    for number in hidden:
        changed = [*lines]
        changed[number] = changed[number].replace("#", "", 1)
        path.write_text("\n".join(changed))
        if "language_exponent" in changed[number]:
            with pytest.raises(InputError, match="belongs to language_sampling: temperature"):
                read_trial(path)
        else:
            assert read_trial(path) == config, changed[number]


def test_settings_of_a_model_without_texts_are_described_by_their_types() -> None:
    class Inner(StrictModel):
        flag: bool = False

    class Outer(StrictModel):
        names: dict[str, int] = Field(default={})
        inner: tuple[Inner, ...] = ()
        either: int | bool = 3

    outer, inner = sections(schema_of(Outer))
    assert [(s.name, s.kind, s.default) for s in outer.settings] == [
        ("names", "mapping", "{}"),
        ("inner", "list of settings", "none"),
        ("either", "whole number or true or false", "3"),
    ]
    assert (inner.places, inner.settings[0].name) == (("inner[]",), "flag")
