"""Reading the store: one prediction, a first answer, or all rows in order."""

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, func, select

from service.audit.database import database_errors
from service.audit.records import COLUMNS, FirstAnswer, StoredPrediction
from service.audit.schema import IDEMPOTENCY, PREDICTIONS

_ROWS_AT_ONCE = 500
_SELECT = select(*(PREDICTIONS.c[name] for name in COLUMNS))


def get(engine: Engine, prediction_id: str) -> StoredPrediction | None:
    """Return one prediction by its id."""
    with database_errors(), engine.connect() as connection:
        return find(connection, prediction_id)


def find(connection: Connection, prediction_id: str) -> StoredPrediction | None:
    """Return one prediction by its id, over an open connection."""
    query = _SELECT.where(PREDICTIONS.c.prediction_id == prediction_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredPrediction(*row)


def find_idempotent(engine: Engine, caller: str, key: str) -> FirstAnswer | None:
    """Return what a caller's idempotency key got; None if nothing, or if it was erased."""
    query = (
        select(IDEMPOTENCY.c.request_digest, IDEMPOTENCY.c.prediction_id, PREDICTIONS.c.output)
        .join(PREDICTIONS, PREDICTIONS.c.prediction_id == IDEMPOTENCY.c.prediction_id)
        .where(IDEMPOTENCY.c.caller == caller, IDEMPOTENCY.c.key == key)
        .where(PREDICTIONS.c.output.is_not(None))
    )
    with database_errors(), engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else FirstAnswer(*row)


def in_chain_order(connection: Connection) -> Iterator[StoredPrediction]:
    """Return all rows, writer by writer, without holding them all."""
    query = _SELECT.order_by(PREDICTIONS.c.writer, PREDICTIONS.c.sequence)
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        yield StoredPrediction(*row)


def count(connection: Connection) -> int:
    """Return how many rows there are."""
    return connection.scalar(select(func.count()).select_from(PREDICTIONS)) or 0
