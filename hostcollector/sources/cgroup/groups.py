"""Where a guest's control groups are: in which hierarchies, and which part of the path is the guest's own."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

UNIFIED = ""
"""The key of the version 2 hierarchy; those of version 1 have their controllers' names."""

NESTED = "libvirt"
"""libvirt's group inside a systemd scope (libvirt 7.1 and later)."""

# libvirt's two ways to name a guest's group: a systemd scope (which escapes "-") and a plain directory. The
# rest is made of the guest's name, but shortened and stripped: it tells nothing for certain.
_OWN = re.compile(r"machine-qemu\\x2d.+\.scope|.+\.libvirt-qemu")


class Mount(NamedTuple):
    """A mounted hierarchy: `root` is the group that stands at `point`."""

    point: str
    root: str


class GuestGroup(NamedTuple):
    """A guest's group in one hierarchy, as directories: the whole guest's, and the one that QEMU is in."""

    directory: str
    process_directory: str

    @property
    def is_scope(self) -> bool:
        """Whether the group is systemd's: libvirt's own, with its settings, is then the one inside."""
        return self.directory.endswith(".scope")

    @property
    def limited(self) -> tuple[str, ...]:
        """The directories that may hold a limit for the whole guest."""
        nested = (f"{self.directory}/{NESTED}",) if self.is_scope else ()
        return (self.directory, *nested)


def mounts_of(mountinfo: bytes) -> dict[str, Mount]:
    """Return the hierarchies in /proc/PID/mountinfo by controller. Source: proc_pid_mountinfo(5)."""
    mounts: dict[str, Mount] = {}
    for line in mountinfo.decode("utf-8", "surrogateescape").split("\n"):
        place, _, system = line.partition(" - ")
        where, what = place.split(" "), system.split(" ")
        if len(where) < 6 or len(what) < 3 or what[0] not in ("cgroup", "cgroup2"):
            continue
        for controller in (UNIFIED,) if what[0] == "cgroup2" else what[2].split(","):
            # The whole hierarchy is mounted before parts of it are, for containers.
            mounts.setdefault(controller, Mount(point=where[4], root=where[3]))
    return mounts


def guest_groups(cgroup: bytes, mounts: Mapping[str, Mount], root: str) -> dict[str, GuestGroup]:
    """Return the guest's own groups by controller, from its QEMU's /proc/PID/cgroup.

    Hierarchies in which QEMU is in no group of the guest's own are left out: in the root, or in libvirtd's.
    `root` is where the file system begins.
    """
    groups = {}
    for controller, path in _memberships(cgroup):
        mount = mounts.get(controller)
        own = _own_part(path)
        if mount is None or own is None:
            continue
        above = mount.root.rstrip("/")
        if path.startswith(f"{above}/"):
            base = root.rstrip("/") + mount.point
            groups[controller] = GuestGroup(base + own.removeprefix(above), base + path.removeprefix(above))
    return groups


def _memberships(cgroup: bytes) -> Iterator[tuple[str, str]]:
    """Yield controller and path of each line; cgroups(7): ``hierarchy:controllers:path``."""
    for line in cgroup.decode("utf-8", "surrogateescape").split("\n"):
        _, separator, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if separator and second:
            for controller in controllers.split(","):
                yield controller, path


def _own_part(path: str) -> str | None:
    """Return the path down to the guest's own group: below it libvirt has one for each vCPU."""
    names = path.split("/")
    if ".." in names:  # the group is outside what this account's control group namespace shows
        return None
    depths = [depth for depth, name in enumerate(names) if _OWN.fullmatch(name)]
    return "/".join(names[: depths[-1] + 1]) if depths else None
