from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hybridir import names
from hybridir.errors import InputError
from tune.folders import (
    Outcome,
    RunFolder,
    TrialFolder,
    cache_folder,
    find_run,
    list_runs,
    new_run,
)


def test_runs_started_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    # The file system decides who gets a folder, for threads as for programs.
    with ThreadPoolExecutor(4) as callers:
        created = callers.map(lambda storage: new_run(storage, "s").path.name, [tmp_path] * 12)
    assert sorted(created) == [f"run-{number:03d}" for number in range(1, 13)]


def test_runs_are_ordered_by_number_and_other_folders_are_ignored(tmp_path: Path) -> None:
    for name in ("run-1000", "run-999", "run-002", "run-old", "notes"):
        (tmp_path / "s" / name).mkdir(parents=True)
    assert [run.number for run in list_runs(tmp_path, "s")] == [2, 999, 1000]
    assert new_run(tmp_path, "s").path.name == "run-1001"


@pytest.fixture
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage with two runs of one study, and a third that was killed before it wrote."""
    monkeypatch.chdir(tmp_path)
    storage = Path("results")
    for number in range(2):
        new_run(storage, "s").study_file.write_text(f"seed: {number}")
    new_run(storage, "s")
    return storage


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("s", "run-002"),
        ("s@run-001", "run-001"),
        ("s@run-002", "run-002"),
        ("results/s", "run-002"),
        ("results/s/run-001", "run-001"),
        ("results/s/run-001/", "run-001"),
        ("./results/../results/s/run-001", "run-001"),
        ("{absolute}/results/s/run-001", "run-001"),
    ],
)
def test_a_command_names_a_run_by_its_study_with_or_without_its_own_name_or_by_its_path(
    two_runs: Path, text: str, run: str
) -> None:
    found = find_run(two_runs, text.format(absolute=Path.cwd()))
    # As it is printed: from here, whatever was given.
    assert str(found.path) == f"results/s/{run}"
    assert (found.storage, found.label) == (two_runs, f"s@{run}")


def test_a_path_is_understood_from_any_folder(
    two_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (two_runs / "s" / "run-001").resolve()
    for folder, text in (
        ("results", "s/run-001"),
        ("results/s", "./run-001"),
        ("results/s/run-001", "../run-001"),
        ("results/s/run-001", "./"),
    ):
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir(folder)
            run = find_run(Path("nowhere"), text)
            assert run.path.resolve() == expected
            assert (run.storage / "s" / "run-001").resolve() == expected


def test_the_error_for_an_unknown_study_or_run_lists_the_existing_ones(two_runs: Path) -> None:
    with pytest.raises(
        InputError, match=r"no study 'other' under .*; existing studies: s; .* need --storage"
    ):
        find_run(two_runs, "other")
    with pytest.raises(InputError, match="existing studies: none"):
        find_run(two_runs / "nowhere", "other")
    with pytest.raises(InputError, match=r"^s@run-9: there is no run-9; the study has run"):
        find_run(two_runs, "s@run-9")
    with pytest.raises(InputError, match=r"there is no run-003; the study has run-001, run-002$"):
        find_run(two_runs, "results/s/run-003")


def test_a_run_has_one_process_at_a_time(tmp_path: Path) -> None:
    run = new_run(tmp_path, "s")
    with run.lock(), pytest.raises(InputError, match="another process"), run.lock():
        pass
    with run.lock():
        pass


def test_an_outcome_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    trial = RunFolder(tmp_path).trial("confirm-a0.5-s1")
    assert trial.outcome is None
    outcome = Outcome(names.FAIL, {"train/loss": 0.5}, "loss nan", "node-1")
    trial.finalize(outcome)
    assert trial.outcome == outcome
    assert trial.phase == names.PHASE_CONFIRM
    assert [trial.name for trial in RunFolder(tmp_path).trials()] == ["confirm-a0.5-s1"]


def test_finalizing_deletes_the_checkpoint(tmp_path: Path) -> None:
    trial = TrialFolder(tmp_path)
    (tmp_path / "checkpoint.pt").touch()
    trial.finalize(Outcome(names.PRUNED, {}))
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]


def test_the_cache_is_in_the_storage_unless_the_environment_names_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYBRIDIR_CACHE", raising=False)
    assert cache_folder(tmp_path) == tmp_path / "cache"
    monkeypatch.setenv("HYBRIDIR_CACHE", "/fast/disk")
    assert cache_folder(tmp_path) == Path("/fast/disk")
