"""Checks passwords at a bounded cost, however many are tried."""

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
from hostcollector.base.lanes import Workers

K = TypeVar("K")
V = TypeVar("V")

LONGEST = 72
"""Bytes of a password that bcrypt uses; programs that make the hashes cut it there too."""

REMEMBERED = 1000
"""Wrong passwords whose verdict is kept, the latest ones."""

WAITING = 8
"""Checks that may be queued, at most one for each client's address."""

SHARE = 0.05
"""Share of one processor for the checks of wrong passwords, for known and for other addresses each."""

KNOWN_ADDRESSES = 100
"""Addresses that are remembered because a password from there was right, the latest ones."""


class Verdict(Enum):
    """The result of a check."""

    RIGHT = auto()
    WRONG = auto()
    BUSY = auto()
    """Not checked: the queue is full, or this client is in it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A password of a request, and the hash that it is checked against."""

    user: str
    password: bytes = field(repr=False)
    digest: bytes
    client: str
    hashed: bytes = field(repr=False)


class _Queue:
    """Clients that wait for their check; one check at a time, with a pause after each wrong password."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.paused_until = 0.0
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


class CheckedPasswords:
    """Results of earlier checks; they stay valid over a reload of the configuration."""

    def __init__(self) -> None:
        self.key = token_bytes(32)
        self.right: Latest[tuple[str, bytes], bytes] = Latest(REMEMBERED)
        """User and hash to the digest of the password."""
        self.wrong: Latest[tuple[bytes, bytes], None] = Latest(REMEMBERED)
        """Digest, and the hash that it did not match."""
        self.addresses: Latest[str, None] = Latest(KNOWN_ADDRESSES)
        """Addresses from which a password was right."""


class Passwords:
    """Checks passwords against bcrypt hashes by user name, off the event loop.

    * A password that was right is not checked again, so a flood of wrong ones never delays a known scraper.
      `checked` has the results of the configuration before.
    * A new password waits in a queue. Addresses from which a password was right have a queue of their own,
      which others cannot fill.
    * After a wrong password the queue pauses, so that guessing takes little of a processor.

    Bound to one loop; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        hashes: Mapping[str, str],
        check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
        clock: Callable[[], float] = time.monotonic,
        checked: CheckedPasswords | None = None,
    ) -> None:
        self._hashes = {user: hashed.encode() for user, hashed in hashes.items()}
        self._stand_ins = sorted(self._hashes.values())
        self._secret = blake2b(b"".join(self._stand_ins)).digest()
        self._matches = check
        self._clock = clock
        self._workers = Workers("password", 2)
        self._others, self._known_addresses = _Queue(), _Queue()
        self.checked = checked or CheckedPasswords()

    async def verdict(self, user: str, password: bytes, client: str) -> Verdict:
        """Return the result for a password; `client` is the address of its client."""
        attempt = _Attempt(
            user=user,
            password=password[:LONGEST],
            digest=blake2b(user.encode() + b"\0" + password, key=self.checked.key).digest(),
            client=client,
            hashed=self._hashes.get(user) or self._stand_in(user),
        )
        known = self._known(attempt)
        if known is not None:
            return known
        queue = self._known_addresses if client in self.checked.addresses else self._others
        if client in queue.waiting or len(queue.waiting) >= WAITING:
            return Verdict.BUSY
        queue.waiting.add(client)
        try:
            async with queue.turn:
                await asyncio.sleep(max(0.0, queue.paused_until - self._clock()))
                return self._known(attempt) or await self._check(attempt, queue)
        except LaneClosedError:  # the configuration was reloaded meanwhile
            return Verdict.BUSY
        finally:
            queue.waiting.discard(client)

    def close(self) -> None:
        """Let the threads end."""
        self._workers.close()

    def _known(self, attempt: "_Attempt") -> Verdict | None:
        if self.checked.right.get((attempt.user, attempt.hashed)) == attempt.digest:
            self.checked.addresses.keep(attempt.client, None)
            return Verdict.RIGHT
        wrong = (attempt.digest, attempt.hashed)
        if wrong in self.checked.wrong:
            self.checked.wrong.keep(wrong, None)
            return Verdict.WRONG
        return None

    async def _check(self, attempt: "_Attempt", queue: _Queue) -> Verdict:
        begun = self._clock()
        matches = await self._workers.run(lambda: self._checked(attempt.password, attempt.hashed))
        if matches and attempt.user in self._hashes:
            self.checked.right.keep((attempt.user, attempt.hashed), attempt.digest)
            self.checked.addresses.keep(attempt.client, None)
            return Verdict.RIGHT
        ended = self._clock()
        queue.paused_until = ended + (ended - begun) * (1 / SHARE - 1)
        self.checked.wrong.keep((attempt.digest, attempt.hashed), None)
        return Verdict.WRONG

    def _checked(self, password: bytes, hashed: bytes) -> bool:
        try:
            return self._matches(password, hashed)
        except ValueError:  # a hash that bcrypt cannot use has no password
            return False

    def _stand_in(self, user: str) -> bytes:
        """Return the hash for an unknown user, always the same for the same name.

        Hashes differ in cost. An unknown name costs as much as a known one, so that the time of an answer
        does not show which names exist.
        """
        number = int.from_bytes(blake2b(user.encode(), key=self._secret[:64]).digest()[:8])
        return self._stand_ins[number % len(self._stand_ins)]
