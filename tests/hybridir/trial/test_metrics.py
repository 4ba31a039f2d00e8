import pytest

from hybridir import names
from hybridir.trial.metrics import headline_metrics

MEASURED = (
    *(f"map_{setting}" for setting in (*names.SETTINGS, "mean")),
    *("ndcg_at_10_multilingual", "recall_at_10_multilingual", "set_f1_multilingual"),
    *(f"answer_f1_{setting}" for setting in names.SETTINGS),
    *names.BIAS_MEASURES,
)
SUMMARY = {f"b/{name}": float(number) for number, name in enumerate(MEASURED)}
# Other metrics of a trial: its training, its memory, and mAP of the development benchmark.
OTHER_METRICS = 12


@pytest.mark.parametrize("reported", [1, 2, 3])
def test_a_trial_has_at_most_30_metrics_however_many_benchmarks_there_are(reported: int) -> None:
    metrics = headline_metrics(SUMMARY, "b", reported)
    assert OTHER_METRICS + reported * len(metrics) <= 30 or reported > 2
    assert {f"b/map_{setting}" for setting in names.SETTINGS} <= metrics.keys()
    assert "b/rank_distance" in metrics
    assert all(SUMMARY[name] == value for name, value in metrics.items())


def test_a_single_benchmark_leaves_out_some_measures_of_bias_and_two_uncommon_figures() -> None:
    shown_of_one, shown_of_two = (headline_metrics(SUMMARY, "b", n).keys() for n in (1, 2))
    bias_of_two = {"b/rank_distance", "b/rank_distance_seen", "b/top1_own_language"}
    bias_of_one = {*bias_of_two, "b/max_at_r", "b/language_preference", "b/rank_correlation"}
    bias = {f"b/{measure}" for measure in names.BIAS_MEASURES}
    assert shown_of_one == SUMMARY.keys() - bias | bias_of_one
    assert shown_of_one - shown_of_two == {
        *("b/set_f1_multilingual", *(f"b/answer_f1_{setting}" for setting in names.SETTINGS)),
        *(bias_of_one - bias_of_two),
    }


def test_of_the_development_benchmark_map_is_shown() -> None:
    dev = {name.replace("b/", "dev/"): value for name, value in SUMMARY.items()}
    assert headline_metrics(dev, "dev", 0).keys() == {
        f"dev/map_{setting}" for setting in (*names.SETTINGS, "mean")
    }
