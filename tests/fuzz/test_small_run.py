"""A small run of `make fuzz`; see `tests.fuzz.__main__`."""

from collections import Counter

import pytest

from tests.fuzz.campaign import LOADERS, Case, run_case

ROUNDS = 3
FILES = ROUNDS * sum(loader.weight for loader in LOADERS)


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [run_case(seed=0, number=number) for number in range(FILES)]


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_loaded_or_refused_in_time_and_leave_nothing_behind(
    cases: list[Case],
) -> None:
    assert [case for case in cases if case.outcome not in ("loaded", "refused")] == []


def test_every_loader_is_tried_as_often_as_its_weight_says(cases: list[Case]) -> None:
    counts = Counter(case.loader for case in cases)
    assert counts == {loader.name: ROUNDS * loader.weight for loader in LOADERS}


def test_a_case_is_the_same_when_it_is_repeated_by_itself(cases: list[Case]) -> None:
    for number in (4, 105, 207):
        again = run_case(seed=0, number=number)
        assert (again.loader, again.file, again.outcome) == (
            cases[number].loader,
            cases[number].file,
            cases[number].outcome,
        )
