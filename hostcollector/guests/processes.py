"""Finds the guests' QEMU processes and the kernel's vhost threads that work for them.

Each scan lists /proc and looks only at PIDs that it has not seen before, so that a collection costs one
directory listing. Command lines are read only of new processes that look like QEMU: a read waits for the
process's memory map, which a process that hangs on a dead file system may hold for ever. All command lines
are read while a guest has no process, every `SEARCH_INTERVAL_SECONDS`.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hostcollector.base.errors import SourceDeniedError, SourceMalformedError, SourceUnavailableError
from hostcollector.base.model import Guest
from hostcollector.base.wording import counted
from hostcollector.guests.process_claims import Claim, identity_of, proven
from hostcollector.protocols.kernel.files import NO_DESCRIPTOR, boot_time, names, read
from hostcollector.protocols.kernel.process_stat import ProcessStat

# How often all processes are looked at again while a guest has none.
SEARCH_INTERVAL_SECONDS = 10.0
PID_FILES = "run/libvirt/qemu"

_LIKELY = (b"qemu", b"kvm")
_VHOST = b"vhost-"
# With async-teardown QEMU clones itself, command line included, only to free its memory after its end.
_TEARDOWN = b"cleanup/"

# A guest's QEMU starts before libvirt lists the guest, and may end after it.
UNLISTED_AFTER_SECONDS = 30.0

# How long `started` waits for another source's `find`.
PATIENCE_SECONDS = 0.5

HIDDEN = (
    "/proc hides the processes of other users from this account: mount it without hidepid or put the account "
    "into the group of its gid= option, and leave ProtectProc= out of the collector's unit"
)


class QemuProcess(NamedTuple):
    """A guest's QEMU. `start_ticks`, in clock ticks since boot, differs for a later owner of the PID."""

    uuid: str
    pid: int
    start_ticks: int


class StartTimes:
    """When processes started, as Unix times: the time of boot in /proc/stat plus ticks since boot.

    Computed once per process, and kept over reloads. The kernel derives the time of boot from the present
    clock, so it moves when the clock is set. And on a large machine reading /proc/stat takes milliseconds.
    """

    def __init__(self, proc: str, ticks_per_second: int = os.sysconf("SC_CLK_TCK")) -> None:
        self._path = f"{proc}/stat"
        self._ticks_per_second = ticks_per_second
        self._known: dict[QemuProcess, float] = {}
        self._by_start: dict[tuple[str, float], QemuProcess] = {}

    def begin(self, processes: Iterable[QemuProcess]) -> None:
        """Compute the start times of new processes and drop those of ended ones."""
        before, wanted = self._known, set(processes)  # during a reload two collections may ask
        known = {process: before[process] for process in wanted & before.keys()}
        if new := wanted - known.keys():
            with suppress(OSError, SourceMalformedError):
                booted = boot_time(self._path)
                known |= {each: booted + each.start_ticks / self._ticks_per_second for each in new}
        self._known = known
        self._by_start = {(process.uuid, started): process for process, started in known.items()}

    def of(self, process: QemuProcess) -> float | None:
        """Return the Unix time in seconds; None where /proc/stat is hidden (ProcSubset=pid)."""
        return self._known.get(process)

    def process_of(self, uuid: str, started: float) -> QemuProcess | None:
        """Return the guest's QEMU to which `of` gives this start time; None if it has ended."""
        return self._by_start.get((uuid, started))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The QEMU of each guest by UUID, and what is missing.

    `vhost_threads` by QEMU's PID are kernel threads. From Linux 6.4 on there are none: QEMU has them.
    `unlisted` are the names that command lines give guests which libvirt has not listed for half a minute.
    """

    processes: Mapping[str, QemuProcess]
    vhost_threads: Mapping[int, tuple[int, ...]]
    unlisted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Answer(NamedTuple):
    guests: Mapping[str, Guest]
    moment: float | None
    found: Found


class QemuProcesses:
    """Knows the QEMU processes under `root`. May be asked by several threads; `clock` is monotonic."""

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self.root = root
        self._proc = str(root / "proc")
        self._pid_files = root / PID_FILES
        self.start_times = StartTimes(self._proc)
        self._clock = clock
        self._lock = threading.Lock()
        self._news = threading.Condition()
        self._patience = PATIENCE_SECONDS
        self._searched_at = float("-inf")
        self._last: _Answer | None = None
        self._seen: set[int] = set()
        self._young: set[int] = set()
        self._claims: dict[int, Claim] = {}
        self._unlisted: dict[Claim, float] = {}
        self._vhost: dict[int, int] = {}

    def find(self, guests: Mapping[str, Guest], moment: float | None = None) -> Found:
        """Return the processes of `guests`. Raises `SourceDeniedError` or `SourceUnavailableError`.

        The answer is kept for the same guests and the same `moment`, the time of a collection: all sources of
        a collection see one QEMU of a guest that is restarted meanwhile, and never two.
        """
        with self._lock:
            last = self._last
            if last is not None and last.guests is guests and last.moment == moment is not None:
                return last.found
            self._scan(everything=False)
            named = {claim.uuid for claim in self._claims.values()}
            now = self._clock()
            if not named.issuperset(guests) and now - self._searched_at >= SEARCH_INTERVAL_SECONDS:
                self._scan(everything=True)
                self._searched_at = now
            self._last = _Answer(guests, moment, self._found(guests))
            with self._news:
                self._news.notify_all()
            return self._last.found

    @property
    def last(self) -> Mapping[str, QemuProcess]:
        """The processes that the last `find` found, by the guest's UUID; none before the first."""
        last = self._last
        return last.found.processes if last is not None else {}

    def started(self, uuids: Iterable[str]) -> Mapping[str, int]:
        """Return when the QEMUs of these guests started, in clock ticks since boot, as far as that is known.

        Reads no command line, which may hang: it takes the result of `find`, and waits a moment for another
        source of the collection to find new guests.
        """
        wanted = frozenset(uuids)
        with self._news:
            if not self._news.wait_for(lambda: self._has_looked_for(wanted), self._patience):
                self._patience = 0.0  # no source looks for processes here, or the look hangs
            found = self._last.found.processes if self._last is not None else {}
        known = ((uuid, found[uuid]) for uuid in wanted if uuid in found)
        try:
            return {uuid: process.start_ticks for uuid, process in known if self.is_running(process)}
        except SourceUnavailableError:
            return {}

    def _has_looked_for(self, uuids: frozenset[str]) -> bool:
        return self._last is not None and uuids <= self._last.guests.keys()

    def named(self) -> frozenset[str]:
        """Return the UUIDs that command lines name, proven or not. May hang and raises as `find` does."""
        with self._lock:
            self._scan(everything=False)
            return frozenset(claim.uuid for claim in self._claims.values())

    def is_running(self, process: QemuProcess) -> bool:
        """Whether the PID still belongs to this process; all files read before are then this process's.

        Raises `SourceUnavailableError` when no file can be opened.
        """
        stat = self._stat(process.pid)
        return stat is not None and stat.start_ticks == process.start_ticks and not stat.is_dead

    def forget(self, process: QemuProcess) -> None:
        """Forget the PID, which belongs to another process by now: the next scan looks at it again."""
        with self._lock:
            claim = self._claims.get(process.pid)
            if claim is not None and claim.start_ticks == process.start_ticks:
                del self._claims[process.pid]
                self._seen.discard(process.pid)

    def _scan(self, *, everything: bool) -> None:
        try:
            pids = {int(name) for name in names(self._proc) if name.isdecimal()}
        except OSError as error:
            raise SourceUnavailableError(f"no processes under {self._proc}: {error.strerror}") from error
        new = pids - self._seen
        # Each PID is looked at in two scans: the first may meet it between fork and exec, still nameless.
        candidates = (pids - self._claims.keys() if everything else new) | (self._young & pids)
        self._seen &= pids
        self._young |= new
        for known in (self._claims, self._vhost):
            for pid in known.keys() - pids:
                del known[pid]
        for pid in candidates:
            self._look(pid, everything=everything)
            self._seen.add(pid)  # not before: a look that fails without a free descriptor is made again
        self._young = new

    def _look(self, pid: int, *, everything: bool) -> None:
        self._claims.pop(pid, None)
        self._vhost.pop(pid, None)
        stat = self._stat(pid)
        if stat is None:
            return
        if stat.is_kernel_thread:
            owner = stat.comm.removeprefix(_VHOST)
            if owner != stat.comm and owner.isdigit():
                self._vhost[pid] = int(owner)
        elif (everything or stat.comm.startswith(_LIKELY)) and not stat.comm.startswith(_TEARDOWN):
            try:
                identity = identity_of(read(f"{self._proc}/{pid}/cmdline"))
            except OSError as error:
                _raise_without_descriptor(error)
                return
            if identity is not None:
                self._claims[pid] = Claim(pid=pid, start_ticks=stat.start_ticks, **identity._asdict())

    def _stat(self, pid: int) -> ProcessStat | None:
        """Return the PID's /proc/PID/stat; None if there is no such process or it is hidden."""
        try:
            return ProcessStat.parse(read(f"{self._proc}/{pid}/stat"))
        except SourceMalformedError:
            return None
        except OSError as error:
            _raise_without_descriptor(error)
            return None

    def _found(self, guests: Mapping[str, Guest]) -> Found:
        claims: dict[str, list[Claim]] = {}
        for claim in self._claims.values():
            claims.setdefault(claim.uuid, []).append(claim)
        processes = {}
        for uuid, guest in guests.items():
            true = proven(claims.get(uuid, ()), guest.domain.name, self._pid_files)
            if true is not None:
                processes[uuid] = QemuProcess(uuid=uuid, pid=true.pid, start_ticks=true.start_ticks)
        if guests and not processes and self._stat(1) is None:
            raise SourceDeniedError(HIDDEN)
        missing = [guest for uuid, guest in guests.items() if uuid not in processes]
        return Found(
            processes=processes,
            vhost_threads=_by_owner(self._vhost),
            unlisted=self._not_among(guests),
            notes=tuple(_notes_on(missing, claims)),
        )

    def _not_among(self, guests: Mapping[str, Guest]) -> tuple[str, ...]:
        """Return the names of guests that processes name and libvirt does not list, not even a while ago."""
        unlisted = [claim for claim in self._claims.values() if claim.uuid not in guests]
        now = self._clock() if unlisted else 0.0
        self._unlisted = {claim: self._unlisted.get(claim, now) for claim in unlisted}
        since = self._unlisted.items()
        return tuple(sorted(claim.name for claim, at in since if now - at >= UNLISTED_AFTER_SECONDS))


def _notes_on(missing: Iterable[Guest], claims: Mapping[str, Sequence[Claim]]) -> Iterator[str]:
    """Yield a note for each guest with unproven processes only, and one for all guests without a process."""
    unseen = []
    for guest in missing:
        name = guest.domain.name
        if pids := ", ".join(str(claim.pid) for claim in claims.get(guest.domain.uuid, ())):
            yield f"none of the processes {pids} is provably the QEMU of guest {name!r}"
        else:
            unseen.append(name)
    if unseen:
        yield f"{counted(len(unseen), 'guest')} without a QEMU process that can be seen ({unseen[0]!r} first)"


def _raise_without_descriptor(error: OSError) -> None:
    """Raise `SourceUnavailableError` if a descriptor was missing: the process may still be there."""
    if error.errno in NO_DESCRIPTOR:
        raise SourceUnavailableError(f"no process can be looked at: {error.strerror}") from error


def _by_owner(vhost: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    threads: dict[int, tuple[int, ...]] = {}
    for thread, owner in sorted(vhost.items()):
        threads[owner] = (*threads.get(owner, ()), thread)
    return threads
