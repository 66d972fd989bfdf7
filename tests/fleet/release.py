"""The Debian releases of the fleet's hosts, and what their hypervisors have."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.lab.image import CACHE
from tests.lab.root_tree import LIBVIRT, root_tree

FLEET_CACHE = CACHE / "fleet"
IMAGES = FLEET_CACHE / "images"
"""Those of the present source, made before the tests: inside the fleet is no way to Debian."""
HYPERVISOR = (
    *("dbus", *LIBVIRT, "openssh-server"),
    *("python3", "python3-apt", "python3-venv", "systemd-sysv", "udev"),
)
STORE = ("nginx", "victoria-metrics")
"""What a region's machine has: the hosts are one too."""


ENGINE = ("crun", "netavark", "podman")
ACCESS = ("polkitd",)
"""What libvirt's access rules need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of Debian, as a hypervisor runs it."""

    codename: str
    number: int
    python: str
    """The version of its python3."""
    old_exporter: str = ""
    """The package of the exporter that hostcollector replaces there; empty where Debian has none."""
    by_image: bool = False
    """Whether hostcollector is installed from its image, on a host with podman."""
    modular: bool = False
    """Whether virtqemud and virtproxyd serve instead of libvirtd."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What a host has before hostcollector comes: no compiler, no pip packages."""
        old = (self.old_exporter,) if self.old_exporter else ()
        return (*HYPERVISOR, *STORE, *old, *(ENGINE * self.by_image), *(ACCESS * self.modular))

    def tree(self) -> Path:
        """Return the root tree of a hypervisor of this release."""
        return root_tree("reach" if self.by_image or self.modular else "fleet", self.codename, self.packages)


RELEASES = (
    Release(codename="bookworm", number=12, python="3.11", old_exporter="prometheus-libvirt-exporter"),
    Release(codename="trixie", number=13, python="3.13"),
)
REACH = (
    RELEASES[0],
    Release(codename="trixie", number=13, python="3.13", modular=True),
    Release(codename="forky", number=14, python="3.14", by_image=True),
)
"""Three releases, of which one is installed from the image and one has the modular daemons."""


if __name__ == "__main__":
    print(next(release.tree() for release in RELEASES if release.codename == sys.argv[1]))
