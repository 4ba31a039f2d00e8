import dataclasses

import numpy as np
import pandas as pd
import pytest

from analysis.study.arrays import Key
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import names
from hybridir.inference.scores import Scores


def test_curve_holds_the_known_means_and_seed_deviations(curve: pd.DataFrame) -> None:
    rows = curve.set_index(["measure", "setting", names.MIXING_RATIO])
    key = (names.AP, names.CROSSLINGUAL, 0.5)
    assert rows["mean"][key] == pytest.approx(0.48)
    assert rows["sd_seeds"][key] == pytest.approx(0.01)  # of -.01, 0, .01 with n - 1
    assert (rows["n_seeds"][key], rows["n_questions"][key]) == (3, 12)
    assert rows["low"][key] < rows["mean"][key] < rows["high"][key]
    assert rows["mean"][names.RANK_DISTANCE, names.MULTILINGUAL, 1.0] == pytest.approx(200)
    assert rows["mean"][names.TOP1_OWN_LANGUAGE, names.MULTILINGUAL, 0.5] == 9 / 12


def test_seed_table_holds_every_trial_once(scores: dict[Key, Scores]) -> None:
    seeds = confirmed.seed_table(scores)
    maps = seeds[(seeds["measure"] == names.AP) & (seeds["setting"] == names.MONOLINGUAL)]
    values = maps.set_index([names.MIXING_RATIO, names.SEED])["value"]
    assert len(values) == 9
    assert values[0.0, 1] == pytest.approx(0.60 - 0.01)


def test_curve_holds_the_loss_of_each_ratio_against_the_best(curve: pd.DataFrame) -> None:
    rows = curve[(curve["measure"] == names.AP) & (curve["setting"] == names.MULTILINGUAL)]
    assert rows["loss"].tolist() == pytest.approx([0.05, 0, 0.15])
    assert rows["may_be_best"].tolist() == [False, True, False]
    assert (rows["loss_at_most"] >= rows["loss"] - 1e-12).all()


def test_language_pairs_of_one_language_are_monolingual(scores: dict[Key, Scores]) -> None:
    table = confirmed.language_table(scores)
    pairs = [names.MIXING_RATIO, names.QUERY_LANGUAGE, names.POOL_LANGUAGE]
    values = table.set_index(pairs)["map"]
    assert len(values) == 3 * 9
    assert values[1.0, "de", "de"] == pytest.approx(0.75)
    assert values[1.0, "de", "en"] == pytest.approx(0.20)


def test_costs_are_summed_by_phase(study: Study) -> None:
    cost = confirmed.cost_table(study).set_index("phase")
    # confirmation: three ratios of 21, 22 and 23 seconds; search: four of 10
    assert cost.loc["confirm", "training_minutes"] == pytest.approx(3 * (21 + 22 + 23) / 60)
    assert cost.loc["total", "training_minutes"] == pytest.approx((198 + 40) / 60)
    assert cost.loc["confirm", "pairs_per_second"] == 1020
    assert cost.loc["total", "peak_memory_mb"] == 503
    assert cost["trials"].to_dict() == {"search": 4, "confirm": 9, "total": 13}


def test_reported_benchmarks_leave_out_the_development_split(study: Study) -> None:
    both = study.trials.assign(**{"dev/map_multilingual": 0.5})
    metrics = (*study.metrics, "dev/map_multilingual")
    changed = dataclasses.replace(study, trials=both, metrics=metrics)
    assert confirmed.reported_benchmarks(changed) == ["known"]


def test_development_split_is_reported_if_there_is_no_other_benchmark(study: Study) -> None:
    renamed = study.trials.rename(columns={"known/map_multilingual": "dev/map_multilingual"})
    changed = dataclasses.replace(study, trials=renamed, metrics=("dev/map_multilingual",))
    assert confirmed.reported_benchmarks(changed) == [names.DEV]


def test_confirmation_at_a_lower_fidelity_is_left_out(study: Study) -> None:
    trials = study.trials.copy()
    trials.loc[trials["trial"] == "confirm-a0-s1", names.FIDELITY] = 0.5
    rows = confirmed.confirmed_trials(dataclasses.replace(study, trials=trials))
    assert len(rows) == 8
    assert "confirm-a0-s1" not in set(rows["trial"])


def test_cost_of_a_study_that_measured_no_speed_is_missing_not_zero(study: Study) -> None:
    bare = study.trials.drop(columns=[names.TRAIN_PAIRS_PER_SECOND])
    cost = confirmed.cost_table(dataclasses.replace(study, trials=bare))
    assert np.isnan(cost["pairs_per_second"]).all()
