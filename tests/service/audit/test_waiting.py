"""What waits for the store, and for how long."""

import time

from service.audit.waiting import WaitingQueue


def test_the_lag_is_that_of_the_oldest_row_until_its_taker_asks_for_more() -> None:
    queue: WaitingQueue[str] = WaitingQueue(10)
    assert queue.lag_seconds == 0
    queue.put("first", 1)
    time.sleep(0.02)
    queue.put("second", 1)
    assert queue.lag_seconds >= 0.02
    assert queue.take(0) == ["first", "second"]
    queue.put("third", 1)
    time.sleep(0.02)
    assert queue.lag_seconds >= 0.04  # what was taken is not yet stored
    assert queue.take(0) == ["third"]
    assert queue.lag_seconds >= 0.02
    queue.close()
    assert queue.take(0) is None
    assert queue.lag_seconds == 0


def test_what_waits_is_taken_when_its_taker_is_woken_for_it() -> None:
    queue: WaitingQueue[str] = WaitingQueue(10)
    queue.wake()  # for nothing
    queue.put("first", 1)
    queue.wake()
    assert queue.take(float("inf")) == ["first"]
    queue.put("second", 1)
    began = time.monotonic()
    assert queue.take(0.05) == ["second"]
    assert time.monotonic() - began >= 0.04
    queue.put("third", 1)
    queue.close()
    assert queue.take(float("inf")) == ["third"]
