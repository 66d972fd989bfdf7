"""Which guests run on this host for certain, so that a live migration never shows one on two hosts.

During a migration libvirt lists the guest on both hosts. Two signs decide, and the later one counts:

- libvirt's events, which are taken as they arrive. The source's "suspended, migrated" is sent before the
  target's guest runs, and the target's "resumed" when it runs.
- the state that a collection has read, for what happened while no event could arrive.

Sources: qemuProcessHandleStop (qemu_process.c), qemuMigrationDstPrepareFresh and qemuMigrationDstFinishFresh
(qemu_migration.c).
"""

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from hostcollector.base.lanes import Clock
from hostcollector.protocols.libvirt.events import DomainEvent

LEAVING = frozenset({"migrated", "postcopy", "postcopy_failed"})
"""The details of "suspended" that end a guest's time on this host; any other pause is the guest's own."""

ELSEWHERE = frozenset({"migration", "postcopy", "postcopy_failed", "starting_up"})
"""The reasons of the state "paused" of a guest that runs on another host, or not yet."""

NOT_RUNNING = frozenset({"nostate", "shutoff"})


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last sign of a guest: whether it was here, and the Unix time of the sign."""

    here: bool
    at: float
    arriving: bool = False


class Presence:
    """Takes libvirt's events in its event loop and answers from any thread; never blocks.

    `wall_clock` gives Unix times, as `Snapshot.taken_at` has them.
    """

    def __init__(self, wall_clock: Clock = time.time) -> None:
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def take(self, event: DomainEvent) -> None:
        """Take one event of a guest."""
        with self._lock:
            seen = self._after(event, self._seen.get(event.uuid))
            if seen is not None:
                self._seen[event.uuid] = seen

    def is_here(self, uuid: str, state: str, reason: str, read_at: float) -> bool:
        """Whether the guest runs here now, or is paused here.

        `state` and `reason` are libvirt's words as a collection that began at `read_at` has read them; both
        are empty where it could not. A guest that was never seen running is not here.
        """
        with self._lock:
            seen = self._seen.get(uuid)
            if state and (seen is None or read_at >= seen.at):
                elsewhere = state == "paused" and reason in ELSEWHERE
                seen = _Seen(not elsewhere and state not in NOT_RUNNING, read_at)
                self._seen[uuid] = seen
            return seen is not None and seen.here

    def keep_only(self, uuids: Collection[str]) -> None:
        """Forget all other guests; `uuids` are those that libvirt lists."""
        with self._lock:
            self._seen = {uuid: seen for uuid, seen in self._seen.items() if uuid in uuids or seen.arriving}

    def _after(self, event: DomainEvent, seen: _Seen | None) -> _Seen | None:
        """Return what is known after the event; None if it is no sign."""
        at, arriving = self._wall_clock(), seen is not None and seen.arriving
        match event.event, event.detail:
            case "started", "migrated":
                return _Seen(here=False, at=at, arriving=True)
            case "suspended", detail if detail in LEAVING:
                return _Seen(here=False, at=at, arriving=arriving)
            # A guest that was paused before it was migrated arrives paused.
            case ("started" | "resumed", _) | ("suspended", "paused"):
                left = event.event == "suspended" and seen is not None and not seen.here and not arriving
                return None if left else _Seen(here=True, at=at)
            case "stopped", _:
                return _Seen(here=False, at=at)
        return None
