from pathlib import Path

import pytest

from deploy.start_or_resume import arguments
from hybridir.errors import InputError
from tune.folders import RunFolder, new_run
from tune.study.file import DEMO


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    return [str(DEMO), "--set", f"storage={tmp_path}", "--set", "name=mine"]


def _begun(storage: Path) -> RunFolder:
    run = new_run(storage, "mine")
    run.study_file.write_text("name: mine\n")
    return run


def test_a_study_that_was_never_begun_is_started(given: list[str]) -> None:
    assert arguments(given) == given


def test_an_unfinished_run_is_gone_on_with(given: list[str], tmp_path: Path) -> None:
    _begun(tmp_path)
    assert arguments(given) == ["--resume", "mine", "--storage", str(tmp_path)]


def test_a_finished_run_is_followed_by_a_new_one(given: list[str], tmp_path: Path) -> None:
    _begun(tmp_path).finish()
    assert arguments(given) == given


def test_the_newest_run_decides(given: list[str], tmp_path: Path) -> None:
    _begun(tmp_path)
    _begun(tmp_path).finish()
    assert arguments(given) == given


def test_a_run_cut_off_before_its_settings_were_written_is_not_gone_on_with(
    given: list[str], tmp_path: Path
) -> None:
    new_run(tmp_path, "mine")
    assert arguments(given) == given


def test_a_mistake_in_the_settings_is_told(given: list[str]) -> None:
    with pytest.raises(InputError, match="no_such_field"):
        arguments([*given, "--set", "no_such_field=1"])
