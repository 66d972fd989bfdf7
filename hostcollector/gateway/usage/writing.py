"""The turn to write the ledger: one transaction after the other, of intakes and of the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, update
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.catalogue.usage import SECONDS_PER_HOUR
from hostcollector.gateway.database import reason
from hostcollector.gateway.errors import LedgerError
from hostcollector.gateway.usage import schema

MOST_HOURS_BEHIND = 24
"""By how much one machine's clock may be behind another's."""


@dataclass(frozen=True, slots=True)
class State:
    """The last position that was given; hours from 1970 before which all are final, and were removed."""

    position: int
    final_until: int
    removed_until: int


@contextmanager
def writing(engine: Engine) -> Iterator[tuple[Connection, State]]:
    """Give a transaction that no other writer runs beside. Raises `LedgerError`."""
    table = schema.state
    # A write, and the first statement: SQLite then waits for its turn, PostgreSQL locks the row.
    lock = update(table).values(position=table.c.position)
    found = lock.returning(table.c.position, table.c.final_until, table.c.removed_until)
    try:
        with engine.begin() as connection:
            row = connection.execute(found).one()
            yield connection, State(row.position, row.final_until, row.removed_until)
    except SQLAlchemyError as error:
        raise LedgerError(f"the ledger cannot be written: {reason(error)}") from error


def period_of(state: State, now: int) -> int:
    """Return the hour, from 1970, in which what is written at the Unix time `now` counts.

    A clock that is behind the one by which an hour became final must not add to that hour. If it seems to be
    behind by more than a day, that one was ahead: nothing may wait for years to be billed.
    """
    hour = now // SECONDS_PER_HOUR
    return state.final_until if hour < state.final_until <= hour + MOST_HOURS_BEHIND else hour


def set_state(connection: Connection, **values: int) -> None:
    """Set columns of the ledger's state."""
    connection.execute(update(schema.state).values(**values))
