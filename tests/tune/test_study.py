from pathlib import Path
from typing import Any

import pytest
import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hybridir.errors import InputError
from tune.study import DEMO, STUDIES, Range, load_study

SMALL: dict[str, Any] = {
    "name": "small",
    "train": {"synthetic": {"languages": 2, "entities": 30}},
    "report_on": ["synthetic-test"],
    "encoder": {"from_scratch": {"layers": 1}},
    "space": {"mixing_ratio": {"uniform": [0.0, 1.0]}},
    "search": {"trials": 2},
    "confirm": {"mixing_ratio": [0.0, 0.5], "seeds": 2},
}


def write(path: Path, **changes: Any) -> Path:
    file = path / "study.yaml"
    file.write_text(yaml.safe_dump(SMALL | changes))
    return file


def problem(path: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_study(write(path, **changes), [])
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"uniform": [0.0, 1.0]}, FloatDistribution(0.0, 1.0)),
        ({"loguniform": [0.01, 1.0]}, FloatDistribution(0.01, 1.0, log=True)),
        ({"integer": [2, 8]}, IntDistribution(2, 8)),
        ({"choice": [16, 32]}, CategoricalDistribution((16, 32))),
    ],
)
def test_a_range_becomes_the_distribution_of_its_kind(
    given: dict[str, Any], expected: BaseDistribution
) -> None:
    assert Range.model_validate(given).distribution == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "exactly one"),
        ({"uniform": [0, 1], "choice": [1]}, "exactly one"),
        ({"uniform": [1.0, 0.0]}, "must lie below"),
        ({"loguniform": [0.0, 1.0]}, "must be positive"),
        ({"choice": []}, "at least one value"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    assert said in problem(tmp_path, space={"temperature": given})


def test_the_shipped_demo_is_legal() -> None:
    study = load_study(DEMO, [])
    assert study.search is not None
    assert set(study.space) == {"mixing_ratio", "temperature", "batch_size"}


def test_the_study_on_real_text_says_in_one_line_that_it_needs_an_encoder(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_study(STUDIES / "mlqa_to_xquad.yaml", [f"data_root={tmp_path}"])
    assert "encoder.path" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_all_mistakes_are_named_in_one_message(tmp_path: Path) -> None:
    said = problem(
        tmp_path,
        encoder={"from_scratch": {"layers": 0}},
        trainning={"pairs": 10},
        confirm={"mixing_ratio": [0.5, 1.2]},
    )
    assert "3 problems" in said
    assert "encoder.from_scratch.layers=0" in said
    assert "trainning: there is no such setting" in said
    assert "mixing_ratio=1.2" in said


def test_mistakes_across_sections_are_named_beside_the_others(tmp_path: Path) -> None:
    said = problem(tmp_path, space={}, tune_on=None, seed=-1)
    assert "search: needs a space" in said
    assert "seed=-1" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": None, "confirm": None}, "nothing to do"),
        ({"search": None}, "best needs a search"),
        ({"tune_on": None}, "needs tune_on: dev"),
        ({"space": {"colour": {"choice": [1]}}}, "no such parameter"),
        ({"space": {"batch_size": {"choice": [1, 8]}}}, "batch_size=1"),
        ({"space": {"temperature": {"uniform": [0.0, 1.0]}}}, "temperature=0.0"),
        ({"confirm": {"mixing_ratio": [0.5, 0.5]}}, "named twice"),
        ({"confirm": {"mixing_ratio": [0.5], "at": {"temperature": 0}}}, "temperature=0"),
        ({"search": {"objective": "synthetic-test/map_mean"}}, "tune on what is reported"),
        ({"search": {"objective": "dev/map_meen"}}, "dev/map_mean, dev/map_monolingual"),
        ({"name": "../escape"}, "name="),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in problem(tmp_path, **changes)


def test_overrides_are_dotted_and_typed_as_yaml(tmp_path: Path) -> None:
    file = write(tmp_path)
    overrides = ["training.pairs=640", "confirm.mixing_ratio=[0, 1]", "training.symmetric=true"]
    study = load_study(file, overrides)
    assert study.training.pairs == 640
    assert study.training.symmetric is True
    assert study.confirm is not None
    assert study.confirm.mixing_ratio == (0.0, 1.0)
    assert study.confirm.seeds == 2, "what is not named stays"


@pytest.mark.parametrize("override", ["training.pairs", "=3", "seed=[1"])
def test_an_override_that_cannot_be_read_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(InputError, match="--set"):
        load_study(write(tmp_path), [override])


@pytest.mark.parametrize("content", ["", "- a list", "a: [unclosed", b"\xff\xfe\x00"])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"broken\.yaml"):
        load_study(file, [])


def test_a_search_trial_is_not_told_what_is_reported_on(tmp_path: Path) -> None:
    study = load_study(write(tmp_path), [])
    parameters: dict[str, Any] = {"mixing_ratio": 0.25, "temperature": 0.5, "dropout": 0.1}
    searched = study.trial(parameters, seed=3, report=False)
    assert searched.data.report_on == ()
    assert (searched.batch.mixing_ratio, searched.training.temperature) == (0.25, 0.5)
    assert (searched.encoder.dropout, searched.seed) == (0.1, 3)
    confirmed = study.trial(parameters, seed=3, report=True)
    assert [benchmark.name for benchmark in confirmed.data.report_on] == ["synthetic-test"]
