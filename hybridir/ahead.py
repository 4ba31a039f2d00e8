"""Makes the next things while the present one is used."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")


def ahead(make: Callable[[int], Thing], start: int, stop: int, depth: int = 2) -> Generator[Thing]:
    """What `make` gives for each number, made in a thread of its own, in order.

    Args:
        make: may be called while what it gave before is in use.
        start: first number.
        stop: number behind the last one.
        depth: how many are made ahead.

    Raises:
        Exception: what `make` raised, when its turn has come.
    """
    numbers = iter(range(start, stop))
    waiting: deque[Future[Thing]] = deque()
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")
    try:
        for number in numbers:
            waiting.append(worker.submit(make, number))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        worker.shutdown(wait=True, cancel_futures=True)
