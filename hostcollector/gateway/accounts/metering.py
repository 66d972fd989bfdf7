"""What tenants read by plan: gathered, and added to the accounts database once a minute."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.base.lanes import Workers
from hostcollector.base.log import Transitions
from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.database import reason

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
"""Between two writes. A worker that is killed loses what it has gathered since the last one."""

_HOUR = 3600


@dataclass(slots=True)
class _Read:
    requests: int = 0
    bytes: int = 0


class Metering:
    """Gathers for one worker; `wall_clock` gives Unix time in seconds. Bound to one event loop."""

    def __init__(self, engine: Engine, wall_clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._wall_clock = wall_clock
        self._read: dict[tuple[int, str, str], _Read] = {}
        self._workers = Workers("metering", 1)
        self._transitions = Transitions(logger)

    def note(self, tenant: str, plan: str, size: int) -> None:
        """Note an answer of `size` bytes."""
        hour = int(self._wall_clock()) // _HOUR
        read = self._read.setdefault((hour, tenant, plan), _Read())
        read.requests += 1
        read.bytes += size

    async def write(self) -> None:
        """Add what was noted. Where that fails it is tried again with the next."""
        read, self._read = self._read, {}
        if read and not await self._workers.run(lambda: self._write(read)):
            for key, amount in read.items():
                again = self._read.setdefault(key, _Read())
                again.requests += amount.requests
                again.bytes += amount.bytes

    def close(self) -> None:
        """Let the thread end."""
        self._workers.close()

    def _write(self, read: dict[tuple[int, str, str], _Read]) -> bool:
        rows = [
            {"hour": hour, "tenant": tenant, "plan": plan, "requests": each.requests, "bytes": each.bytes}
            for (hour, tenant, plan), each in sorted(read.items())
        ]
        table = schema.metered
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        added = {name: table.c[name] + statement.excluded[name] for name in ("requests", "bytes")}
        keys = [table.c.hour, table.c.tenant, table.c.plan]
        try:
            with self._engine.begin() as connection:
                connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=added), rows)
        except SQLAlchemyError as error:
            self._transitions.failed("writing what tenants have read", reason(error))
            return False
        self._transitions.succeeded("writing what tenants have read")
        return True
