from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from hybridir.errors import InputError
from tune.plan import Estimate, check_study, render
from tune.study import StudyConfig, load_study

SMALL: dict[str, Any] = {
    "name": "small",
    "train": {"synthetic": {"languages": 2, "entities": 30}},
    "report_on": ["synthetic-test"],
    "encoder": {"from_scratch": {"layers": 1, "hidden_size": 16, "heads": 1}},
    "confirm": {"mixing_ratio": [0.0, 0.5], "at": {"temperature": 0.05}},
}


@pytest.fixture
def study(tmp_path: Path) -> Any:
    def load(**changes: Any) -> StudyConfig:
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(SMALL | changes))
        return load_study(tmp_path / "study.yaml", [])

    return load


def test_a_check_names_each_data_set_with_its_role(study: Any) -> None:
    found = check_study(study())
    assert [(name, role) for name, _, role in found] == [
        ("train", "training"),
        ("dev", "tuning"),
        ("synthetic-test", "reporting"),
    ]
    assert len({digest for _, digest, _ in found}) == 3


def test_the_largest_batch_of_the_space_must_fit(study: Any) -> None:
    space = {"batch_size": {"choice": [16, 4096]}}
    with pytest.raises(InputError, match="4096"):
        check_study(study(space=space, search={"trials": 2}))


def test_the_batch_of_the_confirmation_must_fit(study: Any) -> None:
    confirm = {"mixing_ratio": [0.5], "at": {"batch_size": 4096}}
    with pytest.raises(InputError, match="4096"):
        check_study(study(confirm=confirm))


def test_the_plan_adds_trials_up_over_workers_with_their_cost(study: Any) -> None:
    estimates = [
        Estimate("search", 8, train_seconds=80.0, evaluation_seconds=10.0, memory_mb=500.0),
        Estimate("confirmation", 20, train_seconds=120.0, evaluation_seconds=24.0, memory_mb=600),
    ]
    console = Console(record=True, width=120)
    console.print(render(study(resources={"hourly_price": 2.0}), estimates, workers=2))
    text = console.export_text()
    # (8 * 90 + 20 * 144) seconds are one hour, half of it with two workers.
    assert "small: about 30 min with 2 trials at a time, cost 2.00" in text
    assert "20" in text
    assert "600 MB" in text
