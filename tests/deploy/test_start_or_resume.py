import subprocess
import sys
from pathlib import Path

import pytest

from deploy.start_or_resume import SCRIPT, sweep_arguments
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
    assert sweep_arguments(arguments) == ["--resume", "mine@run-001", "--storage", str(tmp_path)]


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


@pytest.mark.parametrize(
    "changes",
    [["--set=seed=1"], ["--set=seed=1", "--set", "training.pairs=640"]],
)
def test_an_override_may_be_one_word_or_two(
    arguments: list[str], tmp_path: Path, changes: list[str]
) -> None:
    _begun(tmp_path)
    assert sweep_arguments([*changes, *arguments])[0] == "--resume"


@pytest.mark.parametrize(
    "more",
    [
        *(["--plan"], ["--preflight"], ["--help"], ["--trial", "search-000"], ["--version"]),
        # Mistakes, which an unfinished run does not hide.
        *(["other.yaml"], ["--nonsense"], ["--set"], ["--set", "no_such_field=1"]),
    ],
)
def test_other_commands_and_mistakes_are_handed_on_beside_an_unfinished_run(
    arguments: list[str], tmp_path: Path, more: list[str]
) -> None:
    _begun(tmp_path)
    assert sweep_arguments([*arguments, *more]) == [*arguments, *more]


def test_without_a_study_the_demo_is_started_or_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweep_arguments([]) == []
    new_run(Path("results"), "demo").study_file.write_text("name: demo\n")
    assert sweep_arguments([]) == ["--resume", "demo@run-001", "--storage", "results"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("missing.yaml", "missing.yaml"),
        ("{demo} --set=no_such_field=1", "no_such_field: there is no such setting"),
        ("{demo} --set seed", "--set seed: expected key=value"),
        ("{demo} --set", "Option '--set' requires an argument"),
        ("--set seed=-1", "seed=-1"),
    ],
)
def test_a_mistake_is_answered_as_by_the_command_of_a_study(
    tmp_path: Path, command: str, message: str
) -> None:
    words = command.format(demo=DEMO).split()
    answers = [
        subprocess.run(
            [sys.executable, str(script), *words], cwd=tmp_path, capture_output=True, text=True
        )
        for script in (SCRIPT.parents[1] / "deploy" / "start_or_resume.py", SCRIPT)
    ]
    first, second = ((done.returncode, done.stdout, done.stderr) for done in answers)
    assert first == second
    assert first[0] == 2
    assert message in " ".join(first[2].replace("│", " ").split())
    assert "Traceback" not in first[2]
