from pathlib import Path

import pytest

from deploy.start_or_resume import sweep_arguments
from hybridir.errors import InputError
from tune.folders import RunFolder, new_run
from tune.study.file import DEMO, read_study_file
from tune.study.recorded import record_settings


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    return [str(DEMO), "--set", f"storage={tmp_path}", "--set", "name=mine"]


def _begun(storage: Path) -> RunFolder:
    run = new_run(storage, "mine")
    run.study_file.write_text("name: mine\n")
    return run


def _ended(storage: Path) -> None:
    run = _begun(storage)
    run.finish()
    run.report.mkdir()
    (run.report / "report.html").touch()


def test_a_study_without_a_run_is_started(arguments: list[str]) -> None:
    assert sweep_arguments(arguments) == arguments


def test_an_unfinished_run_is_resumed(arguments: list[str], tmp_path: Path) -> None:
    _begun(tmp_path)
    assert sweep_arguments(arguments) == ["--resume", "mine", "--storage", str(tmp_path)]


def test_settings_that_an_unfinished_run_does_not_follow_are_named(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [argument for argument in arguments if "=" in argument]
    record_settings(read_study_file(DEMO, overrides), new_run(tmp_path, "mine"))
    changes = ["--set", "resources.nodes=7", "--set", "training.learning_rate=1e-5"]
    assert sweep_arguments([*arguments, *changes])[0] == "--resume"
    assert "in training.learning_rate; to use these" in capsys.readouterr().err


def test_a_finished_run_is_followed_by_a_new_one(arguments: list[str], tmp_path: Path) -> None:
    _ended(tmp_path)
    assert sweep_arguments(arguments) == arguments


def test_the_newest_run_decides(arguments: list[str], tmp_path: Path) -> None:
    _begun(tmp_path)
    _ended(tmp_path)
    assert sweep_arguments(arguments) == arguments


def test_a_run_interrupted_before_its_settings_were_written_is_not_resumed(
    arguments: list[str], tmp_path: Path
) -> None:
    new_run(tmp_path, "mine")
    assert sweep_arguments(arguments) == arguments


def test_a_mistake_in_the_settings_is_reported(arguments: list[str]) -> None:
    with pytest.raises(InputError, match="no_such_field"):
        sweep_arguments([*arguments, "--set", "no_such_field=1"])
