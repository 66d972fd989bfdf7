"""Questions to the ledger, by the processes that only read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.gateway.database import read_one_moment
from hostcollector.gateway.errors import LedgerUnavailableError
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.selecting import Found, Question, Rows, Statement, asked, taken


@dataclass(frozen=True, slots=True)
class Reading:
    """The ledger at one moment. `final_until` is the end of the final hours, counted from 1970."""

    connection: Connection
    isolation: Isolation
    final_until: int

    def of_tenant(self, tenant: str, statement: Statement) -> Rows:
        """Return a tenant's rows of a statement about `usage_vms`. Raises `RequestRefusedError`."""
        return rows_of_tenant(self.connection, self.isolation, tenant, statement, schema.vms.c.tenant)

    def of_all(self, statement: Statement) -> Rows:
        """Return all rows: for the operator, and for what belongs to rows that a tenant has already."""
        return self.connection.execute(statement).all()


class LedgerReader:
    """Reads a ledger. Calls block. All methods raise `LedgerUnavailableError`."""

    def __init__(self, engine: Engine, isolation: Isolation | None = None) -> None:
        self._engine = engine
        self._isolation = isolation or Isolation()

    @contextmanager
    def open(self) -> Iterator[Reading]:
        """Give the ledger as it is now."""
        try:
            with self._engine.connect() as connection:
                read_one_moment(connection)
                final_until = connection.execute(select(schema.state.c.final_until)).scalar_one()
                yield Reading(connection, self._isolation, final_until)
        except SQLAlchemyError as error:
            raise LedgerUnavailableError("usage cannot be read at present: try again later") from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def rows_of_tenant(
    connection: Connection, isolation: Isolation, tenant: str, statement: Statement, column: Column[str]
) -> Rows:
    """Return a tenant's rows of a statement, after every step. Raises `RequestRefusedError`."""
    question = asked(Question(tenant=tenant, statement=statement, column=column), isolation.usage_questions)
    rows = connection.execute(question.statement).all()
    return taken(Found(tenant=tenant, rows=rows), isolation.usage_rows).rows
