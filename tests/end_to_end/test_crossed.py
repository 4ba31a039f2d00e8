"""A crossed confirmation at the best values of each ratio, killed midway and resumed."""

import json
import math
import os
import subprocess
import sys
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.encoder.third_party import resolve
from tune.folders import RunFolder
from tune.study.file import read_study_file
from tune.study.planned import planned_trial, trial_file

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("study")]

RATIOS, TEMPERATURES, BUDGETS, SEEDS = (0.0, 0.5, 1.0), (0.02, 0.05), (64, 128), 3
STUDY = """
name: crossed
train: {synthetic: {languages: 2, seed: 20, entities: 30}}
report_on: [synthetic-test]
encoder: {from_scratch: {layers: 1, hidden_size: 16, intermediate_size: 32, heads: 1,
                         vocabulary: 400}}
batch: {batch_size: 16}
training: {pairs: 64, checkpoint_every: 2}
space: {mixing_ratio: {uniform: [0, 1], points: 3}, learning_rate: {choice: [1.0e-3, 1.0e-2]}}
search: {sampler: grid, seeds: 2}
confirm: {mixing_ratio: [0, 0.5, 1], temperature: [0.02, 0.05], pairs: [64, 128], seeds: 3,
          at: best_per_ratio}
primary: [{measure: map}, {measure: f1, setting: monolingual}]
"""


def recorded(config: TrialConfig) -> dict[str, Any]:
    """The configuration as a trial records it, with what its encoder's folder decides."""
    return config.model_copy(update={"encoder": resolve(config.encoder)}).model_dump(mode="json")


def repeatable(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in names.UNREPEATABLE}


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory, start_study: Any) -> Any:
    """The study, killed after ten trials of the confirmation, and resumed."""
    folder = tmp_path_factory.mktemp("crossed")
    (folder / "crossed.yaml").write_text(STUDY)
    run = RunFolder(folder / "results" / "crossed" / "run-001")
    first = start_study(folder, "crossed.yaml")
    first.until(lambda: len(list((run.path / "trials").glob("confirm-*/outcome.json"))) >= 10)
    first.kill()
    ended = {trial.name: trial.ended for trial in run.trials() if trial.outcome}
    assert 10 <= sum(name.startswith("confirm") for name in ended) < 36
    second = start_study(folder, "--resume", "crossed")
    assert second.finish() == 0, second.output
    second.ended_before, second.run = ended, run
    return second


def test_every_condition_is_trained_once_with_its_settings_and_the_seeds_of_all(
    resumed: Any,
) -> None:
    trials = {trial.name: trial for trial in resumed.run.trials() if trial.phase == "confirm"}
    expected = {
        f"confirm-a{ratio:g}-temperature{temperature}-pairs{pairs}-s{seed}": (
            ratio, temperature, pairs, seed,
        )
        for ratio, temperature, pairs, seed in product(
            RATIOS, TEMPERATURES, BUDGETS, range(SEEDS)
        )
    }  # fmt: skip
    assert trials.keys() == expected.keys()
    seeds = defaultdict(set)
    for name, (ratio, temperature, pairs, seed) in expected.items():
        config = trials[name].read("config.json")
        assert config["batch"]["mixing_ratio"] == ratio
        assert config["training"]["temperature"] == temperature
        assert config["training"]["pairs"] == pairs
        assert trials[name].outcome.state == names.COMPLETE
        seeds[seed].add(config["seed"])
        if name in resumed.ended_before:
            assert trials[name].ended == resumed.ended_before[name], "repeated"
    assert [len(of_index) for of_index in seeds.values()] == [1, 1, 1]
    assert len(set.union(*seeds.values())) == 3


def test_each_ratio_has_the_values_with_the_highest_mean_over_the_seeds_of_the_search(
    resumed: Any,
) -> None:
    scores = defaultdict(list)
    for trial in resumed.run.trials():
        config = trial.read("config.json")
        point = (config["batch"]["mixing_ratio"], config["training"]["learning_rate"])
        if trial.phase == "search":
            scores[point].append(trial.outcome.metrics["dev/map_mean"])
    assert [len(values) for values in scores.values()] == [2] * 6
    for trial in resumed.run.trials():
        config = trial.read("config.json")
        ratio = config["batch"]["mixing_ratio"]
        best = max((1e-3, 1e-2), key=lambda rate: math.fsum(scores[ratio, rate]))
        if trial.phase == "confirm":
            assert config["training"]["learning_rate"] == best


def test_the_report_tells_how_the_gain_changes_with_intervals(resumed: Any) -> None:
    tables = resumed.run.report / "tables"
    changes = pd.read_csv(tables / "interactions-synthetic-test.csv")
    rows = changes[(changes["measure"] == "ap") & (changes["setting"] == "multilingual")]
    compared = set(zip(rows["parameter"], rows["first"], rows["second"], strict=True))
    assert compared == {("temperature", 0.02, 0.05), ("pairs", 64, 128)}
    assert (rows["low"] <= rows["estimate"]).all()
    assert (rows["estimate"] <= rows["high"]).all()
    assert (rows["n_seeds"] == SEEDS).all()
    # The gain at a level is the difference of means over its conditions.
    scores = pd.read_parquet(resumed.run.report / "scores.parquet")
    scores = scores[(scores["measure"] == "ap") & (scores["setting"] == "multilingual")]
    cells = scores.groupby(["pairs", "mixing_ratio", "query_language"], observed=True)["value"]
    means = cells.mean().groupby(["pairs", "mixing_ratio"]).mean()
    row = rows[(rows["parameter"] == "pairs") & (rows["pure"] == 0)].iloc[0]
    assert row["gain_first"] == pytest.approx(means[64, row["hybrid"]] - means[64, 0.0])
    assert row["gain_second"] == pytest.approx(means[128, row["hybrid"]] - means[128, 0.0])
    page = (resumed.run.report / "report.html").read_text()
    assert "averaged over" in page
    assert "Does the answer change with temperature and" in page


def test_the_search_trials_are_those_that_are_known_beforehand(resumed: Any) -> None:
    study = read_study_file(resumed.folder / "crossed.yaml", [])
    searched = [trial for trial in resumed.run.trials() if trial.phase == "search"]
    assert len(searched) == 12
    for trial in searched:
        config = json.loads((trial.path / names.ARTIFACT_CONFIG).read_text())
        assert recorded(planned_trial(study, trial.name)) == config


def test_mlflow_has_each_trial_once_with_its_condition_and_the_study_with_its_design(
    resumed: Any,
) -> None:
    client = MlflowClient(f"sqlite:///{resumed.folder / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    runs = client.search_runs([experiment.experiment_id])
    (study,) = [run for run in runs if names.TAG_PARENT not in run.data.tags]
    params = study.data.params
    assert params["confirm_at"] == "best_per_ratio"
    assert params["confirm_levels"] == "temperature=0.02,0.05 pairs=64,128"
    assert params["search_seeds"] == "2"
    assert params["primary"] == "map multilingual, set_f1 monolingual"
    confirmed = [run for run in runs if run.data.tags.get(names.TAG_PHASE) == "confirm"]
    columns = ("mixing_ratio", "temperature", "pairs")
    conditions = [tuple(float(run.data.params[name]) for name in columns) for run in confirmed]
    assert sorted(conditions) == sorted([*product(RATIOS, TEMPERATURES, BUDGETS)] * SEEDS)
    assert {run.data.params["batch_size"] for run in confirmed} == {"16"}
    curves = {name for name in study.data.metrics if name.startswith("curve/synthetic-test/map_m")}
    assert curves == {
        f"curve/synthetic-test/map_{setting}/temperature{temperature}-pairs{pairs}"
        for setting in ("monolingual", "multilingual")
        for temperature, pairs in product(TEMPERATURES, BUDGETS)
    }


def test_one_encoder_remains_the_best_of_the_first_seed_on_development_data(resumed: Any) -> None:
    scores = {
        trial.name: trial.outcome.metrics["dev/map_mean"]
        for trial in resumed.run.trials()
        if trial.phase == "confirm" and trial.name.endswith("-s0")
    }
    (encoder,) = (resumed.run.path / "trials").glob("*/encoder")
    assert scores[encoder.parent.name] == max(scores.values())
    assert json.loads((encoder / "config.json").read_text())["hidden_size"] == 16


def test_each_ratio_is_trained_at_the_point_that_is_listed_for_it(
    tmp_path: Path, start_study: Any
) -> None:
    content = yaml.safe_load(STUDY)
    del content["space"], content["search"], content["primary"]
    points = {0.0: (0.02, 8), 0.5: (0.05, 16), 1.0: (0.1, 8)}
    at = [
        {names.MIXING_RATIO: ratio, names.TEMPERATURE: temperature, names.BATCH_SIZE: size}
        for ratio, (temperature, size) in points.items()
    ]
    content["confirm"] = {"mixing_ratio": list(points), "at": at, "seeds": 2}
    content |= {"name": "listed", "baselines": ["x-x"]}
    (tmp_path / "listed.yaml").write_text(yaml.safe_dump(content))
    study = start_study(tmp_path, "listed.yaml")
    assert study.finish() == 0, study.output
    assert "at the values of each ratio" in study.output
    run = RunFolder(tmp_path / "results" / "listed" / "run-001")
    configs = {
        trial.name: json.loads((trial.path / names.ARTIFACT_CONFIG).read_text())
        for trial in run.trials()
    }
    assert {
        name: (
            config["batch"]["mixing_ratio"],
            (config["training"]["temperature"], config["batch"]["batch_size"]),
        )
        for name, config in configs.items()
        if name.startswith("confirm")
    } == {
        f"confirm-a{ratio:g}-s{seed}": (ratio, point)
        for ratio, point in points.items()
        for seed in range(2)
    }
    planned = read_study_file(tmp_path / "listed.yaml", [])
    assert configs == {name: recorded(planned_trial(planned, name)) for name in configs}
    # A trial alone, in another folder, has the figures of the study's.
    name = "confirm-a0.5-s1"
    (tmp_path / "trial.yaml").write_text(trial_file(planned, name, planned_trial(planned, name)))
    subprocess.run(
        [sys.executable, "-m", "hybridir", "train", "trial.yaml", "alone"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    alone = json.loads((tmp_path / "alone" / names.ARTIFACT_RESULT).read_text())
    outcome = run.trial(name).outcome
    assert outcome is not None
    assert repeatable(alone) == repeatable(outcome.metrics)
    # A baseline without a ratio of the design has the study's own values.
    own = configs["baseline-x-x-s0"]
    assert (own["training"]["temperature"], own["batch"]["batch_size"]) == (0.05, 16)
    scores = pd.read_parquet(run.report / "scores.parquet")
    trained = scores[["mixing_ratio", "temperature", "batch_size"]].drop_duplicates()
    assert {row[0]: row[1:] for row in trained.itertuples(index=False, name=None)} == points
