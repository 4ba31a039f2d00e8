"""Optuna, the trial folders and Ray agree on 24 trials under ASHA."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from optuna.trial import FrozenTrial
from ray.tune import ExperimentAnalysis
from ray.tune.experiment import Trial
from rich.console import Console

from hybridir import names
from tests.support.tiny import settings
from tune.driver.phases import PhaseRunner
from tune.folders import Outcome, RunFolder, new_run
from tune.readiness.cluster import running_ray
from tune.readiness.inputs import check_study
from tune.record.address import Address
from tune.record.tracking import Tracker
from tune.searching.searcher import open_study, own_trials
from tune.study.file import StudyConfig
from tune.view.narrator import Narrator

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("ray")]

OBJECTIVE = "dev/map_mean"
# Two temperatures with eleven ratios each, and two without: 24 points. 10 trains next to nothing,
# and the scores of 1e-40 are infinite.
SEARCH = """
name: agreement
space:
  mixing_ratio: {uniform: [0, 1], points: 11, when: {temperature: [0.05, 10.0]}}
  temperature: {choice: [0.05, 10.0, 0.1, 1.0e-40]}
search: {sampler: grid, scheduler: asha}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run of a search, with Ray's own records."""
    storage = tmp_path_factory.mktemp("agreement")
    tiny = settings(batch={"batch_size": 32}, training={"pairs": 320})
    data = tiny.pop("data") | {"report_on": []}
    content = yaml.safe_load(SEARCH) | tiny | data | {"storage": storage}
    study = StudyConfig.model_validate(content)
    run = new_run(storage, study.name)
    with running_ray():
        tracker = Tracker(Address(f"sqlite:///{storage}/mlflow.db"), study.name, run, {}, [])
        with Narrator(Console(quiet=True)) as narrator:
            PhaseRunner(study, run, check_study(study), tracker, narrator).search()
        tracker.finish("FINISHED", {})
    return run


@pytest.fixture(scope="module")
def in_optuna(folder: RunFolder) -> dict[str, FrozenTrial]:
    trials = own_trials(open_study(folder.journal, "agreement"))
    return {f"search-{number:03d}": trial for number, trial in trials.items()}


@pytest.fixture(scope="module")
def outcomes(folder: RunFolder) -> dict[str, Outcome]:
    return {trial.name: trial.outcome for trial in folder.trials() if trial.outcome}


@pytest.fixture(scope="module")
def in_ray(folder: RunFolder) -> dict[str, Trial]:
    trials = ExperimentAnalysis(str(folder.ray / names.PHASE_SEARCH)).trials or []
    return {Path(trial.config["trial"]["folder"]).name: trial for trial in trials}


def test_all_three_have_the_24_trials_of_which_some_were_stopped(
    in_optuna: dict[str, FrozenTrial], outcomes: dict[str, Outcome], in_ray: dict[str, Trial]
) -> None:
    expected = {f"search-{number:03d}" for number in range(24)}
    assert in_optuna.keys() == outcomes.keys() == in_ray.keys() == expected
    states = [outcome.state for outcome in outcomes.values()]
    assert states.count(names.FAIL) == 1
    assert states.count(names.PRUNED) >= 5
    assert states.count(names.COMPLETE) >= 5


def test_pain_01_optuna_has_the_state_step_and_value_of_the_folder(
    in_optuna: dict[str, FrozenTrial], outcomes: dict[str, Outcome]
) -> None:
    for name, outcome in outcomes.items():
        trial, value = in_optuna[name], outcome.metrics.get(OBJECTIVE)
        assert trial.state.name == outcome.state
        if outcome.state == names.COMPLETE:
            assert (trial.value, outcome.metrics[names.FIDELITY]) == (value, 1.0)
            assert list(trial.intermediate_values) == [50, 100]
            assert trial.intermediate_values[100] == value
        elif outcome.state == names.PRUNED:
            assert outcome.metrics[names.FIDELITY] == 0.5
            assert trial.intermediate_values == {50: value}


def test_optuna_has_the_values_that_ray_received(
    in_optuna: dict[str, FrozenTrial], in_ray: dict[str, Trial]
) -> None:
    for name, trial in in_ray.items():
        last: dict[str, Any] = trial.last_result or {}
        values = list(in_optuna[name].intermediate_values.values())
        assert trial.status == Trial.TERMINATED
        if in_optuna[name].state.name == names.FAIL:
            assert OBJECTIVE not in last
            continue
        assert last["budget_percent"] == max(in_optuna[name].intermediate_values)
        assert last[OBJECTIVE] == values[-1]
        figures = trial.metric_analysis[OBJECTIVE]
        assert (figures["min"], figures["max"]) == (min(values), max(values))


def test_pain_02_a_trial_with_a_loss_of_nan_failed_with_its_reason(
    in_optuna: dict[str, FrozenTrial], outcomes: dict[str, Outcome]
) -> None:
    (failed,) = [name for name, outcome in outcomes.items() if outcome.state == names.FAIL]
    assert in_optuna[failed].params == {"temperature": 1e-40}
    assert in_optuna[failed].values is None
    assert "loss nan" in outcomes[failed].reason
    assert in_optuna[failed].user_attrs["reason"] == outcomes[failed].reason
