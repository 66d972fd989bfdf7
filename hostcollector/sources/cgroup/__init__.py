"""The `cgroup` source: CPU time, throttling, memory, storage and pressure of each guest's control group.

It reads only the kernel's files, so it goes on while libvirt or a guest's monitor hangs. It reads version 1,
version 2 and both at once, in the layouts with and without systemd.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from hostcollector.base.errors import SourceMalformedError, SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Domain, Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.wording import counted
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.processes import QemuProcess, QemuProcesses
from hostcollector.protocols.kernel.files import GONE, read
from hostcollector.sources.cgroup import version1, version2
from hostcollector.sources.cgroup.files import GroupFiles
from hostcollector.sources.cgroup.groups import (
    UNIFIED,
    GuestGroup,
    Mount,
    Part,
    Parts,
    guest_groups,
    mounts_of,
)
from hostcollector.sources.cgroup.placement import Placements
from hostcollector.sources.cgroup.storage import Traffic

__all__ = ["Cgroup"]

_VCPU_PART = "vcpu"

Groups = Mapping[str, GuestGroup]


class Cgroup(Source):
    """Reads the groups of the processes that `processes` finds, under the same root.

    `oom_kills` gets the directories of the guests' groups of version 2.
    """

    name = "cgroup"

    def __init__(
        self,
        processes: QemuProcesses,
        oom_kills: OomKills | None = None,
        *,
        ticks_per_second: int = os.sysconf("SC_CLK_TCK"),
        page_size: int = os.sysconf("SC_PAGE_SIZE"),
        clock: Clock = time.monotonic,
    ) -> None:
        self._processes = processes
        self._oom_kills = oom_kills or OomKills(processes.root)
        self._root = str(processes.root)
        self._proc = str(processes.root / "proc")
        self._ticks_per_second = ticks_per_second
        self._mounts: Mapping[str, Mount] = {}
        self._parts = Parts()
        self._files = GroupFiles(clock)
        self._placements = Placements(page_size, clock)
        self._traffic = Traffic(self._root, self._files)
        self._quotas: dict[str, _Divided] = {}
        self._quotas_before: dict[str, _Divided] = {}
        self._memberships: dict[bytes, Groups] = {}
        self._places: Mapping[str, Groups] = {}
        self._own: Mapping[str, Groups] = {}

    def read(self, request: Request) -> Reading:
        """Return the series of all guests that have a group of their own.

        Raises `SourceUnavailableError` where no control groups are mounted, and what `QemuProcesses.find`
        raises.
        """
        look = self._files.begin()
        self._placements.begin()
        self._traffic.begin(look=look)
        if look or not self._mounts:
            self._look_at_mounts()
            self._parts.begin()
            self._quotas_before, self._quotas = self._quotas, {}
        gaps = Gaps()
        found = self._processes.find(request.guests, request.taken_at)
        gaps.add(found.notes, len(request.guests) - len(found.processes))
        owned = self._owned(found.processes, request.guests, gaps)
        samples: list[Sample] = []
        for uuid, groups in owned.items():
            domain, before = request.guests[uuid].domain, gaps.count
            with gaps.item(f"the control group of guest {domain.name!r}"):
                of_guest = self._samples(domain, groups, gaps)
                samples += of_guest
                if not of_guest and gaps.count == before:
                    gaps.missing("files of the control group", f"guest {domain.name!r}")
        samples += self._traffic.devices()
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def close(self) -> None:
        """Close the files that are kept open."""
        self._files.close()

    def _owned(
        self, processes: Mapping[str, QemuProcess], guests: Mapping[str, Guest], gaps: Gaps
    ) -> Mapping[str, Groups]:
        """Return the groups of the guests that have groups of their own. The other guests are noted."""
        places: dict[str, Groups] = {}
        before, self._memberships = self._memberships, {}
        for uuid, process in processes.items():
            name = guests[uuid].domain.name
            try:
                places[uuid] = self._groups(process, before)
            except GONE:
                gaps.add((f"the QEMU of guest {name!r} ended while it was read",), 1)
            except OSError as error:
                gaps.unread(f"the membership of guest {name!r} in control groups", error)
        if places != self._places:
            self._places, self._own = places, _owned(places)
            unified = {uuid: own[UNIFIED].directory for uuid, own in self._own.items() if UNIFIED in own}
            self._oom_kills.watch(unified)
        without = [guests[uuid].domain.name for uuid in places if uuid not in self._own]
        gaps.add(_without_group(without), len(without))
        return self._own

    def _look_at_mounts(self) -> None:
        """Read the mounts again: a hierarchy may be mounted after the collector has started."""
        mounts = self._read_mounts()
        if mounts != self._mounts:
            self._mounts = mounts
            self._memberships = {}

    def _read_mounts(self) -> dict[str, Mount]:
        path = f"{self._proc}/self/mountinfo"
        try:
            mounts = mounts_of(read(path))
        except OSError as error:
            raise SourceUnavailableError(f"{path} cannot be read: {error.strerror}") from error
        if not mounts:
            raise SourceUnavailableError(f"no control groups are mounted, says {path}")
        return mounts

    def _groups(self, process: QemuProcess, before: Mapping[bytes, Groups]) -> Groups:
        """Return the process's own groups, from `before` if it has not been moved. Raises `OSError`."""
        text = self._files.read(f"{self._proc}/{process.pid}/cgroup")
        if not self._processes.is_running(process, self._files.read):
            self._processes.forget(process)
            raise ProcessLookupError
        groups = before.get(text) or guest_groups(text, self._mounts, self._root)
        self._memberships[text] = groups
        return groups

    def _samples(self, domain: Domain, groups: Groups, gaps: Gaps) -> list[Sample]:
        uuid = domain.uuid
        samples = [Sample(metric, value, (), uuid) for metric, value in self._whole(groups, gaps)]
        samples += self._placements.of(groups, uuid, gaps)
        samples += self._traffic.of(groups, uuid, gaps)
        version, controller = (version1, "cpu") if "cpu" in groups else (version2, UNIFIED)
        if controller in groups:
            parts = self._parts_of(groups[controller], version.quota_file)
            for problem, why in parts.problems.items():
                gaps.unread(problem, why)
            _miss(parts, domain, gaps)
            for part in parts.limited:
                samples += (
                    Sample(metric, value, (part.name,), uuid)
                    for metric, value in version.throttling(part.directory, self._files, gaps)
                )
        return samples

    def _parts_of(self, group: GuestGroup, quota_file: Callable[[str], str]) -> "_Divided":
        """Return the parts of a guest's group, as of the last look at the limits."""
        if group.directory not in self._quotas:
            parts = self._parts.of(group)
            limited, problems = [], {}
            for part in parts:
                try:
                    if self._files.limit(quota_file(part.directory)) is not None:
                        limited.append(part)
                except (OSError, SourceMalformedError) as error:
                    problems[quota_file(part.directory)] = str(error)
            vcpus = frozenset(part.name for part in parts if part.name.startswith(_VCPU_PART))
            before = self._quotas_before.get(group.directory)
            ever = vcpus | before.vcpus_ever if before is not None else vcpus
            self._quotas[group.directory] = _Divided(vcpus, ever, tuple(limited), problems)
        return self._quotas[group.directory]

    def _whole(self, groups: Groups, gaps: Gaps) -> Iterator[version2.Figure]:
        """Yield the figures of the whole guest, from version 1 where it has the controller."""
        unified = groups.get(UNIFIED)
        if cpuacct := groups.get("cpuacct"):
            yield from version1.usage(cpuacct, self._ticks_per_second, self._files, gaps)
        elif unified:
            yield from version2.usage(unified, self._files, gaps)
        if memory := groups.get("memory"):
            yield from version1.memory(memory, self._files, gaps)
        elif unified:
            yield from version2.memory(unified, self._files, gaps)
        if unified:
            yield from version2.pressure(unified, self._files, gaps)


class _Divided(NamedTuple):
    """The parts of a group: the vCPUs now and so far, the parts with a quota, and the unreadable quotas."""

    vcpus: frozenset[str]
    vcpus_ever: frozenset[str]
    limited: tuple[Part, ...]
    problems: Mapping[str, str]


def _miss(parts: _Divided, domain: Domain, gaps: Gaps) -> None:
    """Note missing groups of vCPUs, where libvirt makes such groups at all.

    A group that was there before is not missing: its vCPU was unplugged. libvirt has no event for that, so
    the definition may be older.
    """
    lacking = (domain.vcpus or 0) - len(parts.vcpus_ever)
    if parts.vcpus_ever and lacking > 0:
        numbered = (f"{_VCPU_PART}{number}" for number in range(len(parts.vcpus_ever) + lacking))
        for name in [name for name in numbered if name not in parts.vcpus_ever][:lacking]:
            gaps.missing("control group", f"{name} of guest {domain.name!r}")


def _owned(places: Mapping[str, Groups]) -> dict[str, Groups]:
    """Return the guests whose groups are not shared with another guest."""
    directories = {uuid: {group.directory for group in groups.values()} for uuid, groups in places.items()}
    users = Counter(directory for own in directories.values() for directory in own)
    return {
        uuid: groups
        for uuid, groups in places.items()
        if groups and all(users[directory] == 1 for directory in directories[uuid])
    }


def _without_group(names: list[str]) -> Iterator[str]:
    if names:
        yield (
            f"{counted(len(names), 'guest')} in no control group of their own ({names[0]!r} first): libvirt "
            "makes none where cgroup_controllers is empty in qemu.conf or its URI is a session's"
        )
