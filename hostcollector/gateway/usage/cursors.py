"""What a tenant gets in place of a position.

Positions count the records of all tenants: from those of two final hours a tenant would read how many VMs the
whole region has. A cursor is a position under a key that is the tenant's own, with a mark that shows changes.
"""

import hmac
import re

from sqlalchemy import select

from hostcollector.gateway.errors import NotFoundError, QueryRefusedError
from hostcollector.gateway.usage import schema
from hostcollector.gateway.usage.reading import Reading

FORM = "[0-9a-f]{32}"
"""What a tenant's cursor looks like: to clients it is opaque."""

_UNKNOWN = "this cursor is not one of ours: begin without one"
_BYTES = 8
"""Of the mark, and of the position."""


class Cursors:
    """The cursors of one tenant. All workers have the same `secret`, for as long as there is the ledger."""

    def __init__(self, secret: bytes, tenant: str) -> None:
        self._key = hmac.digest(secret, tenant.encode(), "sha256")

    def text(self, position: int) -> str:
        """Return the cursor of a position."""
        mark = self._mark(position)
        return (mark + self._covered(mark, position).to_bytes(_BYTES)).hex()

    def position(self, text: str) -> int:
        """Return the position of a cursor; 0 for an empty one.

        Raises `NotFoundError` for one that the tenant was never given, `QueryRefusedError` for other texts.
        """
        if not text:
            return 0
        if not re.fullmatch(FORM, text):
            raise QueryRefusedError(_UNKNOWN)
        content = bytes.fromhex(text)
        mark = content[:_BYTES]
        position = self._covered(mark, int.from_bytes(content[_BYTES:]))
        if not hmac.compare_digest(mark, self._mark(position)):
            raise NotFoundError(_UNKNOWN)
        return position

    def _mark(self, position: int) -> bytes:
        return hmac.digest(self._key, b"mark" + position.to_bytes(_BYTES), "sha256")[:_BYTES]

    def _covered(self, mark: bytes, position: int) -> int:
        """Return the position covered, or a covered one as it was."""
        return position ^ int.from_bytes(hmac.digest(self._key, b"cover" + mark, "sha256")[:_BYTES])


def cursors_of(reading: Reading, tenant: str) -> Cursors:
    """Return a tenant's cursors. The secret is the first host's ledger's name: random, and never shown."""
    first = select(schema.ledgers.c.name).order_by(schema.ledgers.c.id).limit(1)
    return Cursors("".join(row.name for row in reading.of_all(first)).encode(), tenant)
