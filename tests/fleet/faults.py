"""Faults that are done to a host of the fleet, and undone."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fleet.host import Host

LIBVIRTD = ("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, and the alert that it must set off."""

    name: str
    alert: str
    inject: Callable[[Host], object]
    repair: Callable[[Host], object]
    guest: str | None = None
    """The guest that it is about; None for the whole host."""
    labels: tuple[tuple[str, str], ...] = ()
    """What the alert's labels say beyond host and guest."""


def faults() -> list[Fault]:
    """Return the faults, one after the other."""
    guest = "acme-web"
    return [
        Fault(
            "QEMU of a guest stopped (SIGSTOP)",
            "GuestMonitorBlocked",
            lambda host: host.run("kill", "-STOP", host.qemu(guest)),
            lambda host: host.run("kill", "-CONT", host.qemu(guest)),
            guest=guest,
        ),
        Fault(
            "guest paused (virsh suspend)",
            "GuestPausedByUser",
            lambda host: host.run("virsh", "suspend", guest),
            lambda host: host.run("virsh", "resume", guest),
            guest=guest,
            labels=(("state", "paused"), ("reason", "user")),
        ),
        Fault(
            "libvirtd stopped",
            "LibvirtDown",
            lambda host: host.run("systemctl", "stop", *LIBVIRTD),
            lambda host: host.run("systemctl", "start", *reversed(LIBVIRTD)),
        ),
        Fault(
            "collector stopped",
            "HostcollectorDown",
            lambda host: host.run("systemctl", "stop", "hostcollector"),
            lambda host: host.run("systemctl", "start", "hostcollector"),
        ),
    ]
