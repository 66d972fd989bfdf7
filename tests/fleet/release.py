"""The Debian releases of the fleet's hosts, and their root trees, kept in a cache."""

import fcntl
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.image import CACHE

FLEET_CACHE = CACHE / "fleet"
HYPERVISOR = (
    *("dbus", "iproute2", "libvirt-clients", "libvirt-daemon-system", "openssh-server", "python3"),
    *("python3-apt", "python3-venv", "qemu-system-x86", "systemd-sysv", "udev"),
)
# Documentation and translations are half of the files and read by nobody here.
OPTIONS = (
    *("--variant=minbase", "--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"'),
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man")),
)


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
        """What a hypervisor has before hostcollector comes: no compiler, no pip packages."""
        return (*HYPERVISOR, self.old_exporter) if self.old_exporter else HYPERVISOR

    def tree(self) -> Path:
        """Return the root tree of a hypervisor of this release; it is made where the cache lacks it."""
        recipe = " ".join((*OPTIONS, *self.packages))
        tree = FLEET_CACHE / f"{self.codename}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
        FLEET_CACHE.mkdir(parents=True, exist_ok=True)
        with (FLEET_CACHE / f"{self.codename}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not tree.exists():
                self._bootstrap(tree)
        return tree

    def _bootstrap(self, tree: Path) -> None:
        for outdated in FLEET_CACHE.glob(f"{self.codename}-*"):
            subprocess.run(("rm", "-rf", "--one-file-system", outdated), check=True)
        print(f"Debian {self.number}: making a hypervisor's root tree ...", flush=True)
        unfinished = tree.with_suffix(".new")
        include = f"--include={','.join(self.packages)}"
        with (FLEET_CACHE / f"{self.codename}.log").open("wb") as log:
            subprocess.run(
                ("mmdebstrap", *OPTIONS, include, self.codename, unfinished),
                check=True,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        unfinished.rename(tree)


RELEASES = (
    Release(codename="bookworm", number=12, python="3.11", old_exporter="prometheus-libvirt-exporter"),
    Release(codename="trixie", number=13, python="3.13"),
)
