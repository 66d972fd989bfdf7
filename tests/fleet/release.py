"""The Debian releases of the fleet's hosts, and what their hypervisors have."""

from dataclasses import dataclass
from pathlib import Path

from tests.lab.image import CACHE
from tests.lab.root_tree import LIBVIRT, root_tree

FLEET_CACHE = CACHE / "fleet"
HYPERVISOR = (
    *("dbus", *LIBVIRT, "openssh-server"),
    *("python3", "python3-apt", "python3-venv", "systemd-sysv", "udev"),
)
STORE = ("nginx", "victoria-metrics")
"""What a region's machine has: the hosts are one too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of Debian, as a hypervisor runs it."""

    codename: str
    number: int
    python: str
    """The version of its python3."""
    old_exporter: str = ""
    """The package of the exporter that hostcollector replaces there; empty where Debian has none."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What a host has before hostcollector comes: no compiler, no pip packages."""
        return (*HYPERVISOR, *STORE, *([self.old_exporter] if self.old_exporter else []))

    def tree(self) -> Path:
        """Return the root tree of a hypervisor of this release."""
        return root_tree("fleet", self.codename, self.packages)


RELEASES = (
    Release(codename="bookworm", number=12, python="3.11", old_exporter="prometheus-libvirt-exporter"),
    Release(codename="trixie", number=13, python="3.13"),
)
