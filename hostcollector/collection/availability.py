"""How long each guest was available, and how long it was not: as planned, or unplanned.

The time between two pages counts as the state on the later one. Time without a result is not counted, nor is
a gap in which no page was made. A guest that ended and comes back gets the time of its absence at once, by
the reason of its end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hostcollector.base.model import Guest, Sample
from hostcollector.catalogue import ends, liveness
from hostcollector.collection.signs import MOST_BETWEEN_SECONDS, RUNNING, UNREAD, Families, Signs
from hostcollector.guests.ends import Reason

MOST_KEPT = 1000
"""How many guests that are gone are remembered."""

_PAUSED, _SHUTTING_DOWN, _CRASHED, _SUSPENDED = 3, 4, 6, 7
"""libvirt's states in which a guest is not available."""

_FAULTS = frozenset({"ioerror", "watchdog", "crashed", "postcopy_failed", "api_error"})
"""libvirt's reasons of a pause that is a fault."""

LATE_SECONDS = 60.0
"""How long libvirt may still list a guest whose QEMU has ended."""


class State(StrEnum):
    """What a guest's time counts as."""

    AVAILABLE = "available"
    PLANNED = "planned"
    UNPLANNED = "unplanned"


_AFTER_END = {
    Reason.SHUTDOWN_BY_GUEST: State.PLANNED,
    Reason.SHUTDOWN_BY_HOST: State.PLANNED,
    Reason.DESTROYED: State.PLANNED,
    Reason.SAVED: State.PLANNED,
    Reason.FROM_SNAPSHOT: State.PLANNED,
    Reason.CRASHED: State.UNPLANNED,
    Reason.FAILED: State.UNPLANNED,
    Reason.OOM_KILL: State.UNPLANNED,
}


@dataclass(slots=True)
class _Account:
    """A guest's seconds by state. `has_run` is whether this run of the guest was seen running here."""

    stay: int
    seen_at: float
    counted_at: float
    seconds: dict[State, float] = field(default_factory=lambda: dict.fromkeys(State, 0.0))
    has_run: bool = False


class Availability:
    """Remembers the guests' seconds from page to page. Made once for the process."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._page_at = 0.0
        self._before = 0.0

    @property
    def remembered(self) -> int:
        """How many guests are remembered, with those that are gone."""
        return len(self._accounts)

    def begin(self, taken_at: float, guests: Mapping[str, Guest], families: Families) -> None:
        """Begin a page. One that is made twice at the same time counts once."""
        if taken_at != self._page_at:
            self._before, self._page_at = self._page_at, taken_at
        for uuid, known in guests.items():
            stay, account = known.domain.id, self._accounts.get(uuid)
            if account is None:
                account = self._accounts[uuid] = _Account(stay, taken_at, taken_at)
            elif stay not in (account.stay, UNREAD):
                self._come_back(uuid, account, families)
                account.stay, account.has_run, account.counted_at = stay, False, taken_at
            account.seen_at = taken_at
        gone = [uuid for uuid in self._accounts if uuid not in guests]
        for uuid in gone[: max(0, len(gone) - MOST_KEPT)]:
            del self._accounts[uuid]

    def samples(self, uuid: str, signs: Signs, *, passed: bool | None) -> Iterator[Sample]:
        """Count the guest's time, and yield its seconds. `passed` is the system check, None for unknown."""
        account = self._accounts[uuid]
        account.has_run |= signs.state in RUNNING
        state = _state(signs, passed, has_run=account.has_run)
        elapsed = self._page_at - self._before
        is_new = account.counted_at != self._page_at
        if state is not None and is_new and 0 < elapsed <= MOST_BETWEEN_SECONDS:
            account.seconds[state] += elapsed
            account.counted_at = self._page_at
        for each, seconds in account.seconds.items():
            yield Sample(liveness.AVAILABILITY, seconds, (each.value,), uuid)

    def _come_back(self, uuid: str, account: _Account, families: Families) -> None:
        """Add the time since the guest ended, if the page says why it did."""
        for labels, ended_at in families.get(ends.ENDED, {}).items():
            if labels[2] != uuid or not isinstance(ended_at, int | float):
                continue
            state = _AFTER_END.get(Reason(labels[3]))
            # Not an earlier end. libvirt may list a guest for a while whose QEMU has ended.
            if state is not None and account.seen_at - LATE_SECONDS <= ended_at < self._page_at:
                account.seconds[state] += self._page_at - ended_at


def _state(signs: Signs, passed: bool | None, *, has_run: bool) -> State | None:  # noqa: FBT001
    """Return what the time counts as; None for what is not known.

    A guest that arrives by migration is paused here and runs at its source: its time counts there.
    """
    if signs.state in RUNNING:
        return {True: State.AVAILABLE, False: State.UNPLANNED, None: None}[passed]
    if signs.state == _CRASHED or (signs.state == _PAUSED and signs.reason in _FAULTS):
        return State.UNPLANNED
    if signs.state == _PAUSED and (
        signs.reason in ("", "unknown") or (signs.reason == "migration" and not has_run)
    ):
        return None
    return State.PLANNED if signs.state in (_PAUSED, _SHUTTING_DOWN, _SUSPENDED) else None
