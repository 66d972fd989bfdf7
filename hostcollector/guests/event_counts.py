"""Counts events per domain: the inventory writes, the `events` source reads, from different threads."""

import threading
from collections import Counter
from collections.abc import Mapping


class EventCounts:
    """How often each (event, detail) happened to each domain since the collector has known it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[tuple[str, str]]] = {}

    def add(self, uuid: str, event: str, detail: str) -> None:
        """Count one event of the domain."""
        with self._lock:
            self._counts.setdefault(uuid, Counter())[event, detail] += 1

    def forget(self, uuid: str) -> None:
        """Forget the domain, which has ended: if it comes back, its series begin anew."""
        with self._lock:
            self._counts.pop(uuid, None)

    def keep_only(self, uuids: frozenset[str]) -> None:
        """Forget the domains that are not among `uuids`: their series end with them."""
        with self._lock:
            self._counts = {uuid: counts for uuid, counts in self._counts.items() if uuid in uuids}

    def snapshot(self) -> Mapping[str, Mapping[tuple[str, str], int]]:
        """Return a copy that nobody changes."""
        with self._lock:
            return {uuid: dict(counts) for uuid, counts in self._counts.items()}
