import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "start_up.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("start_up", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_is_measured_in_turn_and_written_down(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: script.COMMANDS[name] for name in ("version", "status", "first-line")}
    monkeypatch.setattr(script, "COMMANDS", few)
    script.main(repeats=1, json_file=tmp_path / "times.json")
    records = json.loads((tmp_path / "times.json").read_text())
    assert [record["name"] for record in records] == list(few)
    assert all(0 < record["cpu"] < 60 and record["wall"] > 0 for record in records)


def test_a_command_that_fails_is_no_figure(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="status: ended with 2"):
        script.measure(script.ROOT, "status", tmp_path)  # without a run of the study
