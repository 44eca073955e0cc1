"""Used tokens in a store that replicas share, each kind of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from service.audit.database import open_writer
from service.audit.migrations import upgrade
from service.audit.schema import SEEN_TOKENS
from service.replay import SeenInDatabase
from tests.service.audit.stores import Place
from tests.service.issuer import Clock

ISSUER = "https://issuer.example"


def migrate(place: Place) -> None:
    with open_writer(place.url).begin() as connection:
        upgrade(connection)


def first_time(replica: SeenInDatabase, jti: str, expires_at: float) -> bool:
    return asyncio.run(replica.first_time(ISSUER, jti, expires_at))


def test_a_token_that_is_shown_to_all_replicas_at_once_is_new_to_one(place: Place):
    migrate(place)

    def show(_: int) -> list[bool]:
        replica = SeenInDatabase(open_writer(place.url))
        return [first_time(replica, f"{n}", 4e9) for n in range(20)]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(show, range(4)))
    assert [sum(of_token) for of_token in zip(*answers, strict=True)] == [1] * 20


def test_expired_tokens_leave_the_store(place: Place):
    engine, clock = open_writer(place.url), Clock()
    migrate(place)
    replica = SeenInDatabase(engine, clock)
    for n in range(10):
        assert first_time(replica, f"{n} \x00 \ud800", clock() + 300)
    clock.forward(300)
    assert first_time(replica, "while the clock of another may be slow", clock() + 300)
    assert rows(place) == 11
    clock.forward(400)
    assert first_time(replica, "later", clock() + 300)
    assert rows(place) == 2


def rows(place: Place) -> int:
    with open_writer(place.url).connect() as connection:
        return connection.scalar(select(func.count()).select_from(SEEN_TOKENS)) or 0
