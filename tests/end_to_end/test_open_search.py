"""A search over any setting, by a sampler of one's own, of two objectives, with early stopping."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from tests.support.page_text import first_screen, walls
from tune.folders import RunFolder
from tune.searching.searcher import open_study, pareto_front

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("study")]

STUDY = """
name: open
train: {synthetic: {languages: 2, seed: 20, entities: 30}}
report_on: [synthetic-test]
encoder: {from_scratch: {layers: 1, hidden_size: 32, intermediate_size: 64, heads: 2,
                         vocabulary: 600}}
training: {pairs: 512, temperature: 0.05}
batch: {batch_size: 16}
space:
  mixing_ratio: {uniform: [0, 1]}
  training.learning_rate: {loguniform: [0.0001, 0.01]}
  encoder.pooling: {choice: [mean, cls, mean+cls]}
  coin: {choice: [bernoulli, stratified]}
search:
  sampler: own_samplers:Centred
  sampler_arguments: {width: 0.5}
  trials: 8
  objective: [dev/map_mean, dev/rank_distance]
  scheduler: asha
  stop_by: dev/rank_distance
confirm: {mixing_ratio: [0, 0.5, 1], seeds: 2}
resources: {cpu: %d}
seed: 5
"""
SAMPLER = """
import optuna

class Centred(optuna.samplers.RandomSampler):
    def __init__(self, width, seed=None):
        super().__init__(seed=seed)
        self.width = width

    def sample_independent(self, study, trial, name, distribution):
        value = super().sample_independent(study, trial, name, distribution)
        if name == "mixing_ratio":
            return 0.5 + self.width * (value - 0.5)
        return value
"""


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory, start_study: Any) -> tuple[Any, Any]:
    """The study undisturbed, and killed in its search and resumed."""
    ended = []
    for kill in (False, True):
        folder = tmp_path_factory.mktemp("open")
        (folder / "open.yaml").write_text(STUDY % len(os.sched_getaffinity(0)))
        (folder / "own_samplers.py").write_text(SAMPLER)
        running = start_study(folder, "open.yaml")
        if kill:
            trials = folder / "results" / "open" / "run-001" / "trials"
            running.until((trials / "search-003" / "progress.json").exists)
            running.kill()
            running = start_study(folder, "--resume", "open")
        assert running.finish() == 0, running.output
        ended.append(running)
    return ended[0], ended[1]


def journal(study: Any) -> Any:
    return open_study(RunFolder(study.folder / "results" / "open" / "run-001").journal, "open")


def test_a_resumed_search_has_the_trials_and_values_of_an_undisturbed_one(
    studies: tuple[Any, Any],
) -> None:
    first, second = (
        [(t.params, t.state, t.values) for t in journal(study).trials if t.state.is_finished()]
        for study in studies
    )
    complete = [
        [trial for trial in trials if trial[1] is not TrialState.FAIL]
        for trials in (first, second)
    ]
    assert complete[0] == complete[1]
    assert len(complete[0]) == 8
    assert {state for _, state, _ in first} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(0.25 <= params["mixing_ratio"] <= 0.75 for params, _, _ in first), "its own width"
    assert {params["encoder.pooling"] for params, _, _ in first} <= {"mean", "cls", "mean+cls"}


def test_optuna_knows_the_names_of_objectives_and_trials(studies: tuple[Any, Any]) -> None:
    study = journal(studies[0])
    assert study.metric_names == ["dev/map_mean", "dev/rank_distance"]
    assert [way.name for way in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.trials[3].user_attrs["trial"] == "search-003"


def test_each_trial_of_the_front_is_excelled_by_none(studies: tuple[Any, Any]) -> None:
    study = journal(studies[0])
    values = [trial.values for trial in study.get_trials(states=(TrialState.COMPLETE,))]
    front = [trial.values for trial in pareto_front(study)]
    excelled = [v for v in values if any(o[0] >= v[0] and o[1] <= v[1] and o != v for o in values)]
    assert sorted(front) == sorted(v for v in values if v not in excelled)
    assert "Pareto front" in studies[0].output


def test_the_report_and_mlflow_have_the_searched_settings(studies: tuple[Any, Any]) -> None:
    folder: Path = studies[0].folder
    report = folder / "results" / "open" / "run-001" / "report"
    trials = pd.read_csv(report / "tables" / "trials.csv")
    searched = trials[trials["trial"].str.startswith("search-")]
    assert set(searched["encoder.pooling"]) <= {"mean", "cls", "mean+cls"}
    assert searched["learning_rate"].nunique() == 8
    page = (report / "report.html").read_text()
    assert walls(page) == []
    assert len(first_screen(page).split()) <= 70
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'hybridir'")
    runs = client.search_runs([experiment.experiment_id])
    assert sum("encoder.pooling" in run.data.params for run in runs) == len(trials)
