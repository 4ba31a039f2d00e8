import json
from pathlib import Path

import pytest

from benchmarks import start_up


def test_every_command_is_measured_in_turn_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: start_up.COMMANDS[name] for name in ("version", "status", "first-line")}
    monkeypatch.setattr(start_up, "COMMANDS", few)
    start_up.main(repeats=1, json_file=tmp_path / "times.json")
    records = json.loads((tmp_path / "times.json").read_text())
    assert [record["name"] for record in records] == list(few)
    assert all(0 < record["cpu"] < 60 and record["wall"] > 0 for record in records)


def test_a_command_that_fails_is_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(start_up.COMMANDS, "status", (start_up.SWEEP, "--status", "no-study"))
    with pytest.raises(RuntimeError, match="status: ended with 2"):
        start_up.measure(start_up.ROOT, "status", tmp_path)
