"""Workers that die before their trial begins."""

import pytest

from hybridir.errors import InputError
from tune.driver.killed_workers import DeathsBeforeTheTrial


def test_a_death_is_told_once_until_the_next_attempt_has_begun() -> None:
    deaths = DeathsBeforeTheTrial()
    assert deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)
    assert deaths.had_begun("search-001", attempts=1), "another trial"
    assert deaths.had_begun("search-000", attempts=2)


def test_after_ten_minutes_in_which_no_attempt_begins_the_study_stops() -> None:
    seconds = iter([0.0, 599.0, 601.0])
    deaths = DeathsBeforeTheTrial(clock=lambda: next(seconds))
    assert deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)
    with pytest.raises(InputError, match="search-000: its workers have died for 10 minutes"):
        deaths.had_begun("search-000", attempts=1)


def test_an_attempt_that_begins_ends_the_wait() -> None:
    seconds = iter([0.0, 900.0])
    deaths = DeathsBeforeTheTrial(clock=lambda: next(seconds))
    assert not deaths.had_begun("search-000", attempts=0)
    assert deaths.had_begun("search-000", attempts=1)
    assert not deaths.had_begun("search-000", attempts=1)
