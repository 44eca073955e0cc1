"""What remembers used tokens, in memory and in a database (shared: audit/test_seen_tokens)."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from service.audit.database import open_writer
from service.audit.migrations import upgrade
from service.audit.schema import SEEN_TOKENS
from service.replay import (
    SeenInDatabase,
    SeenInMemory,
    SeenTokens,
    SeenTokensUnavailableError,
)
from tests.service.issuer import NOW, Clock

ISSUER = "https://issuer.example"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = open_writer(f"sqlite:///{tmp_path}/store.db")
    with engine.begin() as connection:
        upgrade(connection)
    return engine


@pytest.fixture(params=["memory", "database"])
def seen(request: pytest.FixtureRequest, clock: Clock) -> SeenTokens:
    if request.param == "memory":
        return SeenInMemory(clock)
    return SeenInDatabase(request.getfixturevalue("engine"), clock)


def first_time(seen: SeenTokens, jti: str, expires_at: float = NOW + 300) -> bool:
    return asyncio.run(seen.first_time(ISSUER, jti, expires_at))


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(SEEN_TOKENS)) or 0


def test_a_token_is_new_once(seen: SeenTokens) -> None:
    assert [first_time(seen, jti) for jti in ("a", "b", "a", "A", "")] == [
        True,
        True,
        False,
        True,
        True,
    ]


def test_the_same_id_of_another_issuer_is_another_token(seen: SeenTokens) -> None:
    assert first_time(seen, "a")
    for issuer in ("https://other.example", ISSUER + "/", ""):
        assert asyncio.run(seen.first_time(issuer, "a", NOW + 300))


@pytest.mark.parametrize("jti", ["\x00", "\ud800", "'; DROP TABLE seen_token; --", "j" * 100_000])
def test_any_text_can_be_an_id(jti: str, seen: SeenTokens) -> None:
    assert [first_time(seen, jti), first_time(seen, jti)] == [True, False]


def test_of_concurrent_calls_with_one_token_one_is_the_first(seen: SeenTokens) -> None:
    async def at_once() -> list[bool]:
        return await asyncio.gather(
            *(seen.first_time(ISSUER, f"{n % 5}", NOW + 300) for n in range(40))
        )

    assert sum(asyncio.run(at_once())) == 5


def test_expired_tokens_are_forgotten_in_memory(clock: Clock) -> None:
    seen = SeenInMemory(clock, most=100)
    for minute in range(50):
        assert all(first_time(seen, f"{minute} {n}", clock() + 30) for n in range(50))
        clock.forward(61)


def test_memory_is_bounded_and_past_that_nothing_is_let_through(clock: Clock) -> None:
    seen = SeenInMemory(clock, most=2)
    assert first_time(seen, "a")
    assert first_time(seen, "b")
    with pytest.raises(SeenTokensUnavailableError):
        first_time(seen, "c")
    assert not first_time(seen, "a")


def test_expired_tokens_leave_the_database(engine: Engine, clock: Clock) -> None:
    seen = SeenInDatabase(engine, clock)
    for n in range(10):
        first_time(seen, f"{n}")
    clock.forward(300)
    assert first_time(seen, "while another replica's clock may be slow")
    assert rows(engine) == 11
    clock.forward(400)
    assert first_time(seen, "later", clock() + 300)
    assert rows(engine) == 1


def test_a_database_that_fails_lets_nothing_through_and_tells_no_values(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE seen_token"))
    with pytest.raises(SeenTokensUnavailableError) as caught:
        first_time(SeenInDatabase(engine), "zebedee")
    assert caught.value.__cause__ is None
    assert "zebedee" not in str(caught.value)
