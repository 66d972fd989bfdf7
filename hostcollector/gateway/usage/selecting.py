"""The rows of one tenant, in steps that the tests take out in turn.

A question gets the tenant's condition, and the rows that come back are looked at again: each is enough.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, Row, Select

from hostcollector.gateway.errors import LedgerUnavailableError
from hostcollector.gateway.tenant import checked_tenant

Statement = Select[*tuple[Any, ...]]
Rows = Sequence[Row[*tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query for a tenant. `column` has the tenant of each row, and is among its columns as `tenant`."""

    tenant: str
    statement: Statement
    column: Column[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The rows that a question of a tenant gave."""

    tenant: str
    rows: Rows


QuestionStep = Callable[[Question], Question]
RowStep = Callable[[Found], Found]


def own_condition(question: Question) -> Question:
    """Add the tenant's condition. Raises `RequestRefusedError` for what is no tenant, such as ''."""
    own = question.column == checked_tenant(question.tenant)
    return replace(question, statement=question.statement.where(own))


def own_rows(found: Found) -> Found:
    """Refuse to answer where a row is not the tenant's. Raises `LedgerUnavailableError`."""
    if any(row.tenant != found.tenant for row in found.rows):
        raise LedgerUnavailableError("the ledger does not answer as it should")
    return found


QUESTION_STEPS: tuple[QuestionStep, ...] = (own_condition,)
ROW_STEPS: tuple[RowStep, ...] = (own_rows,)


def asked(question: Question, steps: Sequence[QuestionStep] = QUESTION_STEPS) -> Question:
    """Return the question as it is sent. Raises `RequestRefusedError`."""
    for step in steps:
        question = step(question)
    return question


def taken(found: Found, steps: Sequence[RowStep] = ROW_STEPS) -> Found:
    """Return the rows as they are answered. Raises `RequestRefusedError`."""
    for step in steps:
        found = step(found)
    return found
