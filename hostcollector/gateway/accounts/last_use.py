"""When each token was last used: gathered, and written once a minute. The only thing that workers write."""

import logging
import time
from collections.abc import Callable

from sqlalchemy import Engine, bindparam, update
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.base.lanes import Workers
from hostcollector.base.log import Transitions
from hostcollector.gateway.accounts import schema
from hostcollector.gateway.accounts.database import reason

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
"""Between two writes."""

_TOKENS = schema.tokens
_STATEMENT = (
    update(_TOKENS)
    .where(_TOKENS.c.id == bindparam("token"), _TOKENS.c.last_used_at.is_distinct_from(bindparam("used_at")))
    .values(last_used_at=bindparam("used_at"))
)


class LastUse:
    """Notes uses for one worker; `wall_clock` gives Unix time in seconds. Bound to one event loop."""

    def __init__(self, engine: Engine, wall_clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._wall_clock = wall_clock
        self._used: dict[str, int] = {}
        self._workers = Workers("last-use", 1)
        self._transitions = Transitions(logger)

    def note(self, token: str) -> None:
        """Note that a token was used now."""
        self._used[token] = int(self._wall_clock())

    async def write(self) -> None:
        """Write what was noted. Where that fails it is lost: a failure is logged and stops no request."""
        used, self._used = self._used, {}
        if used:
            await self._workers.run(lambda: self._write(used))

    def close(self) -> None:
        """Let the thread end."""
        self._workers.close()

    def _write(self, used: dict[str, int]) -> None:
        rows = [{"token": token, "used_at": at} for token, at in used.items()]
        try:
            with self._engine.begin() as connection:
                connection.execute(_STATEMENT, rows)
        except SQLAlchemyError as error:
            self._transitions.failed("writing the tokens' last use", reason(error))
        else:
            self._transitions.succeeded("writing the tokens' last use")
