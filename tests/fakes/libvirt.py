"""A libvirt daemon with guests that hang on command, behaving as libvirt 9.0 was measured to.

The first call that meets a stuck monitor never returns and holds the guest's job; later NOWAIT calls step
over it; controlInfo returns how long the monitor has been occupied, unless the guest's very lock is held.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import libvirt

CONTROL_OK, CONTROL_OCCUPIED = 0, 2
NO_JOB = {"type": libvirt.VIR_DOMAIN_JOB_NONE}
RUNNING, BOOTED = 1, 1
SHUT_OFF = 2
"""How many guests are defined and not active."""


def gone() -> libvirt.libvirtError:
    """Return what libvirt raises for a guest that it does not know."""
    error = libvirt.libvirtError("Domain not found")
    error.err = (libvirt.VIR_ERR_NO_DOMAIN, 0, "Domain not found", 2, None, None, None, 0, 0)
    return error


def denied() -> libvirt.libvirtError:
    """Return what libvirt raises for a guest that its access rules hide."""
    said = "access denied: 'QEMU' denied access"
    error = libvirt.libvirtError(said)
    error.err = (libvirt.VIR_ERR_ACCESS_DENIED, 0, said, 2, None, None, None, 0, 0)
    return error


class FakeDomain:
    """One guest. `stick` makes its monitor hang, `lock` its object lock; `free` ends both."""

    def __init__(self, uuid: str) -> None:
        self.uuid = uuid
        self.calls = 0
        self.refuses = False
        """Whether libvirt does not return the definition."""
        self.hidden = False
        """Whether access rules hide it: it is left out of lists, and cannot be looked up."""
        self.counts = True
        """Whether QEMU counts what the disk does."""
        self.job: Mapping[str, Any] = NO_JOB
        self.finished_job: Mapping[str, Any] = NO_JOB
        self.block_jobs: dict[str, Mapping[str, int]] = {}
        self.asked_disks: list[str] = []
        self._monitor = threading.Event()
        self._monitor.set()
        self._unlocked = threading.Event()
        self._unlocked.set()
        self._occupied_since: float | None = None
        self._met = 0
        self._ended = False
        self.xml = f"<domain type='kvm' id='1'><name>{uuid[-4:]}</name><uuid>{uuid}</uuid></domain>"

    def meet(self) -> None:
        """Let the next call find the monitor busy with another client's command."""
        self._met += 1

    def end(self) -> None:
        """Be unknown to libvirt from now on."""
        self._ended = True

    def occupy(self) -> None:
        """Be busy with another client's command, until freed."""
        self._occupied_since = time.monotonic()

    def stick(self) -> None:
        """Let the monitor hang from the next command on."""
        self._monitor.clear()

    def lock(self) -> None:
        """Let every call about the guest hang, as during a long start or stop."""
        self._unlocked.clear()

    def free(self) -> None:
        """Let everything that hangs return."""
        self._occupied_since = None
        self._monitor.set()
        self._unlocked.set()

    def UUIDString(self) -> str:  # noqa: N802 - libvirt's name
        """Return the UUID, without a query."""
        return self.uuid

    def name(self) -> str:
        """Return the name, which the handle knows."""
        return self.uuid[-4:]

    def isActive(self) -> int:  # noqa: N802 - libvirt's name
        """Return whether it runs; needs the lock."""
        self._unlocked.wait()
        return int(not self._ended)

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802 - libvirt's name
        """Return the definition; needs the lock."""
        self._unlocked.wait()
        if self.refuses:
            raise libvirt.libvirtError("no XML")
        if self._ended:
            raise gone()
        return self.xml

    def controlInfo(self, _flags: int) -> tuple[int, int, int]:  # noqa: N802 - libvirt's name
        """Return state, details and milliseconds; needs the lock, not the monitor."""
        self._unlocked.wait()
        if self._ended:
            raise gone()
        since = self._occupied_since
        if since is None:
            return CONTROL_OK, 0, 0
        return CONTROL_OCCUPIED, 0, int((time.monotonic() - since) * 1000)

    def jobStats(self, flags: int = 0) -> Mapping[str, Any]:  # noqa: N802 - libvirt's name
        """Return the parameters of the running job, or of the last finished one, which must be kept."""
        if not flags & libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED:
            return self.job
        assert flags & libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED, "forgotten for all other clients"
        return self.finished_job

    def blockJobInfo(self, disk: str) -> Mapping[str, int]:  # noqa: N802 - libvirt's name
        """Return the numbers of the disk's block job, empty for none."""
        self.asked_disks.append(disk)
        return self.block_jobs.get(disk, {})

    def looked_up(self) -> "FakeDomain":
        """Return itself; needs the lock."""
        self._unlocked.wait()
        return self

    def state(self) -> dict[str, Any]:
        """Return the record of a guest that runs; needs the lock, not the monitor."""
        self._unlocked.wait()
        if self._ended:
            raise gone()
        return {"state.state": RUNNING, "state.reason": BOOTED}

    def stats(self) -> dict[str, Any]:
        """Return a record; a partial one while another client holds the job."""
        self._unlocked.wait()
        self.calls += 1
        record = {"balloon.current": 1024, "block.count": 1, "block.0.name": "vda"}
        if self._met:
            self._met -= 1
            return record
        if self._occupied_since is not None:
            return record
        self._occupied_since = time.monotonic()
        self._monitor.wait()
        self._occupied_since = None
        if not self.counts:
            return record | {"balloon.rss": 1}
        return record | {"balloon.rss": 1, "block.0.rd.reqs": 1, "block.0.rd.bytes": 512}


class FakeConnection:
    """What libvirt-python's connection does for the monitor lane."""

    def __init__(self, daemon: "FakeLibvirt") -> None:
        self._daemon = daemon
        self._domains = daemon.domains

    def registerCloseCallback(self, callback: Callable[..., None], opaque: object) -> None:  # noqa: N802
        """Let the daemon call back when it hangs up."""
        self._daemon.close_callbacks.append(lambda: callback(self, 0, opaque))

    def unregisterCloseCallback(self) -> None:  # noqa: N802
        """Forget it."""

    def setKeepAlive(self, _interval: int, _count: int) -> None:  # noqa: N802
        """Take the setting."""

    def close(self) -> None:
        """Have nothing to close."""

    def domainEventRegisterAny(  # noqa: N802
        self, _domain: None, kind: int, callback: Callable[..., None], _opaque: object
    ) -> int:
        """Let the daemon call back for events of that kind."""
        self._daemon.callbacks.setdefault(kind, []).append(callback)
        return len(self._daemon.callbacks)

    def domainEventDeregisterAny(self, _callback: int) -> None:  # noqa: N802
        """Forget the callback."""

    def listAllDomains(self, _flags: int) -> Sequence[FakeDomain]:  # noqa: N802
        """Return the guests, for which each one's lock is taken."""
        self._daemon.called("listAllDomains")
        return [domain.looked_up() for domain in list(self._domains) if not domain.hidden]

    def getVersion(self) -> int:  # noqa: N802
        """Return QEMU's version."""
        return 7_002_000

    def getLibVersion(self) -> int:  # noqa: N802
        """Return libvirt's version, for which no guest is needed."""
        self._daemon.called("getLibVersion")
        return 9_000_000

    def isAlive(self) -> int:  # noqa: N802
        """Return whether libvirt has not hung up."""
        return int(not self._daemon.hung_up)

    def lookupByUUIDString(self, uuid: str) -> FakeDomain:  # noqa: N802
        """Return the guest, once its lock is free."""
        self._daemon.called("lookupByUUIDString")
        for domain in list(self._domains):
            if domain.uuid == uuid and domain.hidden:
                raise denied()
            if domain.uuid == uuid:
                return domain.looked_up()
        raise gone()

    def domainListGetStats(  # noqa: N802
        self, domains: Sequence[FakeDomain], groups: int, _flags: int
    ) -> list[tuple[FakeDomain, dict[str, Any]]]:
        """Visit the guests one after the other; nothing is returned before the last one has answered."""
        self._daemon.called("domainListGetStats")
        if groups & libvirt.VIR_DOMAIN_STATS_STATE:
            return [(domain, domain.state()) for domain in domains]
        return [(domain, domain.stats()) for domain in domains]

    def getAllDomainStats(  # noqa: N802
        self, groups: int, flags: int
    ) -> list[tuple[FakeDomain, dict[str, Any]]]:
        """Visit all guests."""
        seen = [domain for domain in self._domains if not domain.hidden]
        return self.domainListGetStats(seen, groups, flags)

    def numOfDefinedDomains(self) -> int:  # noqa: N802
        """Return how many guests are shut off, for which each one's lock is taken."""
        for domain in self._domains:
            domain.looked_up()
        return SHUT_OFF


class FakeLibvirt:
    """The daemon: some guests, and connections to them."""

    def __init__(self, guests: int) -> None:
        self.domains = [FakeDomain(f"00000000-0000-4000-8000-{number:012d}") for number in range(guests)]
        self.opened = 0
        self.hung_up = False
        self.callbacks: dict[int, list[Callable[..., None]]] = {}
        self.close_callbacks: list[Callable[[], None]] = []
        self.calls: Counter[str] = Counter()
        self.failing: dict[str, int] = {}
        """How many of the next calls by that name fail, on a connection that lives on."""
        self._speaks = threading.Event()
        self._speaks.set()

    def called(self, name: str) -> None:
        """Count the call, which waits while the daemon is silent and fails if it is to."""
        self.calls[name] += 1
        self._speaks.wait()
        if self.failing.get(name):
            self.failing[name] -= 1
            raise libvirt.libvirtError(f"{name} fails")

    def silence(self) -> None:
        """Let every call wait, as a daemon that is stopped does, until all is freed."""
        self._speaks.clear()

    def happens(self, domain: FakeDomain, kind: int, *details: object) -> None:
        """Send an event to the listeners: its kind (``VIR_DOMAIN_EVENT_ID_LIFECYCLE``) and its details."""
        for callback in self.callbacks.get(kind, ()):
            callback(None, domain, *details, None)

    def restart(self) -> None:
        """Close all connections, as a daemon does that is restarted; new ones are accepted."""
        self.callbacks.clear()
        closed, self.close_callbacks = self.close_callbacks, []
        for callback in closed:
            callback()

    def open(self, _uri: str) -> FakeConnection:
        """Replace `libvirt.openReadOnly`."""
        self.opened += 1
        return FakeConnection(self)

    def free(self) -> None:
        """Free every guest, and the daemon."""
        self._speaks.set()
        for domain in self.domains:
            domain.free()
