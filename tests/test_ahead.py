import threading

import pytest

from hybridir.ahead import ahead


def test_things_come_in_order_each_once() -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number * number

    assert list(ahead(make, 3, 9)) == [9, 16, 25, 36, 49, 64]
    assert made == [3, 4, 5, 6, 7, 8]
    assert list(ahead(make, 4, 4)) == []


def test_the_next_ones_are_made_while_the_first_is_used_and_no_more_than_asked_for() -> None:
    made = [threading.Event() for _ in range(9)]
    things = ahead(lambda number: made[number].set(), 0, 9, depth=2)
    next(things)
    assert made[2].wait(timeout=60)
    assert not made[3].is_set(), "nobody has asked for more yet"
    next(things)
    assert made[3].wait(timeout=60)
    things.close()
    assert threading.active_count() == 1 or not any(
        thread.name.startswith("ahead") for thread in threading.enumerate()
    )


def test_an_error_is_raised_when_its_turn_has_come() -> None:
    things = ahead(lambda number: 1 / (2 - number), 0, 4)
    assert next(things) == 0.5
    assert next(things) == 1.0
    with pytest.raises(ZeroDivisionError):
        next(things)
