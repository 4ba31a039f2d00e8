import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hybridir import __version__, names
from hybridir.cli.main import main
from hybridir.trial.run import ENCODER, RESULT
from tests.support.tiny import settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump(settings()))
    return path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run the command as its entry point does and return the exit code."""
    monkeypatch.setattr(sys, "argv", ["hybridir", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_train_writes_a_result_and_an_encoder_and_prints_the_metrics(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("train", config, tmp_path / "run", "--cache", tmp_path / "cache")
    assert command(monkeypatch, *arguments) == 0
    metrics = json.loads((tmp_path / "run" / RESULT).read_text())
    printed = capsys.readouterr().out
    shown = dict(line.split() for line in printed.splitlines() if "/map" in line)
    assert {name: float(value) for name, value in shown.items()} == {
        name: float(f"{value:.6g}") for name, value in metrics.items() if "/map" in name
    }
    assert printed.splitlines()[-1] == f"results: {tmp_path / 'run'}"
    assert (tmp_path / "run" / ENCODER / "model.safetensors").is_file()

    # The second call reads the result and prints the same lines.
    assert command(monkeypatch, *arguments) == 0
    assert capsys.readouterr().out == printed


def test_a_training_that_diverges_ends_with_a_message_and_code_1(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    training = {**settings()["training"], "temperature": 1e-45}
    config.write_text(yaml.safe_dump(settings(training=training)))
    arguments = ("train", config, tmp_path / "run", "--cache", tmp_path / "cache")
    assert command(monkeypatch, *arguments) == 1
    assert "error: step 0: loss" in capsys.readouterr().err
    assert not (tmp_path / "run" / RESULT).exists()


@pytest.mark.parametrize(
    "arguments", [["train"], ["nothing"], ["data", "show", "a", "b"], ["data", "prepare", "mkqa"]]
)
def test_a_wrong_command_line_ends_with_code_2(
    arguments: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, *arguments) == 2
    assert "Usage: hybridir" in capsys.readouterr().err


def test_the_command_prints_its_version() -> None:
    command_line = [sys.executable, "-m", "hybridir", "--version"]
    printed = subprocess.run(command_line, capture_output=True, text=True, check=True).stdout
    assert printed == f"hybridir {__version__}\n"


def test_help_names_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "--help") == 0
    printed = capsys.readouterr().out
    assert "train" in printed
    assert "data" in printed
    assert names.MIXING_RATIO not in printed  # settings are in the file only
