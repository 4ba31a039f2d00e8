import json
import sys
from pathlib import Path

import pytest
import yaml

from hybridir.cli.main import main
from hybridir.config import TrialConfig, read_trial


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run ``hybridir config`` as its entry point does and return the exit code."""
    monkeypatch.setattr(sys, "argv", ["hybridir", "config", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_one_setting_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "training.pairs") == 0
    printed = capsys.readouterr().out
    assert "training.pairs = 19200" in printed
    assert "whole number, at least 2, unit: pairs" in printed
    assert "training.warmup" not in printed


def test_all_settings_are_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "--help-all") == 0
    printed = capsys.readouterr().out
    assert "  encoder.from_scratch.vocabulary = 3000\n" in printed
    assert "  data.train.mix = null\n" in printed


def test_the_printed_trial_and_schema_are_files_to_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "--trial") == 0
    path = tmp_path / "trial.yaml"
    path.write_text(capsys.readouterr().out)
    assert read_trial(path) == TrialConfig.model_validate(yaml.safe_load(path.read_text()))
    assert command(monkeypatch, "--schema") == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() == {*TrialConfig.model_fields}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["training.temprature"], "near it are temperature"),
        (["space"], "a study's settings: python tune/run_sweep.py --help-all"),
        (["batch", "--trial"], "batch and --trial cannot be combined"),
    ],
)
def test_a_wrong_question_is_answered_with_the_right_one(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err
