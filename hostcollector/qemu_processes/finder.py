"""Finds the guests' QEMU processes and the kernel's vhost threads that work for them.

Each scan lists /proc and looks only at PIDs that it has not seen before, so that a collection costs one
directory listing. Command lines are read of new processes that look like QEMU: the kernel makes whoever reads
another process's command line wait for that process's memory map, which one that hangs on a dead file system
may hold for ever. Only a guest without a process makes the scan read all of them, and not too often.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostcollector.errors import SourceDeniedError, SourceMalformedError, SourceUnavailableError
from hostcollector.kernel_files import ProcessStat, names, read
from hostcollector.model import Guest
from hostcollector.qemu_processes.claims import Claim, proven
from hostcollector.qemu_processes.command_line import identity_of
from hostcollector.wording import counted

# Two sources ask in the same collection: the second one gets the first one's scan.
FRESH_SECONDS = 0.5
# How often all processes are looked at again while a guest has none.
SEARCH_INTERVAL_SECONDS = 10.0
PID_FILES = "run/libvirt/qemu"

_LIKELY = (b"qemu", b"kvm")
_VHOST = b"vhost-"
# With async-teardown QEMU clones itself, command line included, only to free its memory after its end.
_TEARDOWN = b"cleanup/"

HIDDEN = (
    "/proc hides the processes of other users from this account: mount it without hidepid or put the account "
    "into the group of its gid= option, and leave ProtectProc= out of the collector's unit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuProcess:
    """A guest's QEMU. `start_ticks`, in clock ticks since boot, tells it from a later owner of its PID."""

    uuid: str
    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The QEMU of each guest by UUID, and what is missing.

    `vhost_threads` by QEMU's PID are kernel threads; from Linux 6.4 on there are none, they are QEMU's own.
    """

    processes: Mapping[str, QemuProcess]
    vhost_threads: Mapping[int, tuple[int, ...]]
    notes: tuple[str, ...] = ()


class QemuProcesses:
    """Knows the QEMU processes under `root`. May be asked by several threads; `clock` is monotonic."""

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self.root = root
        self._proc = str(root / "proc")
        self._clock = clock
        self._lock = threading.Lock()
        self._scanned_at = self._searched_at = float("-inf")
        self._seen: set[int] = set()
        self._young: set[int] = set()
        self._claims: dict[int, Claim] = {}
        self._vhost: dict[int, int] = {}

    def find(self, guests: Mapping[str, Guest]) -> Found:
        """Return the processes of `guests`. Raises `SourceDeniedError` or `SourceUnavailableError`."""
        with self._lock:
            now = self._clock()
            if now - self._scanned_at >= FRESH_SECONDS:
                self._scan(everything=False)
                self._scanned_at = now
            named = {claim.uuid for claim in self._claims.values()}
            if not named.issuperset(guests) and now - self._searched_at >= SEARCH_INTERVAL_SECONDS:
                self._scan(everything=True)
                self._searched_at = now
            return self._found(guests)

    def is_running(self, process: QemuProcess) -> bool:
        """Whether the PID still belongs to this process; what was read of it before is then its own."""
        stat = self._stat(process.pid)
        return stat is not None and stat.start_ticks == process.start_ticks and not stat.is_dead

    def forget(self, process: QemuProcess) -> None:
        """Take the PID for one that was never seen: it turned out to be somebody else's by now."""
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
        self._seen, self._young = pids, new
        for known in (self._claims, self._vhost):
            for pid in known.keys() - pids:
                del known[pid]
        for pid in candidates:
            self._look(pid, everything=everything)

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
            except OSError:
                return
            if identity is not None:
                self._claims[pid] = Claim(pid=pid, start_ticks=stat.start_ticks, **identity._asdict())

    def _stat(self, pid: int) -> ProcessStat | None:
        try:
            return ProcessStat.parse(read(f"{self._proc}/{pid}/stat"))
        except (OSError, SourceMalformedError):
            return None

    def _found(self, guests: Mapping[str, Guest]) -> Found:
        claims: dict[str, list[Claim]] = {}
        for claim in self._claims.values():
            claims.setdefault(claim.uuid, []).append(claim)
        processes = {}
        for uuid, guest in guests.items():
            true = proven(claims.get(uuid, ()), guest.domain.name, self.root / PID_FILES)
            if true is not None:
                processes[uuid] = QemuProcess(uuid=uuid, pid=true.pid, start_ticks=true.start_ticks)
        if guests and not processes and self._stat(1) is None:
            raise SourceDeniedError(HIDDEN)
        missing = [guest for uuid, guest in guests.items() if uuid not in processes]
        return Found(
            processes=processes,
            vhost_threads=_by_owner(self._vhost),
            notes=tuple(_notes(missing, claims)),
        )


def _by_owner(vhost: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    threads: dict[int, tuple[int, ...]] = {}
    for thread, owner in sorted(vhost.items()):
        threads[owner] = (*threads.get(owner, ()), thread)
    return threads


def _notes(missing: Iterable[Guest], claims: Mapping[str, list[Claim]]) -> Iterator[str]:
    unseen = []
    for guest in missing:
        name = guest.domain.name
        if pids := ", ".join(str(claim.pid) for claim in claims.get(guest.domain.uuid, ())):
            yield f"none of the processes {pids} is provably the QEMU of guest {name!r}"
        else:
            unseen.append(name)
    if unseen:
        yield f"{counted(len(unseen), 'guest')} without a QEMU process that can be seen ({unseen[0]!r} first)"
