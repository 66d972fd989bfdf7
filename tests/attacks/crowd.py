"""Many connections that an attacker keeps open at the same time, and what he does to each of them."""

import select
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from tests.attacks.victim import Clock, Victim

THREADS = 20
Begin = Callable[[Victim, str], socket.socket]
Tend = Callable[[socket.socket, int], None]


def nothing(_member: socket.socket, _age: int) -> None:
    """Leave a connection alone."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How a crowd behaves; a connection that the daemon cuts off is replaced by a new one."""

    number: int
    begin: Begin
    """Opens a connection from an address. OSError where the daemon does not want it."""

    tend: Tend = nothing
    """What is done to each connection in each round, with the number of rounds that it has had. OSError where
    it has ended."""

    addresses: int = 1
    """From how many addresses they come."""

    pause: float = 0.2
    """Seconds between two rounds."""

    def __call__(self, victim: Victim, clock: Clock) -> None:
        """Attack."""
        shares = [self.number // THREADS + (thread < self.number % THREADS) for thread in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda share: _Part(self, victim, clock).keep(share), filter(None, shares)))


@dataclass(slots=True)
class _Part:
    """Those of a crowd that one thread looks after."""

    crowd: Crowd
    victim: Victim
    clock: Clock
    members: dict[socket.socket, int] = field(default_factory=dict)
    """With the rounds that they have had."""

    def keep(self, number: int) -> None:
        """Keep so many open until the time is over."""
        try:
            for _ in self.clock:
                self._replace(number)
                for member in tuple(self.members):
                    self._tend(member)
                self.clock.sleep(self.crowd.pause)
        finally:
            for member in self.members:
                member.close()

    def _replace(self, number: int) -> None:
        for member in tuple(self.members):
            if _ended(member):
                self._drop(member)
        with suppress(OSError):
            while len(self.members) < number and self.clock.left > 0:
                address = self.clock.address(self.crowd.addresses)
                self.members[self.crowd.begin(self.victim, address)] = 0

    def _tend(self, member: socket.socket) -> None:
        if self.clock.left <= 0:
            return
        try:
            self.members[member] += 1
            self.crowd.tend(member, self.members[member])
        except TimeoutError:
            return
        except OSError:
            self._drop(member)

    def _drop(self, member: socket.socket) -> None:
        del self.members[member]
        member.close()


def _ended(member: socket.socket) -> bool:
    """Whether the daemon has closed it; what was received is not looked at."""
    poll = select.poll()
    poll.register(member, select.POLLRDHUP)
    return bool(poll.poll(0))


def stuff(member: socket.socket, requests: bytes, patience: float = 0.1) -> None:
    """Send the same again and again until the daemon has taken nothing for so many seconds."""
    member.settimeout(patience)
    with suppress(TimeoutError):
        while True:
            member.sendall(requests)
