import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from hybridir import names
from tune.folders import RunFolder, TrialFolder
from tune.searching.searcher import open_study

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("study")]


@pytest.fixture(scope="module")
def disturbed(
    tmp_path_factory: pytest.TempPathFactory, start_study: Any, study_text: str
) -> list[Any]:
    """The study, stopped by Ctrl-C, then killed during the search, and resumed each time."""
    folder = tmp_path_factory.mktemp("disturbed")
    (folder / "small.yaml").write_text(study_text)
    trials = folder / "results" / "small" / "run-001" / "trials"

    first = start_study(folder, "small.yaml")
    first.until((trials / "search-000" / "progress.json").exists)
    first.process.send_signal(signal.SIGINT)
    first.finish()
    first.statuses = _statuses(folder)
    first.checkpoints = [path.parent.name for path in trials.glob("*/checkpoint.pt")]
    shutil.copytree(folder, folder.with_name("damaged"))

    second = start_study(folder, "--resume", "small")
    second.until((trials / "search-002" / "progress.json").exists)
    second.kill()

    third = start_study(folder, "--resume", "small")
    third.finish()
    return [first, second, third]


def test_ctrl_c_ends_with_130_and_prints_the_command_to_resume(disturbed: list[Any]) -> None:
    first = disturbed[0]
    assert first.process.returncode == 130
    last = first.output.splitlines()[-1]
    assert last.startswith(f"interrupted; resume with: {sys.executable} ")
    assert last.endswith("run_sweep.py --resume small@run-001")
    assert "Traceback" not in first.output
    assert "confirm:" not in first.output


def test_ctrl_c_leaves_a_checkpoint_of_what_was_trained(disturbed: list[Any]) -> None:
    # The training of a second or so is far below the interval of 5 minutes or 200 steps.
    assert disturbed[0].checkpoints == ["search-000"]


def test_ctrl_c_leaves_no_run_open_in_mlflow(disturbed: list[Any]) -> None:
    assert disturbed[0].statuses == {"small": "KILLED", "search-000": "KILLED"}


def test_the_resumed_study_ends_as_if_nothing_had_happened(disturbed: list[Any]) -> None:
    third = disturbed[2]
    assert third.process.returncode == 0, third.output
    assert "continuing study small in results/small/run-001" in third.output.splitlines()
    assert third.output.splitlines()[-1].startswith("report: ")
    assert "search-000" not in third.output, "a finished trial was repeated"


def test_a_resumed_study_has_the_metrics_of_an_undisturbed_one_to_the_last_digit(
    disturbed: list[Any], small_study: Any
) -> None:
    metrics = _measured(disturbed[2].folder)
    assert metrics == _measured(small_study.folder)
    assert len(metrics) == 6


def test_a_damaged_checkpoint_is_told_and_changes_no_figure(
    disturbed: list[Any], start_study: Any, small_study: Any
) -> None:
    folder = disturbed[0].folder.with_name("damaged")
    checkpoint = _folder(folder).trial("search-000").path / "checkpoint.pt"
    os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    resumed = start_study(folder, "--resume", "small")
    resumed.finish()
    assert resumed.process.returncode == 0, resumed.output
    told = [line for line in resumed.output.splitlines() if "trained from the start" in line]
    assert [line.split()[0] for line in told] == ["search-000"]
    assert _measured(folder) == _measured(small_study.folder)


def test_pain_04_optuna_has_the_proposals_and_states_of_an_undisturbed_study(
    disturbed: list[Any], small_study: Any
) -> None:
    resumed, undisturbed = (
        [
            (trial.number, trial.state, trial.params, trial.values, trial.intermediate_values)
            for trial in open_study(_folder(running.folder).journal, "small").trials
        ]
        for running in (disturbed[2], small_study)
    )
    assert resumed == undisturbed


def test_pain_03_after_a_resume_mlflow_holds_each_trial_once_and_none_running(
    disturbed: list[Any],
) -> None:
    folder = disturbed[2].folder
    states = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
    expected = {
        trial.name: states[json.loads((trial.path / "outcome.json").read_text())["state"]]
        for trial in _folder(folder).trials()
    }
    assert _statuses(folder) == {"small": "FINISHED", **expected}


def _folder(working_directory: Path, study: str = "small") -> RunFolder:
    return RunFolder(working_directory / "results" / study / "run-001")


def _measured(working_directory: Path, study: str = "small") -> dict[str, dict[str, Any]]:
    trials = _folder(working_directory, study).trials()
    return {trial.name: _untimed(trial) for trial in trials}


def _untimed(trial: TrialFolder) -> dict[str, Any]:
    outcome = json.loads((trial.path / "outcome.json").read_text())
    metrics = {
        key: value
        for key, value in outcome["metrics"].items()
        if "second" not in key and key != names.PEAK_MEMORY_MB
    }
    return {"state": outcome["state"], **metrics}


def _statuses(working_directory: Path) -> dict[str, str]:
    """Status of each run by trial, and of the study under its own name; each has one run."""
    client = MlflowClient(f"sqlite:///{working_directory / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([experiment.experiment_id])
    statuses = {
        run.data.tags.get(names.TAG_TRIAL, run.data.tags[names.TAG_STUDY]): run.info.status
        for run in runs
    }
    assert len(statuses) == len(runs)
    return statuses
