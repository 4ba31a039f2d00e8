from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hybridir import names
from hybridir.errors import InputError
from tune.driver.callback import settle
from tune.folders import Outcome, RunFolder
from tune.searching.searcher import (
    TruthfulSearcher,
    best_trial,
    final_state,
    open_study,
    own_trials,
    pareto_front,
    start_study,
)
from tune.space.ranges import Range, Space
from tune.space.samplers import Sampler, make_sampler

OBJECTIVE = "dev/map_mean"
SPACE: Space = {
    "mixing_ratio": Range(uniform=(0.0, 1.0), points=4),
    "batch_size": Range(choice=(16, 32, 64)),
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run-001")


def make(
    folder: RunFolder,
    trials: int = 5,
    sampler: Sampler = "random",
    objectives: tuple[str, ...] = (OBJECTIVE,),
    concurrent: int = 0,
) -> TruthfulSearcher:
    return TruthfulSearcher(
        start_study(folder.journal, "s", objectives, SPACE),
        SPACE,
        objectives,
        trials,
        sampler=lambda number: make_sampler(
            sampler, SPACE, seed=7, number=number, startup_trials=2
        ),
        folder=lambda number: folder.trial(f"search-{number:03d}"),
        make_spec=lambda number, parameters: {"number": number, **parameters},
        settle=partial(settle, objectives=objectives),
        concurrent=concurrent,
    )


@pytest.fixture
def search(folder: RunFolder) -> Callable[..., TruthfulSearcher]:
    return partial(make, folder)


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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_trial_without_a_finite_objective_is_fail_here_and_there(
    folder: RunFolder, search: Callable[..., TruthfulSearcher], value: float | None
) -> None:
    searcher = search()
    searcher.suggest("x")
    last = result(100, 0.0) | {OBJECTIVE: value}
    if value is None:
        del last[OBJECTIVE]
    searcher.on_trial_result("x", last)
    searcher.on_trial_complete("x", last)
    assert states(folder) == ["FAIL"]
    outcome = folder.trial("search-000").outcome
    assert outcome is not None
    assert outcome.state == names.FAIL
    said = f"{OBJECTIVE} was not measured" if value is None else f"{OBJECTIVE} is {value}"
    assert outcome.reason == said


def test_optuna_is_told_why_a_trial_failed(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    searcher = search()
    searcher.suggest("x")
    searcher.on_trial_complete("x", error=True)
    (trial,) = open_study(folder.journal, "s").trials
    assert trial.user_attrs["reason"] == "the worker process died"


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "nsga-ii", "quasi-random", "grid"])
def test_proposals_after_an_interruption_are_those_of_an_undisturbed_search(
    tmp_path: Path, sampler: Sampler
) -> None:
    def proposals(folder: RunFolder, interruptions: int) -> list[dict[str, Any]]:
        found = []
        for number in range(5):
            if number == 0 or interruptions:
                searcher = make(folder, sampler=sampler)
            proposed = searcher.suggest("x")
            assert proposed is not None
            found.append(proposed)
            searcher.on_trial_complete("x", result(100, found[-1]["mixing_ratio"]))
            if interruptions:
                # Killed while it proposed: the trial has a parameter, but no number yet.
                cut_off = open_study(folder.journal, "s").ask()
                cut_off.suggest_float("mixing_ratio", 0.0, 1.0)
        return found

    undisturbed = proposals(RunFolder(tmp_path / "a"), 0)
    assert proposals(RunFolder(tmp_path / "b"), 1) == undisturbed
    assert [proposal.pop("number") for proposal in undisturbed] == list(range(5))
    # A genetic sampler may repeat a parent.
    assert len({tuple(proposal.values()) for proposal in undisturbed}) >= 4
    if sampler != "nsga-ii":
        assert len({proposal["batch_size"] for proposal in undisturbed}) > 1


def test_a_trial_that_was_cut_off_while_proposed_is_fail_and_does_not_count(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    search().suggest("x")
    open_study(folder.journal, "s").ask()
    resumed = search()
    assert resumed.remaining == 5
    assert states(folder) == ["RUNNING", "FAIL"]
    assert [(resumed.suggest(trial) or {})["number"] for trial in ("y", "z")] == [0, 1]
    assert list(own_trials(open_study(folder.journal, "s"))) == [0, 1]


def test_imported_trials_shift_no_number_and_count_for_nothing(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    study = start_study(folder.journal, "s", [OBJECTIVE], SPACE)
    study.add_trial(create_trial(value=0.9))
    searcher = search()
    assert searcher.remaining == 5
    proposed = searcher.suggest("x")
    assert proposed is not None
    assert proposed["number"] == 0
    searcher.on_trial_result("x", result(50, 0.2))
    assert searcher.own_values("x") == {50: 0.2}
    searcher.on_trial_complete("x", result(100, 0.3))
    assert [trial.value for trial in open_study(folder.journal, "s").trials] == [0.9, 0.3]


def test_no_more_are_proposed_than_can_run_and_the_next_when_one_ends(
    search: Callable[..., TruthfulSearcher],
) -> None:
    searcher = search(concurrent=2)
    assert searcher.suggest("a") is not None
    assert searcher.suggest("b") is not None
    assert searcher.suggest("c") is None
    searcher.on_trial_complete("a", error=True)
    proposed = searcher.suggest("c")
    assert proposed is not None
    assert proposed["number"] == 2


def test_several_objectives_are_told_together_without_intermediate_values(
    folder: RunFolder, search: Callable[..., TruthfulSearcher]
) -> None:
    searcher = search(objectives=("dev/a", "dev/b"))
    searcher.suggest("x")
    last = {"dev/a": 0.2, "dev/b": 0.7, names.FIDELITY: 1.0, "budget_percent": 100}
    searcher.on_trial_result("x", last)
    searcher.on_trial_complete("x", last)
    searcher.suggest("y")
    searcher.on_trial_complete("y", last | {"dev/b": float("nan")})
    complete, failed = open_study(folder.journal, "s").trials
    assert complete.values == [0.2, 0.7]
    assert complete.intermediate_values == {}
    assert failed.state is TrialState.FAIL
    assert failed.user_attrs["reason"] == "dev/b is nan"


@pytest.mark.parametrize(
    ("objectives", "space", "said"),
    [
        ([OBJECTIVE], {"dropout": Range(uniform=(0, 0.1))}, "another space"),
        (["dev/map_monolingual"], SPACE, "another objective"),
        ([OBJECTIVE, "dev/map_monolingual"], SPACE, "another objective"),
    ],
)
def test_pain_25_a_journal_of_another_search_is_refused_with_what_to_do(
    folder: RunFolder,
    search: Callable[..., TruthfulSearcher],
    objectives: list[str],
    space: Space,
    said: str,
) -> None:
    search().suggest("x")
    with pytest.raises(InputError, match=said) as caught:
        start_study(folder.journal, "s", objectives, space)
    assert "search.warm_start=s" in str(caught.value)
    assert len(start_study(folder.journal, "s", [OBJECTIVE], SPACE).trials) == 1


def test_pain_17_the_best_trial_is_the_best_complete_one_and_the_earliest_of_equals() -> None:
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


# Neither of the first two excels the other, the third is worse than both, the last equals one.
POINTS = [(0.2, 0.9), (0.6, 0.6), (0.1, 0.5), (0.6, 0.6)]


def several() -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "maximize"])
    for values in POINTS:
        study.add_trial(create_trial(values=values))
    study.add_trial(create_trial(state=TrialState.FAIL))
    return study


def test_the_front_holds_what_no_other_trial_excels_in_all_objectives() -> None:
    assert [trial.number for trial in pareto_front(several())] == [0, 1, 3]


def test_of_several_objectives_the_best_has_the_highest_mean_and_is_the_earliest() -> None:
    best = best_trial(several())
    assert best is not None
    assert best.number == 1  # means 0.55, 0.6, 0.3, 0.6
