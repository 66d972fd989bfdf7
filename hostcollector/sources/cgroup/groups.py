"""Where a guest's control groups are: in which hierarchies, and which part of the path is the guest's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

UNIFIED = ""
"""The key of the version 2 hierarchy; those of version 1 have their controllers' names."""

# libvirt's two ways to name a guest's group: a systemd scope (which escapes "-") and a plain directory. The
# rest is made from the guest's name but shortened, so it identifies nobody.
_OWN = re.compile(r"machine-qemu\\x2d.+\.scope|.+\.libvirt-qemu")


class Mount(NamedTuple):
    """A mounted hierarchy: `root` is the group that stands at `point`."""

    point: str
    root: str


@dataclass(frozen=True, slots=True)
class GuestGroup:
    """A guest's group in one hierarchy, as directories: the whole guest's, and the one QEMU itself is in."""

    directory: str
    process_directory: str

    @property
    def is_scope(self) -> bool:
        """Whether the group is systemd's, in which libvirt made one of its own below."""
        return self.directory.endswith(".scope")


def mounts(mountinfo: bytes) -> dict[str, Mount]:
    """Return the hierarchies in /proc/PID/mountinfo by controller. Source: proc_pid_mountinfo(5)."""
    found: dict[str, Mount] = {}
    for line in mountinfo.decode("utf-8", "surrogateescape").splitlines():
        mount, _, system = line.partition(" - ")
        fields, (kind, *_, options) = mount.split(" "), system.split(" ") or [""]
        if len(fields) < 6 or kind not in ("cgroup", "cgroup2"):
            continue
        for controller in [UNIFIED] if kind == "cgroup2" else options.split(","):
            # The hierarchy as a whole is mounted before parts of it are for a container.
            found.setdefault(controller, Mount(point=fields[4], root=fields[3]))
    return found
