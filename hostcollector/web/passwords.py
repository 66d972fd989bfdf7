"""Whether a user's password is right, at a bounded price whatever is tried."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum, auto
from hashlib import blake2b
from secrets import token_bytes

import bcrypt

from hostcollector.web.workers import Workers

LONGEST = 72
"""Bytes of a password that bcrypt looks at; what makes the hashes cuts it there too."""

REMEMBERED = 1000
"""Wrong passwords whose verdict is kept, the latest ones."""

WAITING = 8
"""Checks that may wait for their turn, at most one for each client's address."""

SHARE = 0.1
"""How much of one processor the checks of wrong passwords may take."""


class Verdict(Enum):
    """What a password is worth."""

    RIGHT = auto()
    WRONG = auto()
    BUSY = auto()
    """It was not checked: others, or this client itself, are waiting for a check already."""


class Passwords:
    """Checks passwords against bcrypt hashes by user name, one at a time, off the event loop.

    A password that was right is not checked again, so a flood of wrong ones never keeps out a scraper that
    has been let in before. After a wrong one the lane rests, so that guessing takes at most `SHARE` of a
    processor. Bound to one loop; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        hashes: Mapping[str, str],
        check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hashes = {user: hashed.encode() for user, hashed in hashes.items()}
        # Whoever does not exist costs as much time as the dearest of those who do.
        self._nobody = max(self._hashes.values(), key=lambda hashed: hashed[4:6])
        self._matches = check
        self._clock = clock
        self._workers = Workers("password", 1)
        self._turn = asyncio.Lock()
        self._rest_until = 0.0
        self._waiting: set[str] = set()
        self._key = token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._wrong: OrderedDict[bytes, None] = OrderedDict()

    async def verdict(self, user: str, password: bytes, client: str) -> Verdict:
        """Return what the password is worth; `client` is the address of whoever says it."""
        digest = blake2b(user.encode() + b"\0" + password, key=self._key).digest()
        known = self._known(user, digest)
        if known is not None:
            return known
        if client in self._waiting or len(self._waiting) >= WAITING:
            return Verdict.BUSY
        self._waiting.add(client)
        try:
            async with self._turn:
                await asyncio.sleep(max(0.0, self._rest_until - self._clock()))
                return self._known(user, digest) or await self._check(user, password, digest)
        finally:
            self._waiting.discard(client)

    def close(self) -> None:
        """Let the thread end."""
        self._workers.close()

    def _known(self, user: str, digest: bytes) -> Verdict | None:
        if self._right.get(user) == digest:
            return Verdict.RIGHT
        if digest in self._wrong:
            self._wrong.move_to_end(digest)
            return Verdict.WRONG
        return None

    async def _check(self, user: str, password: bytes, digest: bytes) -> Verdict:
        hashed = self._hashes.get(user)
        begun = self._clock()
        matches = await self._workers.run(lambda: self._matches(password[:LONGEST], hashed or self._nobody))
        if matches and hashed is not None:
            self._right[user] = digest
            return Verdict.RIGHT
        ended = self._clock()
        self._rest_until = ended + (ended - begun) * (1 / SHARE - 1)
        self._wrong[digest] = None
        if len(self._wrong) > REMEMBERED:
            self._wrong.popitem(last=False)
        return Verdict.WRONG
