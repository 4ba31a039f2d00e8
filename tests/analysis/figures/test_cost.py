from analysis.figures.cost import _get_cost_info, plot_cost
from analysis.study.mlflow import Study
from hybridir import names


def test_every_timed_trial_has_both_stages_in_the_order_of_the_trials(study: Study) -> None:
    info = _get_cost_info(study.trials)
    assert info.order == study.trials["trial"].tolist()
    seconds = info.seconds.set_index(["trial", "stage"])["seconds"]
    assert len(seconds) == 2 * 13
    assert seconds["confirm-a0-s3", "training"] == 23
    assert seconds["confirm-a0-s3", "evaluation"] == 4
    assert len(info.speed) == 9


def test_trials_without_times_have_no_figure(study: Study) -> None:
    untimed = study.trials.drop(columns=[names.TRAIN_SECONDS, names.EVALUATION_SECONDS])
    assert plot_cost(untimed) is None
