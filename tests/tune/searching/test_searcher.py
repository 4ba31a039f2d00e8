import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from hybridir import names
from hybridir.errors import InputError
from tune.folders import Outcome, RunFolder, search_trial
from tune.searching.searcher import (
    JournalSearcher,
    best_point,
    best_trial,
    open_study,
    own_trials,
    pareto_front,
    start_study,
)
from tune.space.ranges import Range, Space
from tune.space.samplers import make_sampler
from tune.space.settings import SearchConfig

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
    sampler: str = "random",
    objectives: tuple[str, ...] = (OBJECTIVE,),
    concurrent: int = 0,
) -> JournalSearcher:
    searcher = JournalSearcher(
        start_study(folder.journal, "s", objectives, SPACE),
        folder,
        SPACE,
        SearchConfig(trials=trials, objective=objectives),
        sampler=lambda number: make_sampler(
            sampler, SPACE, seed=7, number=number, startup_trials=2
        ),
        make_spec=lambda number, parameters: {"number": number, **parameters},
        concurrent=concurrent,
    )
    searcher.recover()
    return searcher


@pytest.fixture
def search(folder: RunFolder) -> Callable[..., JournalSearcher]:
    return partial(make, folder)


def result(percent: int, value: float) -> dict[str, Any]:
    return {OBJECTIVE: value, names.FIDELITY: percent / 100, "budget_percent": percent}


def states(folder: RunFolder) -> list[str]:
    return [trial.state.name for trial in open_study(folder.journal, "s").trials]


def test_a_trial_with_its_whole_budget_is_complete_with_its_last_value(
    folder: RunFolder, search: Callable[..., JournalSearcher]
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
    folder: RunFolder, search: Callable[..., JournalSearcher]
) -> None:
    # Ray passes the result at which it stops a trial to the searcher as the trial's end alone.
    searcher = search()
    searcher.suggest("x")
    searcher.on_trial_complete("x", result(50, 0.2))
    (trial,) = open_study(folder.journal, "s").trials
    assert trial.state is TrialState.PRUNED
    assert trial.intermediate_values == {50: 0.2}


@pytest.mark.parametrize("last", [None, {}, result(50, 0.9)])
def test_a_failed_trial_is_fail_whatever_it_reported_before(
    folder: RunFolder, search: Callable[..., JournalSearcher], last: dict[str, Any] | None
) -> None:
    searcher = search()
    searcher.suggest("x")
    if last:
        searcher.on_trial_result("x", last)
    searcher.on_trial_complete("x", error=True)
    assert states(folder) == ["FAIL"]


def test_a_trial_that_diverged_is_fail_though_its_worker_ended_without_an_error(
    folder: RunFolder, search: Callable[..., JournalSearcher]
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


def test_an_interrupted_trial_is_proposed_again_unchanged(
    folder: RunFolder, search: Callable[..., JournalSearcher]
) -> None:
    proposed = search().suggest("x")
    resumed = search()
    assert resumed.remaining == 5
    assert resumed.suggest("y") == proposed
    resumed.on_trial_complete("y", result(100, 0.5))
    assert states(folder) == ["COMPLETE"]


def test_recovery_tells_optuna_of_trials_whose_end_stands_in_their_folders_alone(
    folder: RunFolder, search: Callable[..., JournalSearcher]
) -> None:
    first = search()
    for trial in ("x", "y", "z"):
        first.suggest(trial)
    half = {OBJECTIVE: 0.1, names.FIDELITY: 0.5}
    folder.trial("search-000").finalize(Outcome(names.COMPLETE, {OBJECTIVE: 0.4, "fidelity": 1.0}))
    folder.trial("search-001").finalize(Outcome(names.PRUNED, half))
    folder.trial("search-002").finalize(Outcome(names.FAIL, {}, "loss nan"))
    assert search().remaining == 2
    trials = open_study(folder.journal, "s").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "FAIL"]
    assert trials[0].value == 0.4
    assert trials[1].intermediate_values == {50: 0.1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_trial_without_a_finite_objective_is_fail_in_optuna_and_in_its_folder(
    folder: RunFolder, search: Callable[..., JournalSearcher], value: float | None
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
    message = f"{OBJECTIVE} was not measured" if value is None else f"{OBJECTIVE} is {value}"
    assert outcome.reason == message


def test_optuna_is_told_why_a_trial_failed(
    folder: RunFolder, search: Callable[..., JournalSearcher]
) -> None:
    searcher = search()
    searcher.suggest("x")
    searcher.on_trial_complete("x", error=True)
    (trial,) = open_study(folder.journal, "s").trials
    assert trial.user_attrs["reason"] == "the worker process died"


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "nsga-ii", "quasi-random", "grid"])
def test_proposals_after_an_interruption_are_those_of_an_undisturbed_search(
    tmp_path: Path, sampler: str
) -> None:
    def proposals(folder: RunFolder, interruptions: int) -> list[dict[str, Any]]:
        specs = []
        for number in range(5):
            if number == 0 or interruptions:
                searcher = make(folder, sampler=sampler)
            proposed = searcher.suggest("x")
            assert proposed is not None
            specs.append(proposed)
            searcher.on_trial_complete("x", result(100, specs[-1]["mixing_ratio"]))
            if interruptions:
                # Killed while it proposed: the trial has a parameter, but no number yet.
                cut_off = open_study(folder.journal, "s").ask()
                cut_off.suggest_float("mixing_ratio", 0.0, 1.0)
        return specs

    undisturbed = proposals(RunFolder(tmp_path / "a"), 0)
    assert proposals(RunFolder(tmp_path / "b"), 1) == undisturbed
    assert [proposal.pop("number") for proposal in undisturbed] == list(range(5))
    # A genetic sampler may repeat a parent.
    assert len({tuple(proposal.values()) for proposal in undisturbed}) >= 4
    if sampler != "nsga-ii":
        assert len({proposal["batch_size"] for proposal in undisturbed}) > 1


def test_an_interrupted_proposal_is_fail_and_does_not_count(
    folder: RunFolder, search: Callable[..., JournalSearcher]
) -> None:
    search().suggest("x")
    open_study(folder.journal, "s").ask()
    resumed = search()
    assert resumed.remaining == 5
    assert states(folder) == ["RUNNING", "FAIL"]
    assert [(resumed.suggest(trial) or {})["number"] for trial in ("y", "z")] == [0, 1]
    assert list(own_trials(open_study(folder.journal, "s"))) == [0, 1]


class Outside(optuna.samplers.RandomSampler):
    def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
        value = super().sample_independent(study, trial, name, distribution)
        return 7.5 if name == "mixing_ratio" else value


def test_a_value_outside_its_range_is_refused_and_forgotten(folder: RunFolder) -> None:
    own = make(folder, trials=2)
    own._sampler = lambda number: Outside(seed=number)
    with pytest.raises(InputError, match=r"^Outside proposed mixing_ratio=7\.5, outside of"):
        own.suggest("a")
    mended = make(folder, trials=2)
    assert mended.remaining == 2
    assert mended.suggest("b") == make(RunFolder(folder.path / "other")).suggest("b")
    assert states(folder) == ["FAIL", "RUNNING"]


def test_imported_trials_change_neither_numbers_nor_the_number_of_trials(
    folder: RunFolder, search: Callable[..., JournalSearcher]
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


def test_no_more_trials_are_proposed_than_can_run_at_once(
    search: Callable[..., JournalSearcher],
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
    folder: RunFolder, search: Callable[..., JournalSearcher]
) -> None:
    first, second = "dev/map_monolingual", "dev/map_crosslingual"
    searcher = search(objectives=(first, second))
    searcher.suggest("x")
    last = {first: 0.2, second: 0.7, names.FIDELITY: 1.0, "budget_percent": 100}
    searcher.on_trial_result("x", last)
    searcher.on_trial_complete("x", last)
    searcher.suggest("y")
    searcher.on_trial_complete("y", last | {second: float("nan")})
    complete, failed = open_study(folder.journal, "s").trials
    assert complete.values == [0.2, 0.7]
    assert complete.intermediate_values == {}
    assert failed.state is TrialState.FAIL
    assert failed.user_attrs["reason"] == "dev/map_crosslingual is nan"


@pytest.mark.parametrize(
    ("objectives", "space", "message"),
    [
        ([OBJECTIVE], {"dropout": Range(uniform=(0, 0.1))}, "another space"),
        (["dev/map_monolingual"], SPACE, "another objective"),
        ([OBJECTIVE, "dev/map_monolingual"], SPACE, "another objective"),
    ],
)
def test_pain_25_a_journal_of_another_search_is_refused_with_the_remedy(
    folder: RunFolder,
    search: Callable[..., JournalSearcher],
    objectives: list[str],
    space: Space,
    message: str,
) -> None:
    search().suggest("x")
    with pytest.raises(InputError, match=message) as caught:
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


def test_there_is_no_best_trial_if_none_is_complete() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(state=TrialState.PRUNED, value=0.9))
    assert best_trial(study) is None


def test_making_a_searcher_writes_nothing_and_proposals_need_a_recovery(
    folder: RunFolder, search: Callable[..., JournalSearcher]
) -> None:
    search().suggest("x")
    open_study(folder.journal, "s").ask()  # recovery would tell Optuna that it failed
    before = folder.journal.read_bytes()
    searcher = JournalSearcher(
        open_study(folder.journal, "s"),
        folder,
        SPACE,
        SearchConfig(),
        sampler=lambda number: pytest.fail("it proposed a trial"),
        make_spec=lambda number, parameters: {},
    )
    assert folder.journal.read_bytes() == before
    with pytest.raises(AssertionError, match="recover"):
        searcher.suggest("y")


# Neither of the first two excels the other, the third is worse than both, the last equals one.
POINTS = [(0.2, 0.9), (0.6, 0.6), (0.1, 0.5), (0.6, 0.6)]


def several() -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "maximize"])
    for values in POINTS:
        study.add_trial(create_trial(values=values))
    study.add_trial(create_trial(state=TrialState.FAIL))
    return study


def test_the_front_consists_of_trials_that_no_other_excels_in_all_objectives() -> None:
    assert [trial.number for trial in pareto_front(several())] == [0, 1, 3]


def test_of_several_objectives_the_first_decides_between_trials_that_come_equally_close() -> None:
    best = best_trial(several())
    assert best is not None
    # .2 to .6 and .6 to .9 are the ranges on the front: 0 and 1, or 1 and 0, are a half each.
    assert best.number == 1, "the earliest of two equals"


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_the_unit_of_an_objective_does_not_decide_which_trial_is_the_best(unit: float) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    # Scaled to the front: .0 + 1, .75 + .5, 1 + .0. In thousands the second objective would decide
    # alone, as it would where it is a rank distance beside mAP.
    for score, distance in [(0.2, 0.1), (0.5, 0.2), (0.6, 0.3)]:
        study.add_trial(create_trial(values=(score, unit * distance)))
    best = best_trial(study)
    assert best is not None
    assert best.number == 1


def test_the_best_point_of_a_grid_has_the_highest_mean_over_all_of_its_seeds() -> None:
    study = optuna.create_study(direction="maximize")
    distributions = {name: values.distribution for name, values in SPACE.items()}
    measured: list[tuple[float, int, float | None]] = [
        # The highest single value, but a mean of .45.
        (1 / 3, 16, 0.8), (1 / 3, 32, 0.5), (1 / 3, 64, 0.9), (2 / 3, 16, 0.3), (0.0, 16, None),
        (1 / 3, 16, 0.1), (1 / 3, 32, 0.6), (1 / 3, 64, None), (2 / 3, 16, 0.4), (0.0, 16, 0.99),
    ]  # fmt: skip
    for number, (ratio, size, value) in enumerate(measured):
        study.add_trial(
            create_trial(
                state=TrialState.FAIL if value is None else TrialState.COMPLETE,
                value=value,
                params={"mixing_ratio": ratio, "batch_size": size},
                distributions=distributions,
                user_attrs={"number": number},
            )
        )
    third, two_thirds = (1 / 3, 32, 0.55), (2 / 3, 16, 0.35)
    ratios: list[float | None] = [None, 0.3333333333, 2 / 3]
    for asked, expected in zip(ratios, (third, third, two_thirds), strict=True):
        point = best_point(study, 2, asked)
        assert point is not None
        parameters, value = point
        assert (*parameters.values(), value) == pytest.approx(expected)
    assert best_point(study, 2, 0.0) is None, "one of its seeds failed"
    assert best_point(study, 2, 0.5) is None, "not in the search"


def test_a_journal_whose_last_line_was_cut_off_goes_on_as_if_nothing_had_happened(
    folder: RunFolder, tmp_path: Path
) -> None:
    def search(run: RunFolder) -> list[dict[str, Any]]:
        """Propose and end the trials that are left."""
        searcher, proposed = make(run, trials=3), []
        for _ in range(searcher.remaining):
            parameters = searcher.suggest("x")
            assert parameters is not None
            proposed.append(parameters)
            searcher.on_trial_complete("x", result(100, 0.5))
        return proposed

    undisturbed = search(folder)
    assert len(undisturbed) == 3
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        run = RunFolder(tmp_path / str(kept))
        shutil.copytree(folder.path, run.path)
        # What the journal has not heard of has not begun.
        run.journal.write_bytes(b"".join(lines[:kept]))
        begun = own_trials(open_study(run.journal, "s")) if kept > 1 else {}
        for trial in run.trials():
            if trial.name not in {search_trial(number) for number in begun}:
                shutil.rmtree(trial.path)
        with run.journal.open("ab") as journal:
            journal.write(lines[kept][: len(lines[kept]) // 2])
        again = search(run)
        assert again == undisturbed[3 - len(again) :]
        ended = own_trials(open_study(run.journal, "s"))
        assert [ended[number].state for number in range(3)] == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"[4]\n", b'{"op_code": 5, "wor\n', b"\xff\n"])
def test_a_damaged_line_of_a_journal_is_named_with_the_remedy(
    folder: RunFolder, damage: bytes
) -> None:
    make(folder).suggest("x")
    lines = folder.journal.read_bytes().splitlines(keepends=True)
    lines[3] = damage or lines[3][:-9] + b"\n"
    folder.journal.write_bytes(b"".join(lines))
    for open_again in (partial(open_study, folder.journal, "s"), partial(make, folder)):
        with pytest.raises(InputError, match=rf"line 4 of {len(lines)} is damaged; put back"):
            open_again()
