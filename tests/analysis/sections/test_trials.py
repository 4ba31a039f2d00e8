"""The section on the search: its history, slices, the effect of a categorical, and the front."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures.search_front import front_table
from analysis.figures.search_history import _get_search_history_info, search_trials
from analysis.figures.search_slices import _get_search_slices_info, varied_parameters
from analysis.sections.trials import search_section, trials_section
from analysis.study.mlflow import Study

TWO = "search: {objective: [dev/map_mean, dev/rank_distance]}\n"


@pytest.fixture
def two(study: Study) -> Study:
    """Search trials with a categorical parameter and a second objective, lower is better.

    mAP: .3, .4 (pruned), .5, and a failed trial.
    """
    trials = study.trials.copy()
    searched = trials["trial"].str.startswith("search")
    trials.loc[searched, "encoder.pooling"] = ["mean", "cls", "cls", "mean"]
    trials.loc[searched, "dev/rank_distance"] = [9.0, 20.0, 30.0, float("nan")]
    parameters = (*study.parameters, "encoder.pooling")
    return replace(study, trials=trials, parameters=parameters, text=TWO)


def test_the_history_has_pruned_and_failed_trials_apart_and_the_best_so_far(two: Study) -> None:
    trials = search_trials(two.trials)
    maps, ranks = _get_search_history_info(trials, ["dev/map_mean", "dev/rank_distance"]).panels
    assert maps.trials["outcome"].tolist() == ["complete", "pruned", "complete", "failed"]
    assert maps.trials["value"].iloc[-1] == maps.ticks[0], "a failed trial lies at the foot"
    assert maps.best["value"].tolist() == [0.3, 0.5], "a pruned trial is never the best"
    assert ranks.best["value"].tolist() == [9.0, 9.0], "lower is better"
    assert ranks.ticks[0] >= 0


def test_every_searched_parameter_has_a_slice_and_a_categorical_its_effect(two: Study) -> None:
    trials = search_trials(two.trials)
    names = varied_parameters(trials, two.parameters)
    assert names == ["batch_size", "mixing_ratio", "encoder.pooling"], "the temperature is one"
    info = _get_search_slices_info(trials, dict.fromkeys(names, False), "dev/map_mean")
    numbers, _, pooling = info.slices
    assert numbers.levels == []
    assert pooling.levels == ["cls", "mean"]
    # of the complete trials alone: .5 with cls, .3 with mean
    assert dict(zip(pooling.means["x"], pooling.means["value"], strict=True)) == {
        "cls": 0.5,
        "mean": 0.3,
    }


def test_an_axis_is_logarithmic_where_the_search_drew_so_and_nowhere_else(two: Study) -> None:
    space = "space: {mixing_ratio: {uniform: [0, 1]}, training.temperature: {loguniform: [1, 2]}}"
    ratios, temperatures = [0.05, 0.4, 0.7, 0.95], [0.3, 0.4, 0.5, 0.6]
    trials = two.trials.copy()
    searched = trials["trial"].str.startswith("search")
    trials.loc[searched, ["mixing_ratio", "temperature"]] = list(
        zip(ratios, temperatures, strict=True)
    )
    section = search_section(replace(two, trials=trials, text=TWO + space))
    (slices,) = [f for f in section.figures if f.name == "search_slices-map_mean"]
    axes = [panel["layer"][0]["encoding"]["x"] for panel in slices.plot().to_dict()["concat"]]
    scales = {axis["title"]: axis.get("scale", {}) for axis in axes}
    assert scales["temperature (log scale)"]["type"] == "log", "though the values are near"
    assert "type" not in scales["mixing ratio α"], "though they reach from .05 to .95"


def test_the_front_of_two_objectives_leaves_out_what_is_beaten_in_both(two: Study) -> None:
    objectives = ["dev/map_mean", "dev/rank_distance"]
    table = front_table(search_trials(two.trials), objectives)
    assert table["trial"].tolist() == ["search-000", "search-002"]
    assert table["front"].tolist() == ["yes", "yes"], "better in one, worse in the other"
    worse = search_trials(two.trials.assign(**{"dev/rank_distance": 9.0}))
    assert front_table(worse, objectives)["front"].tolist() == ["no", "yes"]


def test_the_section_has_all_figures_and_each_can_be_drawn(two: Study) -> None:
    shown = [
        "search_history",
        "search_front",
        "search_slices-map_mean",
        "search_slices-rank_distance",
    ]
    section = search_section(two)
    assert [figure.name for figure in section.figures] == shown, "the temperature is one"
    assert [table.name for table in section.tables] == ["search_front"]
    assert "not evidence about the mixing ratio" in section.paragraphs[0]
    varied = two.trials.assign(temperature=np.geomspace(0.01, 0.1, len(two.trials)))
    figures = search_section(replace(two, trials=varied)).figures
    assert [figure.name for figure in figures] == [*shown, "search_trials"]
    assert all(figure.plot().to_dict() for figure in figures)


def test_the_time_of_a_trial_leaves_out_its_interruption(study: Study) -> None:
    trials = study.trials.copy()
    trials["seconds"] = 3600.0  # from its start to its end
    trials["train/seconds"] = [40.0] + [float("nan")] * (len(trials) - 1)
    trials["evaluation/seconds"] = [2.5] + [float("nan")] * (len(trials) - 1)
    table = trials_section(replace(study, trials=trials)).tables[0]
    assert table.data["duration"].tolist() == [42.5] + [3600.0] * (len(trials) - 1)
    assert table.columns["duration"] == "work, s"
