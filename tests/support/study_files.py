"""A small study file, with changes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridir.errors import InputError
from tune.study.file import read_study_file

SMALL: dict[str, Any] = {
    "name": "small",
    "train": {"synthetic": {"languages": 2, "entities": 30}},
    "report_on": ["synthetic-test"],
    "encoder": {"from_scratch": {"layers": 1}},
    "space": {"mixing_ratio": {"uniform": [0.0, 1.0]}},
    "search": {"trials": 2},
    "confirm": {"mixing_ratio": [0.0, 0.5], "seeds": 2},
}


GRID: dict[str, Any] = {
    "mixing_ratio": {"uniform": [0, 1], "points": 3},
    "temperature": {"choice": [0.02, 0.05, 0.1]},
}


def write(path: Path, **changes: Any) -> Path:
    file = path / "study.yaml"
    file.write_text(yaml.safe_dump(SMALL | changes))
    return file


def problem(path: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_study_file(write(path, **changes), [])
    return str(caught.value)
