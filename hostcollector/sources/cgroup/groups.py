"""A guest's control groups: in which hierarchies they are, and the parts that libvirt divides them into."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

UNIFIED = ""
"""The key of the version 2 hierarchy; those of version 1 have their controllers' names."""

NESTED = "libvirt"
"""libvirt's group inside a systemd scope (libvirt 7.1 and later)."""

WHOLE = "domain"
"""The whole guest, as libvirt limits it (`global_quota`)."""
SCOPE = "machine"
"""The whole guest, as systemd limits it (`CPUQuota=`)."""

# libvirt's two ways to name a guest's group: a systemd scope (which escapes "-") and a plain directory. The
# rest comes from the guest's name, but shortened and stripped, so it does not identify the guest.
_OWN = re.compile(r"machine-qemu\\x2d.+\.scope|.+\.libvirt-qemu")


class Mount(NamedTuple):
    """A mounted hierarchy: `root` is the group that is mounted at `point`."""

    point: str
    root: str


class GuestGroup(NamedTuple):
    """A guest's group in one hierarchy, as directories: that of the whole guest, and that of QEMU."""

    directory: str
    process_directory: str

    @property
    def is_scope(self) -> bool:
        """Whether the group is a systemd scope. libvirt's own group, with its settings, is then inside."""
        return self.directory.endswith(".scope")

    @property
    def limited(self) -> tuple[str, ...]:
        """The directories that may hold a limit for the whole guest."""
        nested = (f"{self.directory}/{NESTED}",) if self.is_scope else ()
        return (self.directory, *nested)


def mounts_of(mountinfo: bytes) -> dict[str, Mount]:
    """Return the hierarchies in /proc/PID/mountinfo by controller. Source: proc_pid_mountinfo(5).

    The whole hierarchy is mounted before parts of it, which are for containers. A mount hides an earlier
    one at the same point.
    """
    mounts: dict[str, Mount] = {}
    for line in mountinfo.decode("utf-8", "surrogateescape").split("\n"):
        place, _, system = line.partition(" - ")
        where, what = place.split(" "), system.split(" ")
        if len(where) < 6 or len(what) < 3 or what[0] not in ("cgroup", "cgroup2"):
            continue
        for controller in (UNIFIED,) if what[0] == "cgroup2" else what[2].split(","):
            mount = Mount(point=where[4], root=where[3])
            if mounts.setdefault(controller, mount).point == mount.point:
                mounts[controller] = mount
    return mounts


def guest_groups(cgroup: bytes, mounts: Mapping[str, Mount], root: str) -> dict[str, GuestGroup]:
    """Return the guest's own groups by controller, from its QEMU's /proc/PID/cgroup.

    Hierarchies in which QEMU is in the root or in libvirtd's group are left out. `root` is the root of the
    file system. In a control group namespace both paths begin with the way up from it, such as ``/../..``.
    """
    groups = {}
    for controller, path in _memberships(cgroup):
        mount = mounts.get(controller)
        above = mount.root.rstrip("/") if mount else ""
        if mount is None or not path.startswith(f"{above}/"):
            continue
        below = path.removeprefix(above)
        own = _own_part(below)
        if own is not None:
            base = root.rstrip("/") + mount.point
            groups[controller] = GuestGroup(base + own, base + below)
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
    """Return the path down to the guest's own group. Below it libvirt has one group for each vCPU."""
    names = path.split("/")
    if ".." in names:  # the group is outside of what is mounted
        return None
    depths = [depth for depth, name in enumerate(names) if _OWN.fullmatch(name)]
    return "/".join(names[: depths[-1] + 1]) if depths else None


class Part(NamedTuple):
    """A part by libvirt's name: ``vcpu0``, ``emulator``, ``iothread1``, or one of the two above."""

    name: str
    directory: str


class _Listing(NamedTuple):
    links: int
    names: tuple[str, ...]


class Parts:
    """Lists the groups below a guest's group, again only when their number has changed."""

    def __init__(self) -> None:
        self._known: dict[str, _Listing] = {}

    def keep(self, directories: Collection[str]) -> None:
        """Forget all guests' groups but these."""
        nested = {f"{directory}/{NESTED}" for directory in directories}
        self._known = {
            each: found for each, found in self._known.items() if each in nested or each in directories
        }

    def of(self, group: GuestGroup) -> list[Part]:
        """Return the parts of the group, itself first; none when it is gone."""
        directory = group.directory
        names = self._names(directory)
        parts = [Part(SCOPE if group.is_scope else WHOLE, directory)]
        if group.is_scope and NESTED in names:
            directory = f"{directory}/{NESTED}"
            parts.append(Part(WHOLE, directory))
            names = self._names(directory)
        parts += [Part(name, f"{directory}/{name}") for name in names]
        return parts

    def _names(self, directory: str) -> tuple[str, ...]:
        """Return the directories inside, sorted. Listing one takes as long as reading ten files."""
        try:
            links = os.stat(directory).st_nlink  # noqa: PTH116 - once per guest and collection
            listing = self._known.get(directory)
            if listing is None or listing.links != links:
                with os.scandir(directory) as entries:
                    listing = _Listing(
                        links, tuple(sorted(entry.name for entry in entries if entry.is_dir()))
                    )
        except FileNotFoundError:
            return ()
        self._known[directory] = listing
        return listing.names
