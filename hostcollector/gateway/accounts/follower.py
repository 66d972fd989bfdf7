"""Follows the accounts database: a worker's copy is at most seconds old, or it is not used.

The version row is read each second; a changed one means that everything is read again.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from hostcollector.base.lanes import Lane
from hostcollector.base.log import Transitions
from hostcollector.gateway.accounts.accounts import Accounts, read_accounts, read_version
from hostcollector.gateway.accounts.database import reason
from hostcollector.gateway.errors import AccountsUnavailableError

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
TRUSTED_SECONDS = 60.0
"""How long the copy holds where the database does not answer."""


class Follower:
    """Keeps a copy of the accounts. `clock` is monotonic, in seconds. Bound to one event loop."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._lane = Lane("accounts")
        self._transitions = Transitions(logger)
        self._accounts = Accounts()
        self._read_at = float("-inf")
        self.polled = asyncio.Event()
        """Set when the database has been asked once."""

    @property
    def age(self) -> float:
        """Seconds since the database last answered; infinite before its first answer."""
        return self._clock() - self._read_at

    @property
    def trusted(self) -> bool:
        """Whether the copy may be used."""
        return self.age <= TRUSTED_SECONDS

    @property
    def accounts(self) -> Accounts:
        """The copy. Raises `AccountsUnavailableError` when it is too old."""
        if not self.trusted:
            raise AccountsUnavailableError("accounts cannot be verified at present: try again in a minute")
        return self._accounts

    async def poll(self) -> None:
        """Look for changes once."""
        began = self._clock()
        found = await asyncio.wrap_future(self._lane.submit(self._read))
        if found is not None:
            self._accounts, self._read_at = found, began
        self.polled.set()

    async def follow(self) -> None:
        """Look for changes each second, until the task is cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Let the thread end."""
        self._lane.close(self._engine.dispose)

    def _read(self) -> Accounts | None:
        """Return the accounts, None where the database does not answer."""
        try:
            with self._engine.connect() as connection:
                unchanged = read_version(connection) == self._accounts.version
                found = self._accounts if unchanged else read_accounts(connection)
        except SQLAlchemyError as error:
            self._transitions.failed("the accounts database", reason(error))
            return None
        self._transitions.succeeded("the accounts database")
        return found
