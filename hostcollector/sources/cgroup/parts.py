"""The parts that libvirt divides a guest's group into, in each of which a CPU quota can be set."""

import os
from typing import NamedTuple

from hostcollector.sources.cgroup.groups import NESTED, GuestGroup

WHOLE = "domain"
"""The part that is the guest as libvirt limits it (`global_quota`)."""
SCOPE = "machine"
"""The part that is the guest as systemd limits it (`CPUQuota=`)."""


class Part(NamedTuple):
    """A part by libvirt's name: ``vcpu0``, ``emulator``, ``iothread1``, or one of the two above."""

    name: str
    directory: str


class _Listing(NamedTuple):
    links: int
    names: tuple[str, ...]


class Parts:
    """Lists the groups below a guest's, again only when there are more or fewer of them."""

    def __init__(self) -> None:
        self._known: dict[str, _Listing] = {}
        self._kept: dict[str, _Listing] = {}

    def begin(self) -> None:
        """Forget the groups that the last read did not ask for."""
        self._known, self._kept = self._kept, {}

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
        """Return the directories inside, in order. Listing one takes as long as reading ten files."""
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
        self._kept[directory] = listing
        return listing.names
