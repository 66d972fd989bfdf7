"""The collector's share of libvirtd's workers: one account for all its connections."""

import threading
from collections.abc import Collection
from dataclasses import dataclass, field

from hostcollector.base.lanes import Lane

LIBVIRTD_WORKERS = 20
"""The default of `max_workers` in libvirtd.conf and virtqemud.conf."""
NEVER_TAKEN = 2
SINGLE_CALLS = 3
POOLED_CALLS = 14
MONITOR_CALLS = 10
STATE_CALLS = 4
DEFINITION_CALLS = 4
SPARED_CALLS = 2
CALLS_BY_HAND = 2
"""Of a command that a person runs beside the daemon, perhaps because guests hang."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why a worker does not return: the guests it may be waiting for, none when libvirt itself is silent.

    `locked` is True if not even a probe returned: the guests cannot be probed either. `lane` is busy until
    the call returns.
    """

    lane: Lane
    suspects: frozenset[str] = frozenset()
    locked: bool = False


@dataclass(slots=True)
class Account:
    """What one pool occupies: workers that are `taken` for a call in flight, and those that are stuck."""

    most: int
    taken: int = 0
    set_aside: Collection[Stuck] = field(default_factory=list)

    @property
    def stuck(self) -> list[Stuck]:
        """The workers set aside whose call has not returned yet."""
        return [stuck for stuck in self.set_aside if stuck.lane.busy]


class Budget:
    """How many of libvirtd's workers the collector may occupy. Made once for the process, kept over reloads.

    A call that waits for a guest occupies a worker of libvirtd until the guest answers, also when the
    connection and the process that made it have ended. libvirtd has 20 by default, for all its clients:

    * 3 single calls, never two of a kind: the list of guests, the versions, the states of all guests;
    * 14 for calls around guests that hold one up, of which at most 10 are for monitors (statistics, control
      states, jobs), 4 for states and 4 for definitions.

    That is 17 at the very worst; 3 are left to the clients that manage the guests. Of the 10 for monitors
    only 8 are risked for guests that did not answer last time. Calls of other clients that are stuck in
    guests (`foreign`; the collector's own earlier processes included) are counted too: with them the
    collector stops at 18, and the last 2 are never taken.
    """

    def __init__(self, pooled: int = POOLED_CALLS) -> None:
        self._pooled = pooled
        self.spared = min(SPARED_CALLS, pooled - 1)
        """How many workers are kept free when guests that did not answer last time are asked together."""
        self.lock = threading.RLock()
        """Held to read or change an account: after a reload two collectors share the budget for a moment."""
        self.foreign = 0
        """How many guests' monitors were last seen occupied by calls of other processes."""
        self._accounts: list[Account] = []

    def open(self, most: int) -> Account:
        """Open an account for a pool that may occupy up to `most` workers."""
        account = Account(most)
        self._accounts.append(account)
        return account

    def free(self, account: Account, *, for_monitors: bool = True) -> int:
        """Return how many more workers the account's pool may occupy.

        Calls of other clients count only for calls that may wait for a monitor: only those were seen.
        """
        occupied = sum(one.taken + len(one.stuck) for one in self._accounts)
        foreign = self.foreign if for_monitors else 0
        beside_others = LIBVIRTD_WORKERS - NEVER_TAKEN - SINGLE_CALLS - foreign
        room = min(self._pooled, beside_others) - occupied
        return min(account.most - account.taken - len(account.stuck), room)

    @property
    def stuck_calls(self) -> int:
        """Calls that were given up and have not returned, those for an earlier collector included."""
        with self.lock:
            return sum(len(account.stuck) for account in self._accounts)

    @property
    def locked(self) -> frozenset[str]:
        """Guests whose lock libvirt holds: a call of one pool is stuck there, and no second one is made."""
        with self.lock:
            return frozenset(
                uuid
                for account in self._accounts
                for stuck in account.stuck
                if stuck.locked
                for uuid in stuck.suspects
            )
