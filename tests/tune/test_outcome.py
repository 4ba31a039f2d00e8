from pathlib import Path
from typing import Any

import pytest

from hybridir import names
from tune.folders import Outcome, TrialFolder
from tune.outcome import final_state, finalize_trial, has_failed, objective_problem

COMPLETE: dict[str, Any] = {"dev/map_mean": 0.5, "fidelity": 1.0, "budget_percent": 100}


@pytest.fixture
def folder(tmp_path: Path) -> TrialFolder:
    folder = TrialFolder(tmp_path / "search-000")
    folder.path.mkdir()
    return folder


def test_the_final_state_follows_from_the_share_of_the_budget() -> None:
    assert final_state({"budget_percent": 100}, error=False) == names.COMPLETE
    assert final_state({"budget_percent": 50}, error=False) == names.PRUNED
    assert final_state({}, error=False) == names.FAIL
    assert final_state({"budget_percent": 100}, error=True) == names.FAIL


def test_an_objective_must_be_measured_and_finite() -> None:
    assert objective_problem({"dev/a": 0.5}, ["dev/a"]) == ""
    assert objective_problem({"dev/a": float("inf")}, ["dev/a", "dev/b"]) == (
        "dev/a is inf, dev/b was not measured"
    )


def test_the_outcome_keeps_the_trials_own_finite_metrics(folder: TrialFolder) -> None:
    result = COMPLETE | {"hostname": "node-1", "pid": 7, "time_total_s": 9.0, "config/trial": "x"}
    outcome = finalize_trial(folder, result | {"train/loss": float("nan")}, error=False)
    metrics = {"dev/map_mean": 0.5, "fidelity": 1.0}
    assert outcome == Outcome(names.COMPLETE, metrics, host="node-1")
    assert folder.outcome == outcome


def test_a_final_failure_decides_even_if_ray_saw_no_error(folder: TrialFolder) -> None:
    folder.write("failure.json", {"reason": "loss nan", "final": True, "host": "node-2"})
    assert has_failed(folder)
    outcome = finalize_trial(folder, COMPLETE, error=False)
    assert (outcome.state, outcome.reason, outcome.host) == (names.FAIL, "loss nan", "node-2")


def test_a_failure_that_may_be_retried_does_not_decide(folder: TrialFolder) -> None:
    folder.write("failure.json", {"reason": "a node died", "final": False, "host": "node-2"})
    assert not has_failed(folder)
    assert finalize_trial(folder, COMPLETE, error=False).state == names.COMPLETE


def test_a_trial_that_ray_gave_up_without_a_recorded_failure_lost_its_worker(
    folder: TrialFolder,
) -> None:
    outcome = finalize_trial(folder, {}, error=True)
    assert (outcome.state, outcome.reason) == (names.FAIL, "the worker process died")


def test_a_failure_file_of_the_version_before_is_read(folder: TrialFolder) -> None:
    failure = {"reason": "out of memory", "final": True, "worn": True, "host": "node-1", "pid": 1}
    folder.write("failure.json", failure)
    assert has_failed(folder)
