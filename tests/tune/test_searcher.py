from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from hybridir import names
from tune.callback import settle
from tune.folders import Outcome, RunFolder
from tune.searcher import (
    Sampler,
    TruthfulSearcher,
    best_trial,
    final_state,
    make_sampler,
    open_study,
)

OBJECTIVE = "dev/map_mean"
SPACE = {
    "mixing_ratio": FloatDistribution(0.0, 1.0),
    "batch_size": CategoricalDistribution((16, 32, 64)),
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run-001")


@pytest.fixture
def search(folder: RunFolder) -> Callable[..., TruthfulSearcher]:
    def make(trials: int = 5, sampler: Sampler = "random") -> TruthfulSearcher:
        return TruthfulSearcher(
            open_study(folder.journal, "s"),
            SPACE,
            OBJECTIVE,
            trials,
            sampler=lambda number: make_sampler(sampler, seed=7, number=number, startup_trials=2),
            folder=lambda number: folder.trial(f"search-{number:03d}"),
            make_spec=lambda number, parameters: {"number": number, **parameters},
            settle=settle,
        )

    return make


def result(percent: int, value: float) -> dict[str, Any]:
    return {OBJECTIVE: value, names.FIDELITY: percent / 100, "budget_percent": percent}


def states(folder: RunFolder) -> list[str]:
    return [trial.state.name for trial in open_study(folder.journal, "s").trials]


def test_a_trial_with_its_whole_budget_is_complete_with_its_last_value(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    searcher = search()
    searcher.suggest("x")
    searcher.on_trial_result("x", result(50, 0.2))
    searcher.on_trial_complete("x", result(100, 0.3))
    (trial,) = open_study(folder.journal, "s").trials
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.3)
    assert trial.intermediate_values == {50: 0.2}
    outcome = folder.trial("search-000").outcome
    assert outcome is not None
    assert (outcome.state, outcome.metrics[OBJECTIVE]) == (names.COMPLETE, 0.3)


def test_a_stopped_trial_is_pruned_with_its_value_and_step(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    # Ray tells the searcher nothing of the result that a trial is stopped at, but its end.
    searcher = search()
    searcher.suggest("x")
    searcher.on_trial_complete("x", result(50, 0.2))
    (trial,) = open_study(folder.journal, "s").trials
    assert trial.state is TrialState.PRUNED
    assert trial.intermediate_values == {50: 0.2}


@pytest.mark.parametrize("last", [None, {}, result(50, 0.9)])
def test_a_trial_that_failed_is_fail_whatever_it_reported_before(
    folder: RunFolder, search: Callable[..., TruthfulSearcher], last: dict[str, Any] | None
) -> None:
    searcher = search()
    searcher.suggest("x")
    if last:
        searcher.on_trial_result("x", last)
    searcher.on_trial_complete("x", error=True)
    assert states(folder) == ["FAIL"]


def test_a_trial_that_diverged_is_fail_though_its_worker_ended_without_an_error(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    searcher = search()
    searcher.suggest("x")
    failure = {"reason": "loss nan", "final": True, "host": "node-1", "pid": 1}
    folder.trial("search-000").write("failure.json", failure)
    searcher.on_trial_complete("x", result(50, 0.9))
    assert states(folder) == ["FAIL"]
    outcome = folder.trial("search-000").outcome
    assert outcome is not None
    assert (outcome.reason, outcome.host) == ("loss nan", "node-1")


def test_an_interrupted_trial_is_proposed_again_as_it_was(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    proposed = search().suggest("x")
    resumed = search()
    assert resumed.remaining == 5
    assert resumed.suggest("y") == proposed
    resumed.on_trial_complete("y", result(100, 0.5))
    assert states(folder) == ["COMPLETE"]


def test_a_trial_whose_end_only_its_folder_knows_is_told_to_optuna_on_resume(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    first = search()
    for trial in ("x", "y", "z"):
        first.suggest(trial)
    half = {OBJECTIVE: 0.1, names.FIDELITY: 0.5}
    folder.trial("search-000").settle(Outcome(names.COMPLETE, {OBJECTIVE: 0.4, "fidelity": 1.0}))
    folder.trial("search-001").settle(Outcome(names.PRUNED, half))
    folder.trial("search-002").settle(Outcome(names.FAIL, {}, "loss nan"))
    assert search().remaining == 2
    trials = open_study(folder.journal, "s").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "FAIL"]
    assert trials[0].value == 0.4
    assert trials[1].intermediate_values == {50: 0.1}


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "quasi-random"])
def test_proposals_after_an_interruption_are_those_of_an_undisturbed_search(
    tmp_path: Path, sampler: Sampler
) -> None:
    def proposals(folder: RunFolder, interruptions: int) -> list[dict[str, Any]]:
        found = []
        for number in range(5):
            if number == 0 or interruptions:
                searcher = TruthfulSearcher(
                    open_study(folder.journal, "s"),
                    SPACE,
                    OBJECTIVE,
                    5,
                    sampler=lambda number: make_sampler(
                        sampler, seed=7, number=number, startup_trials=2
                    ),
                    folder=lambda number: folder.trial(f"search-{number:03d}"),
                    make_spec=lambda number, parameters: parameters,
                    settle=settle,
                )
            found.append(searcher.suggest("x"))
            searcher.on_trial_complete("x", result(100, found[-1]["mixing_ratio"]))
        return found

    undisturbed = proposals(RunFolder(tmp_path / "a"), 0)
    assert proposals(RunFolder(tmp_path / "b"), 1) == undisturbed
    assert len({tuple(proposal.values()) for proposal in undisturbed}) == 5
    assert len({proposal["batch_size"] for proposal in undisturbed}) > 1


def test_a_trial_lags_if_it_lies_below_the_median_of_those_before_it(
    search: Callable[..., TruthfulSearcher],
) -> None:
    searcher = search()
    for trial, value in (("a", 0.25), ("b", 0.75)):
        searcher.suggest(trial)
        assert not searcher.lags(trial, result(50, value))
        searcher.on_trial_result(trial, result(50, value))
    searcher.suggest("c")
    # The median of 0.25 and 0.75 is 0.5.
    assert searcher.lags("c", result(50, 0.49))
    assert not searcher.lags("c", result(50, 0.5))


def test_values_of_half_the_budget_are_remembered_over_an_interruption(
    search: Callable[..., TruthfulSearcher],
) -> None:
    first = search()
    first.suggest("a")
    first.on_trial_result("a", result(50, 0.4))
    first.on_trial_complete("a", result(100, 0.5))
    first.suggest("b")
    first.on_trial_result("b", result(50, 0.6))
    resumed = search()
    resumed.suggest("b again")
    assert not resumed.lags("b again", result(50, 0.1)), "it was let through before"
    resumed.suggest("c")
    assert resumed.lags("c", result(50, 0.3))


def test_the_best_trial_is_the_best_complete_one_and_the_earliest_of_equals() -> None:
    study = optuna.create_study(direction="maximize")
    for state, value in (
        (TrialState.COMPLETE, 0.3),
        (TrialState.COMPLETE, 0.5),
        (TrialState.COMPLETE, 0.5),
        (TrialState.PRUNED, 0.9),
        (TrialState.FAIL, None),
    ):
        study.add_trial(create_trial(state=state, value=value))
    best = best_trial(study)
    assert best is not None
    assert best.number == 1


def test_there_is_no_best_trial_where_none_is_complete() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(state=TrialState.PRUNED, value=0.9))
    assert best_trial(study) is None


def test_the_final_state_follows_from_the_share_of_the_budget() -> None:
    assert final_state({"budget_percent": 100}, error=False) == names.COMPLETE
    assert final_state({"budget_percent": 50}, error=False) == names.PRUNED
    assert final_state({}, error=False) == names.FAIL
    assert final_state({"budget_percent": 100}, error=True) == names.FAIL
