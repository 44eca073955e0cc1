"""A pipeline of two: what is to come is made while the caller works with what came before."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def ahead(items: Generator[T], most: int) -> Iterator[Iterator[T]]:
    """Give the items of a generator, which runs in a thread of its own until the block ends.

    Parameters
    ----------
    most : how many items, none of them None, may wait to be taken
    """
    with closing(items), ThreadPoolExecutor(1) as thread:
        coming: deque[Future[T | None]] = deque()

        def begin() -> None:
            coming.append(thread.submit(next, items, None))

        def taken() -> Iterator[T]:
            while (item := coming.popleft().result()) is not None:
                begin()
                yield item

        for _ in range(most):
            begin()
        try:
            yield taken()
        finally:
            thread.shutdown(cancel_futures=True)
