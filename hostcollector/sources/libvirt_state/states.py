"""What a record of libvirt's free lane says of its guest: state, reason, perf events."""

from collections.abc import Iterator, Mapping
from typing import Any

from hostcollector.base.model import Sample
from hostcollector.catalogue import cpu, guest

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

# Cache occupancy and memory bandwidth are no counters, and the kernel gave the events up in 4.14.
_NO_COUNTERS = frozenset({"cmt", "mbmt", "mbml"})


def state_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return state and reason in libvirt's words; ``unknown`` for numbers that it has no word for yet."""
    code, reason = record.get("state.state", 0), record.get("state.reason", 0)
    state = STATES[code] if 0 <= code < len(STATES) else "unknown"
    reasons = REASONS.get(state, ("unknown",))
    return state, reasons[reason] if 0 <= reason < len(reasons) else "unknown"


def samples_of(uuid: str, record: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield the series of one guest's record."""
    state, reason = state_of(record)
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
