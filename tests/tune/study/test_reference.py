import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from hybridir.config import TrialConfig
from hybridir.config.base import UNIT
from hybridir.config.reference import as_lines, schema_of, sections
from tests.support.settings import all_fields, models_of
from tune.space.parameters import searchable
from tune.study.file import STUDIES, StudyConfig
from tune.study.reference import study_schema

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
SCHEMA = study_schema()
SHIPPED = sorted(STUDIES.rglob("*.yaml"))


def test_the_committed_reference_is_that_of_the_models() -> None:
    for path, text in runpy.run_path(str(ROOT / ".ci" / "settings.py"))["documents"]():
        assert path.read_text() == text.rstrip("\n") + "\n", f"{path}: run `make settings`"


def page_tables() -> dict[str, list[list[str]]]:
    """The rows of the page's tables by their heading, as a reader sees them."""
    tables: dict[str, list[list[str]]] = {}
    heading = ""
    for line in (DOCS / "settings.md").read_text().splitlines():
        if match := re.match(r"#+ `?([^`]+)`?$", line):
            heading = match[1]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            tables.setdefault(heading, []).append(cells)
    return tables


def test_the_page_names_every_field_of_every_model() -> None:
    tables = page_tables()
    for model in models_of(StudyConfig) + models_of(TrialConfig):
        fields = [f"`{name}`" for name in model.model_fields]
        assert fields in [[row[0] for row in rows] for rows in tables.values()], model.__name__
    for rows in tables.values():
        for row in rows:
            assert len(row) == 6
            assert all(row[column] for column in (0, 1, 3, 5)), row  # name, type, default, meaning


@pytest.mark.parametrize("model", models_of(StudyConfig), ids=lambda model: model.__name__)
def test_every_setting_of_a_study_says_what_it_means_and_every_number_its_unit(
    model: type[BaseModel],
) -> None:
    for name, node in schema_of(model)["properties"].items():
        assert node.get("description"), f"{model.__name__}.{name} has no text below it"
        if name != "when" and re.search('"type": "(integer|number)"', json.dumps(node)):
            assert f'"{UNIT}"' in json.dumps(node), f"{model.__name__}.{name} has no unit"


def test_the_command_explains_every_setting_of_a_study() -> None:
    named = {line.split(" = ")[0].strip() for line in as_lines(sections(SCHEMA), 100)}
    elsewhere = {
        f"{place}.{setting.name}"
        for section in sections(SCHEMA)
        for place in section.places[1:]
        for setting in section.settings
    }
    assert set(all_fields(StudyConfig)) <= named | elsewhere


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_an_editor_takes_the_shipped_studies_by_the_schema_that_they_name(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    named = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert named.resolve() == DOCS / "schema" / "study.json"
    content = yaml.safe_load(path.read_text())
    if path.stem == "e5_hub":  # its command adds the commit with --set
        content["encoder"]["hub"]["revision"] = "0" * 40
    Draft202012Validator(json.loads(named.read_text())).validate(content)


@pytest.mark.parametrize(
    "change",
    [
        {"confirm": {"mixing_ratio": 0.5, "at": {"batch_size": 32}}},
        {"confirm": {"mixing_ratio": [0, 1], "temperature": 0.05}},
        {"primary": {"measure": "map"}},
        {"space": {"coin": {"choice": ["bernoulli"], "when": {"kind": "hybrid"}}}},
        {"report_on": ["synthetic-test"]},
    ],
    ids=str,
)
def test_an_editor_takes_every_way_to_say_it(change: dict[str, Any]) -> None:
    assert Draft202012Validator(SCHEMA).is_valid(_content() | change)


def test_an_editor_completes_the_settings_that_can_be_searched() -> None:
    assert set(SCHEMA["properties"]["space"]["properties"]) == set(searchable())
    assert not Draft202012Validator(SCHEMA).is_valid(_content() | {"space": {"coin": [1]}})
    assert not Draft202012Validator(SCHEMA).is_valid(_content() | {"serch": {}})


def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((STUDIES / "demo.yaml").read_text())
    return content
