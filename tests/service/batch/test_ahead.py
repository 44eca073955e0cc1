"""Items that a thread makes while those before are worked on."""

import threading
from collections.abc import Generator

import pytest

from service.batch.ahead import ahead


def test_items_come_in_order_and_are_made_before_they_are_wanted() -> None:
    third = threading.Event()

    def numbers() -> Generator[int]:
        for number in range(9):
            if number == 2:
                third.set()
            yield number

    with ahead(numbers(), 3) as items:
        assert next(items) == 0
        assert third.wait(10)
        assert list(items) == list(range(1, 9))


def test_no_more_are_made_than_may_wait() -> None:
    made: list[int] = []
    tenth = threading.Event()

    def numbers() -> Generator[int]:
        for number in range(100):
            made.append(number)
            if number == 9:
                tenth.set()
            yield number

    with ahead(numbers(), 4) as items:
        for _ in range(6):
            next(items)
        assert tenth.wait(10)
    assert made == list(range(10))


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def numbers() -> Generator[int]:
        yield 1
        raise ValueError("two")

    with ahead(numbers(), 4) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="two"):
            next(items)


def test_a_generator_that_is_not_taken_to_its_end_is_closed() -> None:
    closed = threading.Event()

    def numbers() -> Generator[int]:
        try:
            yield from range(1_000)
        finally:
            closed.set()

    with ahead(numbers(), 2) as items:
        assert next(items) == 0
    assert closed.is_set()
