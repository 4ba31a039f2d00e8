from typing import Any

import optuna
import pytest
from scipy.stats import qmc

from tune.space.parameters import Value
from tune.space.ranges import Range, Space, contains, grid_points, propose
from tune.space.samplers import Sampler, make_sampler

SPACE: Space = {
    "mixing_ratio": Range(uniform=(0.0, 1.0), points=3),
    "temperature": Range(loguniform=(0.01, 1.0), points=2),
}
CONDITIONAL: Space = {
    "kind": Range(choice=("hybrid", "x-x")),
    "mixing_ratio": Range(uniform=(0.0, 1.0), points=3, when={"kind": ("hybrid",)}),
    "temperature": Range(loguniform=(0.01, 1.0), points=2),
}
ALL: list[Sampler] = ["tpe", "gp", "nsga-ii", "random", "quasi-random", "grid"]


@pytest.fixture(autouse=True)
def quiet(recwarn: pytest.WarningsRecorder) -> Any:
    """No sampler may warn, which would stand between the lines of a study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    assert [str(warning.message) for warning in recwarn] == []


def new_study(objectives: int = 1) -> optuna.Study:
    return optuna.create_study(directions=["maximize"] * objectives)


def ask(
    study: optuna.Study, name: Sampler, space: Space, number: int, **changes: Any
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
def test_every_sampler_proposes_legal_points_again_and_again_in_the_same_way(
    name: Sampler, space: Space, objectives: int
) -> None:
    def run() -> list[dict[str, Value]]:
        study, found = new_study(objectives), []
        for number in range(5):
            trial, point = ask(study, name, space, number)
            study.tell(trial, [value_of(point), -float(point["temperature"])][:objectives])
            found.append(point)
        return found

    first = run()
    assert all(contains(space, point) for point in first)
    assert len({tuple(point.items()) for point in first}) == 5, "none twice"
    assert run() == first


@pytest.mark.parametrize("name", ["grid", "quasi-random", "random"])
def test_samplers_that_learn_nothing_propose_by_the_number_alone(name: Sampler) -> None:
    study = new_study()
    in_order = [ask(study, name, CONDITIONAL, number)[1] for number in range(4)]
    alone = [ask(new_study(), name, CONDITIONAL, number)[1] for number in (3, 1, 2, 0)]
    assert alone == [in_order[number] for number in (3, 1, 2, 0)]


def test_a_grid_is_gone_through_once_in_an_order_that_the_seed_decides() -> None:
    points = grid_points(CONDITIONAL)
    found = [ask(new_study(), "grid", CONDITIONAL, n)[1] for n in range(len(points))]
    assert sorted(map(str, found)) == sorted(map(str, points))
    other = [ask(new_study(), "grid", CONDITIONAL, n, seed=8)[1] for n in range(len(points))]
    assert sorted(map(str, other)) == sorted(map(str, points))
    assert other != found


def test_beyond_its_last_point_a_grid_proposes_nothing() -> None:
    with pytest.raises(ValueError, match="6 points and none of number 6"):
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
    # A child has its parents' values, but for a mutation of one in two of them.
    assert sum(value in parents for value in children) > len(children) / 4


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_trials_side_by_side_are_not_proposed_at_the_same_place(name: Sampler) -> None:
    study = new_study()
    for number in range(4):
        trial, point = ask(study, name, SPACE, number)
        study.tell(trial, value_of(point))
    running = [ask(study, name, SPACE, number)[1] for number in range(4, 7)]
    assert len({tuple(point.values()) for point in running}) == 3


@pytest.mark.parametrize("name", [name for name in ALL if name != "grid"])
def test_parameters_that_are_fixed_are_proposed_as_they_are(name: Sampler) -> None:
    study = new_study()
    point = ask(study, name, SPACE, 0, fixed={"temperature": 0.25})[1]
    assert point["temperature"] == 0.25
    assert contains(SPACE, point)
