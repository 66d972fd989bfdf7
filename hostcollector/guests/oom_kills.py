"""Whether the kernel's out-of-memory (OOM) killer ended a guest's QEMU.

The guest's own control group vanishes with QEMU, and its counter with it. The counter of the group above
(``memory.events`` of machine.slice) counts the kills in all groups below it, and stays. Where there is no
such group (version 1), ``oom_kill`` in /proc/vmstat counts the kills of the whole host.

Sources: Documentation/admin-guide/cgroup-v2.rst, memory.events; mm/oom_kill.c.
"""

import os
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.lanes import Clock
from hostcollector.protocols.kernel.files import integer, read

# QEMU frees its memory after it was killed: on a large guest its end comes some seconds later.
CLAIMED_WITHIN_SECONDS = 60.0

# Kills kept of one group; more are dropped, the oldest first.
_MOST_UNCLAIMED = 1000

_KEY = b"\noom_kill "


class OomKills:
    """Counts the kills below each group of guests; each kill explains the end of one guest."""

    def __init__(self, root: Path = Path("/"), clock: Clock = time.monotonic) -> None:
        self._of_host = str(root / "proc/vmstat")
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._unclaimed: dict[str, list[float]] = {}

    def watch(self, groups: Mapping[str, str]) -> None:
        """Take the directory of each guest's own control group of version 2, by UUID."""
        parents = {uuid: f"{os.path.dirname(directory)}/memory.events" for uuid, directory in groups.items()}  # noqa: PTH120
        readable = {path for path in set(parents.values()) if os.access(path, os.R_OK)}
        with self._lock:
            self._files |= {uuid: path for uuid, path in parents.items() if path in readable}

    def note(self, guests: Collection[str]) -> None:
        """Read the counters of these guests, by UUID, and forget all other guests."""
        with self._lock:
            self._files = {uuid: self._files[uuid] for uuid in guests if uuid in self._files}
            for path in {self._files.get(uuid, self._of_host) for uuid in guests}:
                self._count(path)

    def claim(self, guest: str) -> bool:
        """Return whether a kill explains the end of the guest; it then explains no other end."""
        with self._lock:
            path = self._files.get(guest, self._of_host)
            self._count(path)
            since = self._clock() - CLAIMED_WITHIN_SECONDS
            unclaimed = [moment for moment in self._unclaimed.get(path, ()) if moment >= since]
            self._unclaimed[path] = unclaimed[1:]
            return bool(unclaimed)

    def _count(self, path: str) -> None:
        """Note the kills since the last look; the first look counts none."""
        try:
            _, found, rest = (b"\n" + read(path)).partition(_KEY)
            count = integer(rest.partition(b"\n")[0]) if found else None
        except (OSError, SourceMalformedError):
            count = None
        if count is None:
            self._counts.pop(path, None)
            return
        kills = count - self._counts.get(path, count)
        self._counts[path] = count
        if kills > 0:
            kept = self._unclaimed.get(path, [])[-_MOST_UNCLAIMED:]
            self._unclaimed[path] = kept + [self._clock()] * min(kills, _MOST_UNCLAIMED)
