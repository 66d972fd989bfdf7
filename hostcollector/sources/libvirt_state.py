"""The `libvirt_state` source, libvirt's free lane: what the daemon knows without asking any QEMU.

One bulk call for the state of all guests (and perf events where a definition switches them on). It needs no
monitor, so a hung guest cannot hold it up; a stopped daemon can, and then this lane waits alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import libvirt

from hostcollector.catalogue import cpu, guest, host
from hostcollector.errors import SourceUnavailableError
from hostcollector.libvirt_link import Link, Slot
from hostcollector.model import Sample
from hostcollector.sources.base import Reading, Request

STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
# The common exporters' texts for the same states; dashboards match on them.
DESCRIPTIONS = (
    "no state",
    "the domain is running",
    "the domain is blocked on resource",
    "the domain is paused by user",
    "the domain is being shut down",
    "the domain is shut off",
    "the domain is crashed",
    "the domain is suspended by guest power management",
)
# virDomainRunningReason and its siblings, libvirt-domain.h; part of libvirt's stable interface.
REASONS: Mapping[str, tuple[str, ...]] = {
    "running": (
        "unknown",
        "booted",
        "migrated",
        "restored",
        "from_snapshot",
        "unpaused",
        "migration_canceled",
        "save_canceled",
        "wakeup",
        "crashed",
        "postcopy",
        "postcopy_failed",
    ),
    "paused": (
        "unknown",
        "user",
        "migration",
        "save",
        "dump",
        "ioerror",
        "watchdog",
        "from_snapshot",
        "shutting_down",
        "snapshot",
        "crashed",
        "starting_up",
        "postcopy",
        "postcopy_failed",
        "api_error",
    ),
    "shutdown": ("unknown", "user"),
    "crashed": ("unknown", "panicked"),
}

_GROUPS = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_PERF
_FLAGS = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
# Cache occupancy and memory bandwidth are no counters, and the kernel gave the events up in 4.14.
_NO_COUNTERS = frozenset({"cmt", "mbmt", "mbml"})


class LibvirtState:
    """Reads all guests' states in one call. `stranger` is told of guests that the inventory does not know."""

    name = "libvirt_state"

    def __init__(self, link: Link, stranger: Callable[[str], None] = lambda _uuid: None) -> None:
        self._slot = Slot(link)
        self._stranger = stranger

    def read(self, request: Request) -> Reading:
        """Return state, reason and counts. Raises `SourceUnavailableError` when libvirt does not answer."""
        connection = self._slot.get()
        try:
            records = connection.raw.getAllDomainStats(_GROUPS, _FLAGS)
            shut_off = connection.raw.numOfDefinedDomains()
        except libvirt.libvirtError as error:
            raise SourceUnavailableError(f"libvirt does not give the guests' states: {error}") from error
        samples: list[Sample] = []
        states: Counter[str] = Counter(shutoff=shut_off)
        for handle, record in records:
            state, reason = _state(record)
            states[state] += 1
            uuid = handle.UUIDString()
            if uuid in request.guests:
                samples.extend(_guest_samples(uuid, record, state, reason))
            else:
                # Just started, or its event was lost; it is on the next page.
                self._stranger(uuid)
        samples.append(Sample(host.DOMAINS, len(records) + shut_off))
        samples.extend(Sample(host.DOMAINS_BY_STATE, count, (state,)) for state, count in states.items())
        return Reading(samples=samples)

    def close(self) -> None:
        """Close the connection."""
        self._slot.drop()


def _state(record: Mapping[str, Any]) -> tuple[str, str]:
    code, reason = record.get("state.state", 0), record.get("state.reason", 0)
    state = STATES[code] if 0 <= code < len(STATES) else "unknown"
    reasons = REASONS.get(state, ("unknown",))
    return state, reasons[reason] if 0 <= reason < len(reasons) else "unknown"


def _guest_samples(uuid: str, record: Mapping[str, Any], state: str, reason: str) -> Iterator[Sample]:
    code = record.get("state.state")
    if code is not None:
        description = DESCRIPTIONS[code] if 0 <= code < len(DESCRIPTIONS) else "unknown"
        yield Sample(guest.STATE_CODE, code, (), uuid)
        yield Sample(guest.STATE, code, (description,), uuid)
        yield Sample(guest.STATE_REASON, 1.0, (state, reason), uuid)
    for key, value in record.items():
        event = key.removeprefix("perf.")
        if event != key and event not in _NO_COUNTERS:
            yield Sample(cpu.PERF_EVENTS, value, (event,), uuid)
