"""Whether a guest's record is whole, or the monitor was busy and could not be asked."""

from collections.abc import Mapping
from typing import Any

from hostcollector.base.model import Guest

# The data of these disks passes QEMU by, in another process or in hardware: QEMU counts nothing.
_PASSES_QEMU = frozenset({"vhostuser", "vhostvdpa"})


def promises_counters(guest: Guest) -> bool:
    """Whether QEMU counts what one of the guest's disks does; taken for granted where no disk is known."""
    disks = guest.domain.disks
    return not disks or any(disk.type not in _PASSES_QEMU for disk in disks)


def is_partial(record: Mapping[str, Any], guest: Guest) -> bool:
    """Whether libvirt could not ask the monitor: with a busy job it gives names and sizes but no counters.

    The resident size is the one balloon field that libvirt adds whenever it held the job.
    """
    return "balloon.rss" not in record or lacks_counters(record, guest)


def has_answered(record: Mapping[str, Any]) -> bool:
    """Whether the monitor was asked for the record at all, for its balloon, its disks or both."""
    return "balloon.rss" in record or _has_counters(record)


def lacks_counters(record: Mapping[str, Any], guest: Guest) -> bool:
    """Whether the guest has disks that QEMU counts for, and the record none of their counters."""
    return bool(record.get("block.count", 0) > 0) and not _has_counters(record) and promises_counters(guest)


def _has_counters(record: Mapping[str, Any]) -> bool:
    return any(key.endswith(".rd.reqs") for key in record)
