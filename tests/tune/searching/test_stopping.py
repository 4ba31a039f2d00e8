from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from hybridir import names
from tune.folders import RunFolder
from tune.searching.searcher import JournalSearcher, open_study, pareto_front, start_study
from tune.searching.stopping import (
    EarlyStopping,
    bracket_of,
    brackets,
    fidelities,
    halving_stops,
    median_stops,
)
from tune.space.ranges import Range, Space
from tune.space.samplers import make_sampler
from tune.space.settings import SearchConfig

OBJECTIVE = "dev/map_mean"
SPACE: Space = {"mixing_ratio": Range(uniform=(0.0, 1.0))}


def new_searcher(folder: RunFolder, search: SearchConfig | None = None) -> JournalSearcher:
    search = search or SearchConfig(trials=20, objective=OBJECTIVE)
    searcher = JournalSearcher(
        start_study(folder.journal, "s", search.objectives, SPACE),
        folder,
        SPACE,
        search,
        sampler=lambda number: make_sampler(
            "random", SPACE, seed=0, number=number, startup_trials=1
        ),
        make_spec=lambda number, parameters: {"number": number},
    )
    searcher.recover()
    return searcher


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run-001")


@pytest.fixture
def searcher(folder: RunFolder) -> JournalSearcher:
    return new_searcher(folder)


def rule(
    searcher: JournalSearcher, name: Literal["asha", "median"], steps: Sequence[int] = (50,)
) -> EarlyStopping:
    return EarlyStopping(searcher, SearchConfig(scheduler=name, first_rung=steps[0] / 100))


def result(percent: int, value: float) -> dict[str, Any]:
    return {OBJECTIVE: value, names.FIDELITY: percent / 100, "budget_percent": percent}


def play(searcher: JournalSearcher, scheduler: EarlyStopping, values: dict[int, float]) -> int:
    """Let a trial report these values in turn, as Ray does; return the share at which it ended."""
    trial = f"trial {id(values)}"
    searcher.suggest(trial)
    for percent, value in values.items():
        stops = percent < 100 and scheduler.stops(trial, result(percent, value))
        if not stops:
            searcher.on_trial_result(trial, result(percent, value))
        if stops or percent == 100:
            searcher.on_trial_complete(trial, result(percent, value))
            return percent
    return 0


@pytest.mark.parametrize(
    ("scheduler", "first", "reduction", "expected"),
    [
        ("none", 0.5, 2, [1.0]),
        ("asha", 0.5, 2, [0.5, 1.0]),
        ("asha", 0.125, 2, [0.12, 0.25, 0.5, 1.0]),
        ("asha", 0.1, 3, [0.1, 0.3, 0.9, 1.0]),
        ("asha", 0.01, 10, [0.01, 0.1, 1.0]),
        ("median", 0.5, 2, [0.5, 0.62, 0.75, 0.88, 1.0]),
        ("median", 0.95, 2, [0.95, 1.0]),
    ],
)
def test_trials_report_at_whole_percents_of_the_budget_and_at_its_end(
    scheduler: str, first: float, reduction: int, expected: list[float]
) -> None:
    assert fidelities(scheduler, first, reduction) == expected


@pytest.mark.parametrize("reduction", [2, 3, 4])
def test_halving_decides_as_rays_asha_does(reduction: int) -> None:
    rng = np.random.default_rng(reduction)
    ray_rule = AsyncHyperBandScheduler(
        time_attr="budget_percent", metric=OBJECTIVE, mode="max", max_t=100, grace_period=50,
        reduction_factor=reduction, brackets=1,
    )  # fmt: skip
    earlier: list[float] = []
    for number, value in enumerate(rng.random(30).round(1)):  # rounded: with equals
        trial = Trial("x", stub=True, trial_id=str(number))
        ray_rule.on_trial_add(None, trial)  # type: ignore[arg-type]
        decision = ray_rule.on_trial_result(None, trial, result(50, value))  # type: ignore[arg-type]
        assert halving_stops(value, earlier, reduction) == (decision == TrialScheduler.STOP)
        earlier.append(value)


def test_the_median_rule_compares_the_best_so_far_with_the_rivals_running_averages() -> None:
    rivals = [[0.1, 0.3], [0.5, 0.7], [0.2, 0.2]]  # averages 0.2, 0.6, 0.2
    assert not median_stops([0.2], rivals)
    assert median_stops([0.19], rivals)
    assert not median_stops([0.9, 0.0], rivals), "the best counts, not the last"
    assert not median_stops([0.0], rivals[:2]), "two rivals are too few"


def test_the_worse_half_is_stopped_at_each_rung(
    folder: RunFolder, searcher: JournalSearcher
) -> None:
    asha = rule(searcher, "asha", [25, 50])
    ends = [
        play(searcher, asha, {25: first, 50: second, 100: 0.5})
        # Medians before each: none; 0.4 and 0.5; 0.5 and 0.55; 0.4 and 0.5.
        for first, second in [(0.4, 0.5), (0.6, 0.6), (0.3, 0.9), (0.5, 0.2)]
    ]
    assert ends == [100, 100, 25, 50]
    trials = open_study(folder.journal, "s").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert trials[2].intermediate_values == {25: 0.3}
    assert trials[3].intermediate_values == {25: 0.5, 50: 0.2}


def test_the_median_rule_is_checked_at_every_share_with_the_values_of_the_journal(
    folder: RunFolder, searcher: JournalSearcher
) -> None:
    median = rule(searcher, "median", [50, 62])
    for value in (0.4, 0.5, 0.6):
        assert play(searcher, median, {50: value, 62: value + 0.2, 100: 0.8}) == 100
    # Averages up to 50: 0.4, 0.5, 0.6; up to 62: 0.5, 0.6, 0.7.
    assert play(searcher, median, {50: 0.49}) == 50
    # The stopped trial counts at 50, where the median is now 0.495, but not at 62.
    assert play(searcher, median, {50: 0.55, 62: 0.5}) == 62
    assert play(searcher, median, {50: 0.61, 62: 0.0, 100: 0.1}) == 100


def test_values_and_decisions_survive_an_interruption(
    folder: RunFolder, searcher: JournalSearcher
) -> None:
    assert play(searcher, rule(searcher, "asha"), {50: 0.4, 100: 0.5}) == 100
    searcher.suggest("b")
    searcher.on_trial_result("b", result(50, 0.6))
    resumed = new_searcher(folder)
    asha = rule(resumed, "asha")
    resumed.suggest("b again")
    assert not asha.stops("b again", result(50, 0.1)), "it passed before"
    resumed.suggest("c")
    assert asha.stops("c", result(50, 0.3))


@pytest.mark.parametrize("name", ["asha", "median"])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_trial_without_a_finite_value_stops_and_fails(
    folder: RunFolder,
    searcher: JournalSearcher,
    name: Literal["asha", "median"],
    value: float,
) -> None:
    assert play(searcher, rule(searcher, name), {50: value, 100: 0.5}) == 50
    (trial,) = open_study(folder.journal, "s").trials
    assert trial.state.name == "FAIL"
    assert trial.intermediate_values == {}


def test_every_bracket_of_hyperband_has_its_share_of_trials_in_a_row() -> None:
    search = SearchConfig(scheduler="hyperband", first_rung=0.125, reduction=2)
    # 8 / 4, 4 / 3, 2 / 2, 1 / 1 of a sum of 16 / 3.
    weights = [bracket.weight for bracket in brackets(search)]
    assert weights == pytest.approx([0.375, 0.25, 0.1875, 0.1875])
    assert [bracket.fidelities for bracket in brackets(search)] == [
        *((0.12, 0.25, 0.5, 1.0), (0.25, 0.5, 1.0), (0.5, 1.0), (1.0,)),
    ]
    numbers = [bracket_of(search, number) for number in range(320)]
    for start in (0, 80, 160):
        counts = np.bincount(numbers[start : start + 160])
        assert counts == pytest.approx([160 * weight for weight in weights], abs=3)


def test_trials_of_hyperband_are_compared_within_their_bracket(folder: RunFolder) -> None:
    search = SearchConfig(trials=20, scheduler="hyperband", first_rung=0.25)
    searcher = new_searcher(folder, search)
    rule = EarlyStopping(searcher, search)
    # Brackets of the first six trials, whose rungs begin at 25, 50 and 100 %.
    assert [bracket_of(search, number) for number in range(6)] == [0, 1, 0, 2, 1, 0]
    assert play(searcher, rule, {25: 0.9, 50: 0.9, 100: 0.9}) == 100
    assert play(searcher, rule, {50: 0.1, 100: 0.1}) == 100, "the first of its bracket"
    assert play(searcher, rule, {25: 0.8}) == 25, "below .9"
    assert play(searcher, rule, {100: 0.0}) == 100, "measured at its end alone"
    assert play(searcher, rule, {50: 0.2, 100: 0.1}) == 100, "above .1"


def test_of_several_objectives_one_stops_trials_and_lower_may_be_better(
    folder: RunFolder,
) -> None:
    distance = "dev/rank_distance"
    search = SearchConfig(
        trials=20, objective=(OBJECTIVE, distance), scheduler="asha", stop_by=distance
    )
    searcher = new_searcher(folder, search)

    def end(first: float, last: float, quality: float = 0.5) -> int:
        trial = f"trial {first} {last} {quality}"
        searcher.suggest(trial)
        rule = EarlyStopping(searcher, search)
        for percent, value in {50: first, 100: last}.items():
            now = {**result(percent, quality), distance: value}
            stops = percent < 100 and rule.stops(trial, now)
            if not stops:
                searcher.on_trial_result(trial, now)
            if stops or percent == 100:
                searcher.on_trial_complete(trial, now)
                return percent
        return 0

    assert [end(4.0, 3.0), end(5.0, 1.0), end(2.0, 2.0, 0.4)] == [100, 50, 100]
    searcher = new_searcher(folder, search)  # as after an interruption
    assert [end(4.5, 1.0), end(3.5, 1.0)] == [50, 100], "the median of 4, 5 and 2 is 4"
    study = open_study(folder.journal, "s")
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED", "COMPLETE"]
    assert study.metric_names == [OBJECTIVE, distance]
    # (.5, 3), (.4, 2) and (.5, 1): the last is better than both.
    assert [trial.number for trial in pareto_front(study)] == [4]
    study.sampler = make_sampler("tpe", SPACE, seed=0, number=5, startup_trials=1)
    assert 0 <= study.ask().suggest_float("mixing_ratio", 0, 1) <= 1, "stopped trials and all"
