import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from scipy.stats import qmc

from tune.space.parameters import Value
from tune.space.ranges import Range, Space, contains, grid_points, propose
from tune.space.sampler_names import check_sampler
from tune.space.samplers import make_sampler

SPACE: Space = {
    "mixing_ratio": Range(uniform=(0.0, 1.0), points=3),
    "temperature": Range(loguniform=(0.01, 1.0), points=2),
}
CONDITIONAL: Space = {
    "kind": Range(choice=("hybrid", "x-x")),
    "mixing_ratio": Range(uniform=(0.0, 1.0), points=3, when={"kind": ("hybrid",)}),
    "temperature": Range(loguniform=(0.01, 1.0), points=2),
}
ALL: list[str] = ["tpe", "gp", "cma-es", "nsga-ii", "random", "quasi-random", "grid"]


@pytest.fixture(autouse=True)
def quiet(recwarn: pytest.WarningsRecorder) -> Any:
    """No sampler may warn, since the warning would appear among the lines of a study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    assert [str(warning.message) for warning in recwarn] == []


def new_study(objectives: int = 1) -> optuna.Study:
    return optuna.create_study(directions=["maximize"] * objectives)


def ask(
    study: optuna.Study, name: str, space: Space, number: int, **changes: Any
) -> tuple[optuna.Trial, dict[str, Value]]:
    study.sampler = make_sampler(
        name, space, seed=changes.pop("seed", 7), number=number, startup_trials=3, **changes
    )
    trial = study.ask()
    return trial, propose(trial, space)


def value_of(point: dict[str, Value]) -> float:
    return float(point.get("mixing_ratio", 0.5)) - abs(float(point["temperature"]) - 0.1)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("space", "objectives"), [(SPACE, 1), (CONDITIONAL, 2)], ids=["flat", "conditional"]
)
def test_every_sampler_proposes_legal_points_and_repeats_them_exactly(
    name: str, space: Space, objectives: int
) -> None:
    if name == "cma-es":
        objectives = 1  # it follows one

    def run() -> list[dict[str, Value]]:
        study, points = new_study(objectives), []
        for number in range(5):
            trial, point = ask(study, name, space, number)
            study.tell(trial, [value_of(point), -float(point["temperature"])][:objectives])
            points.append(point)
        return points

    first = run()
    assert all(contains(space, point) for point in first)
    assert len({tuple(point.items()) for point in first}) == 5, "none twice"
    assert run() == first


@pytest.mark.parametrize("name", ["grid", "quasi-random", "random"])
def test_samplers_that_learn_nothing_propose_by_the_number_alone(name: str) -> None:
    study = new_study()
    in_order = [ask(study, name, CONDITIONAL, number)[1] for number in range(4)]
    alone = [ask(new_study(), name, CONDITIONAL, number)[1] for number in (3, 1, 2, 0)]
    assert alone == [in_order[number] for number in (3, 1, 2, 0)]


def test_a_grid_proposes_every_point_once_in_an_order_decided_by_the_seed() -> None:
    points = grid_points(CONDITIONAL)
    first, second = (
        [ask(new_study(), "grid", CONDITIONAL, n, seed=seed)[1] for n in range(len(points))]
        for seed in (7, 8)
    )
    assert sorted(map(str, first)) == sorted(map(str, points))
    assert sorted(map(str, second)) == sorted(map(str, points))
    assert first != second


def test_a_grid_proposes_nothing_beyond_its_last_point() -> None:
    with pytest.raises(ValueError, match="number=6: the grid has 6 points"):
        make_sampler("grid", SPACE, seed=0, number=6, startup_trials=1)


def test_quasi_random_proposals_are_a_scrambled_sobol_sequence() -> None:
    expected = qmc.Sobol(2, scramble=True, seed=7).random(8)
    for number, (ratio, exponent) in enumerate(expected):
        point = ask(new_study(), "quasi-random", SPACE, number)[1]
        # 0.01 ... 1 is two powers of ten.
        assert point == pytest.approx(
            {"mixing_ratio": ratio, "temperature": 10 ** (2 * exponent - 2)}
        )


def test_a_generation_is_bred_from_the_best_of_the_one_before() -> None:
    study = new_study()
    for number in range(3):
        trial, point = ask(study, "nsga-ii", SPACE, number)
        study.tell(trial, value_of(point))
    parents = {value for trial in study.trials for value in trial.params.values()}
    children = []
    for number in range(3, 15):
        trial, point = ask(study, "nsga-ii", SPACE, number)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)  # never part of a generation
        children += list(point.values())
    # A child has its parents' values, except for a mutation of one in two of them.
    assert sum(value in parents for value in children) > len(children) / 4


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_parallel_trials_are_proposed_at_different_points(name: str) -> None:
    study = new_study()
    for number in range(4):
        trial, point = ask(study, name, SPACE, number)
        study.tell(trial, value_of(point))
    running = [ask(study, name, SPACE, number)[1] for number in range(4, 7)]
    assert len({tuple(point.values()) for point in running}) == 3


@pytest.mark.parametrize("name", [name for name in ALL if name != "grid"])
def test_fixed_parameters_keep_their_values(name: str) -> None:
    study = new_study()
    point = ask(study, name, SPACE, 0, fixed={"temperature": 0.25})[1]
    assert point["temperature"] == 0.25
    assert contains(SPACE, point)


OWN = """
import optuna

class Middle(optuna.samplers.RandomSampler):
    def __init__(self, seed=None, width=1.0):
        super().__init__(seed=seed)
        self.width = width

    def sample_independent(self, study, trial, name, distribution):
        value = super().sample_independent(study, trial, name, distribution)
        if isinstance(distribution, optuna.distributions.FloatDistribution):
            middle = (distribution.low + distribution.high) / 2
            return middle + self.width * (value - middle)
        return value

class NoSampler: ...
"""


def test_a_class_in_the_working_directory_proposes_with_its_arguments_and_the_proposals_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "samplers_of_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    name, flat = "samplers_of_mine:Middle", {"mixing_ratio": Range(uniform=(0.0, 1.0))}
    path = list(sys.path)
    points = [
        ask(new_study(), name, flat, number, arguments={"width": 0.1})[1]["mixing_ratio"]
        for number in (0, 1, 0)
    ]
    assert sys.path == path
    assert points[0] == points[2] != points[1]
    assert all(0.45 <= float(point) <= 0.55 for point in points)
    with pytest.raises(ValueError, match="NoSampler is no class of optuna"):
        check_sampler("samplers_of_mine:NoSampler")
    with pytest.raises(ValueError, match=r"no module optunahub, .*; .*pip install optunahub$"):
        check_sampler("optunahub:samplers/auto_sampler:AutoSampler")
    with pytest.raises(ValueError, match=r"no module absent_module, neither in .* nor"):
        check_sampler("absent_module:Middle")
    with pytest.raises(ValueError, match="'bayes' is no sampler; legal are tpe, gp, cma-es"):
        check_sampler("bayes")
