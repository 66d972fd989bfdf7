"""Whether a user's password is right, at a bounded price whatever is tried."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import blake2b
from secrets import token_bytes
from typing import TypeVar

import bcrypt

from hostcollector.base.errors import LaneClosedError
from hostcollector.base.workers import Workers

K = TypeVar("K")
V = TypeVar("V")

LONGEST = 72
"""Bytes of a password that bcrypt looks at; what makes the hashes cuts it there too."""

REMEMBERED = 1000
"""Wrong passwords whose verdict is kept, the latest ones."""

WAITING = 8
"""Checks that may wait for their turn, at most one for each client's address."""

SHARE = 0.05
"""How much of one processor the checks of wrong passwords may take, for strangers and for others each."""

ACQUAINTANCES = 100
"""Addresses that are remembered because they were let in, the latest ones."""


class Verdict(Enum):
    """What a password is worth."""

    RIGHT = auto()
    WRONG = auto()
    BUSY = auto()
    """It was not checked: others, or this client itself, are waiting for a check already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A password that somebody says, and the hash that it is checked against."""

    user: str
    password: bytes = field(repr=False)
    digest: bytes
    client: str
    hashed: bytes = field(repr=False)


class _Queue:
    """Those who wait for their check, which is made one at a time, with a rest after each wrong one."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.rest_until = 0.0
        self.waiting: set[str] = set()


class Latest(OrderedDict[K, V]):
    """Keeps the latest `most` items."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: K, value: V) -> None:
        """Add an item as the latest one."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)


class Memory:
    """What is known of passwords that were checked; outlives the users of one configuration."""

    def __init__(self) -> None:
        self.key = token_bytes(32)
        self.right: Latest[tuple[str, bytes], bytes] = Latest(REMEMBERED)
        """User and hash to the digest of the password."""
        self.wrong: Latest[tuple[bytes, bytes], None] = Latest(REMEMBERED)
        """Digest, and the hash that it did not match."""
        self.let_in: Latest[str, None] = Latest(ACQUAINTANCES)
        """Addresses."""


class Passwords:
    """Checks passwords against bcrypt hashes by user name, off the event loop.

    A password that was right is not checked again, so a flood of wrong ones never keeps out a scraper that
    has been let in before; `memory` is what is known of those who were let in by another configuration. A
    password that was not checked before waits in a queue; an address that was let in before has one that
    strangers cannot fill. After a wrong one the queue rests, so that guessing takes little of a
    processor. Bound to one loop; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        hashes: Mapping[str, str],
        check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
        clock: Callable[[], float] = time.monotonic,
        memory: Memory | None = None,
    ) -> None:
        self._hashes = {user: hashed.encode() for user, hashed in hashes.items()}
        self._stand_ins = sorted(self._hashes.values())
        self._secret = blake2b(b"".join(self._stand_ins)).digest()
        self._matches = check
        self._clock = clock
        self._workers = Workers("password", 2)
        self._strangers, self._acquainted = _Queue(), _Queue()
        self.memory = memory or Memory()

    async def verdict(self, user: str, password: bytes, client: str) -> Verdict:
        """Return what the password is worth; `client` is the address of whoever says it."""
        attempt = _Attempt(
            user=user,
            password=password[:LONGEST],
            digest=blake2b(user.encode() + b"\0" + password, key=self.memory.key).digest(),
            client=client,
            hashed=self._hashes.get(user) or self._stand_in(user),
        )
        known = self._known(attempt)
        if known is not None:
            return known
        queue = self._acquainted if client in self.memory.let_in else self._strangers
        if client in queue.waiting or len(queue.waiting) >= WAITING:
            return Verdict.BUSY
        queue.waiting.add(client)
        try:
            async with queue.turn:
                await asyncio.sleep(max(0.0, queue.rest_until - self._clock()))
                return self._known(attempt) or await self._check(attempt, queue)
        except LaneClosedError:  # the configuration was read again meanwhile
            return Verdict.BUSY
        finally:
            queue.waiting.discard(client)

    def close(self) -> None:
        """Let the threads end."""
        self._workers.close()

    def _known(self, attempt: "_Attempt") -> Verdict | None:
        if self.memory.right.get((attempt.user, attempt.hashed)) == attempt.digest:
            self.memory.let_in.keep(attempt.client, None)
            return Verdict.RIGHT
        wrong = (attempt.digest, attempt.hashed)
        if wrong in self.memory.wrong:
            self.memory.wrong.keep(wrong, None)
            return Verdict.WRONG
        return None

    async def _check(self, attempt: "_Attempt", queue: _Queue) -> Verdict:
        begun = self._clock()
        matches = await self._workers.run(lambda: self._checked(attempt.password, attempt.hashed))
        if matches and attempt.user in self._hashes:
            self.memory.right.keep((attempt.user, attempt.hashed), attempt.digest)
            self.memory.let_in.keep(attempt.client, None)
            return Verdict.RIGHT
        ended = self._clock()
        queue.rest_until = ended + (ended - begun) * (1 / SHARE - 1)
        self.memory.wrong.keep((attempt.digest, attempt.hashed), None)
        return Verdict.WRONG

    def _checked(self, password: bytes, hashed: bytes) -> bool:
        try:
            return self._matches(password, hashed)
        except ValueError:  # a hash that bcrypt cannot use is nobody's password
            return False

    def _stand_in(self, user: str) -> bytes:
        """Return the hash that a name without one is checked against, always the same for the same name.

        Hashes differ in what they cost, and an unknown name must cost what some known one does: so time does
        not tell which names exist.
        """
        number = int.from_bytes(blake2b(user.encode(), key=self._secret[:64]).digest()[:8])
        return self._stand_ins[number % len(self._stand_ins)]
