from analysis.figures.search_trials import _get_search_trials_info, plot_search_trials
from analysis.study.mlflow import Study


def test_pain_23_only_complete_search_trials_are_shown(study: Study) -> None:
    info = _get_search_trials_info(study.trials, "dev/map_mean")
    assert info.trials["trial"].tolist() == ["search-000", "search-002"]
    assert info.trials["objective"].tolist() == [0.3, 0.5]
    assert info.trials["batch_size"].tolist() == [16, 64]
    assert info.trials["best"].tolist() == [False, True]


def test_study_without_the_objective_has_no_figure(study: Study) -> None:
    assert plot_search_trials(study.trials, "dev/something_else") is None


def test_where_no_ratio_was_searched_batch_sizes_lie_side_by_side(study: Study) -> None:
    searched = plot_search_trials(study.trials, "dev/map_mean")
    one_ratio = plot_search_trials(study.trials.assign(mixing_ratio=0.6), "dev/map_mean")
    assert searched and one_ratio
    assert [
        chart.to_dict()["layer"][0]["encoding"]["x"]["field"] for chart in (searched, one_ratio)
    ] == ["mixing_ratio", "batch_size"]
