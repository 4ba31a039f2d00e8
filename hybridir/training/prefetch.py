"""Items made ahead of their use, in a thread of their own."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(
    make: Callable[[int], Item], start: int, stop: int, depth: int = 2
) -> Generator[Item]:
    """Yield ``make(start)``, ``make(start + 1)`` ... in order, made in a background thread.

    Args:
        make: may run while earlier items are in use.
        start: first number.
        stop: number after the last one.
        depth: items made ahead.

    Raises:
        Exception: the exception of `make`, when its item is due.
    """
    queue: deque[Future[Item]] = deque()
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
    try:
        for number in range(start, stop):
            queue.append(worker.submit(make, number))
            if len(queue) > depth:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()
    finally:
        worker.shutdown(wait=True, cancel_futures=True)
