import pytest

from hybridir import names
from hybridir.evaluation.summary import COMPARISONS
from hybridir.trial.metrics import headline_metrics

MEASURED = (
    *(f"map_{setting}" for setting in (*names.SETTINGS, "mean")),
    *(f"set_f1_{setting}" for setting in names.SETTINGS),
    *("ndcg_at_10_multilingual", "recall_at_10_multilingual"),
    *("answer_f1_monolingual", "answer_f1_crosslingual"),
    *("reader_f1_monolingual", "reader_f1_multilingual"),
    *(names.RANK_DISTANCE, names.RANK_DISTANCE_SEEN, names.TOP1_OWN_LANGUAGE),
    *(names.LANGUAGE_PREFERENCE, names.PEER, names.RANK_CORRELATION, *COMPARISONS),
)
SUMMARY = {f"b/{name}": float(number) for number, name in enumerate(MEASURED)}
DEV = {name.replace("b/", "dev/"): value for name, value in SUMMARY.items()}
# Other metrics of a trial: fidelity, five of its training, the evaluation's time, the memory.
OTHER_METRICS = 8


@pytest.mark.parametrize(("reported", "most"), [(1, 45), (2, 45), (3, 48)])
def test_a_trial_has_at_most_45_metrics_and_11_of_each_further_benchmark(
    reported: int, most: int
) -> None:
    metrics = headline_metrics(SUMMARY, "b", reported)
    n_dev = len(headline_metrics(DEV, "dev", 0))
    assert OTHER_METRICS + n_dev + reported * len(metrics) <= most
    for figure in ("map", "set_f1"):
        assert {f"b/{figure}_{setting}" for setting in names.SETTINGS} <= metrics.keys()
    assert {"b/rank_distance", "b/reader_f1_monolingual"} < metrics.keys()
    assert all(SUMMARY[name] == value for name, value in metrics.items())


def test_a_single_benchmark_shows_all_and_two_leave_out_uncommon_figures() -> None:
    assert headline_metrics(SUMMARY, "b", 1) == SUMMARY
    left_out = SUMMARY.keys() - headline_metrics(SUMMARY, "b", 2).keys()
    assert left_out == {
        *("b/answer_f1_monolingual", "b/answer_f1_crosslingual"),
        *("b/language_preference", "b/peer", "b/rank_correlation"),
        *(f"b/{measure}" for measure in COMPARISONS),
    }


def test_of_the_development_benchmark_map_and_f1_at_r_are_shown() -> None:
    assert headline_metrics(DEV, "dev", 0).keys() == {
        *(f"dev/map_{setting}" for setting in (*names.SETTINGS, "mean")),
        *(f"dev/set_f1_{setting}" for setting in names.SETTINGS),
    }
