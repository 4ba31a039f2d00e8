import numpy as np
import pandas as pd
import pytest

from analysis.figures.search_trials import _get_search_trials_info, plot_search_trials
from analysis.study.mlflow import Study


@pytest.fixture
def trials(study: Study) -> pd.DataFrame:
    """The study's trials, each at a temperature of its own."""
    return study.trials.assign(temperature=np.geomspace(0.01, 0.1, len(study.trials)))


def test_pain_23_only_complete_search_trials_are_shown(trials: pd.DataFrame) -> None:
    info = _get_search_trials_info(trials, "dev/map_mean")
    assert info.trials["trial"].tolist() == ["search-000", "search-002"]
    assert info.trials["objective"].tolist() == [0.3, 0.5]
    assert info.trials["batch_size"].tolist() == [16, 64]
    assert info.trials["best"].tolist() == [False, True]


def test_study_without_the_objective_has_no_figure(trials: pd.DataFrame) -> None:
    assert plot_search_trials(trials, "dev/something_else") is None


def test_where_no_ratio_was_searched_batch_sizes_lie_side_by_side(trials: pd.DataFrame) -> None:
    searched = plot_search_trials(trials, "dev/map_mean")
    one_ratio = plot_search_trials(trials.assign(mixing_ratio=0.6), "dev/map_mean")
    assert searched and one_ratio
    assert [
        chart.to_dict()["layer"][0]["encoding"]["x"]["field"] for chart in (searched, one_ratio)
    ] == ["mixing_ratio", "batch_size"]


def test_the_best_trial_of_an_objective_that_is_minimised_is_the_lowest(
    trials: pd.DataFrame,
) -> None:
    distances = trials.rename(columns={"dev/map_mean": "dev/rank_distance"})
    info = _get_search_trials_info(distances, "dev/rank_distance")
    assert info.trials["objective"].tolist() == [0.3, 0.5]
    assert info.trials["best"].tolist() == [True, False]


def test_what_the_slices_show_already_has_no_figure(trials: pd.DataFrame) -> None:
    at_one_temperature = trials.assign(temperature=0.05)
    assert plot_search_trials(at_one_temperature, "dev/map_mean") is None
    temperature_alone = trials.assign(mixing_ratio=0.6, batch_size=64)
    assert plot_search_trials(temperature_alone, "dev/map_mean") is None
