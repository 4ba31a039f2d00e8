import threading

import pytest

from hybridir.training.prefetch import prefetch


def test_items_come_in_order_once_each() -> None:
    calls: list[int] = []

    def make(number: int) -> int:
        calls.append(number)
        return number * number

    assert list(prefetch(make, 3, 9)) == [9, 16, 25, 36, 49, 64]
    assert calls == [3, 4, 5, 6, 7, 8]
    assert list(prefetch(make, 4, 4)) == []


def test_the_next_items_are_made_while_the_first_is_used_but_no_more_than_the_depth() -> None:
    started = [threading.Event() for _ in range(9)]
    items = prefetch(lambda number: started[number].set(), 0, 9, depth=2)
    next(items)
    assert started[2].wait(timeout=60)
    assert not started[3].is_set(), "the second item has not been taken yet"
    next(items)
    assert started[3].wait(timeout=60)
    items.close()
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())


def test_an_exception_is_raised_when_its_item_is_due() -> None:
    items = prefetch(lambda number: 1 / (2 - number), 0, 4)
    assert next(items) == 0.5
    assert next(items) == 1.0
    with pytest.raises(ZeroDivisionError):
        next(items)
