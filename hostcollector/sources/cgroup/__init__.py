"""The `cgroup` source: CPU time, throttling, memory, storage and pressure of each guest's control group.

It reads only the kernel's files, so it goes on while libvirt or a guest's monitor hangs. It reads version 1,
version 2 and both at once, in the layouts with and without systemd.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceMalformedError, SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.keeping import kept_seconds
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.wording import counted
from hostcollector.guests.oom_kills import OomKills
from hostcollector.guests.processes import QemuProcess, QemuProcesses
from hostcollector.protocols.kernel.files import GONE, read, read_record
from hostcollector.sources.cgroup import version1, version2
from hostcollector.sources.cgroup.files import LOOK_SECONDS, GroupFiles
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
        self._look_at = float("-inf")
        self._quotas: dict[str, _Divided] = {}
        self._members: dict[QemuProcess, _Member] = {}
        self._places: Mapping[str, Groups] = {}
        self._own: Mapping[str, Groups] = {}

    def read(self, request: Request) -> Reading:
        """Return the series of all guests that have a group of their own.

        Raises `SourceUnavailableError` where no control groups are mounted, and what `QemuProcesses.find`
        raises.
        """
        self._files.begin()
        self._placements.begin()
        look = self._files.now >= self._look_at
        self._traffic.begin(look=look)
        if look or not self._mounts:
            self._look_at = self._files.now + LOOK_SECONDS
            self._look_at_mounts()
            self._files.forget()
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
                if not of_guest:
                    self._members.pop(
                        found.processes[uuid], None
                    )  # QEMU may have been moved to another group
                    if gaps.count == before:
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
        before, self._members = self._members, {}
        for uuid, process in processes.items():
            name = guests[uuid].domain.name
            try:
                places[uuid] = self._groups(process, before.get(process))
            except GONE:
                gaps.add((f"the QEMU of guest {name!r} ended while it was read",), 1)
            except OSError as error:
                gaps.unread(f"the membership of guest {name!r} in control groups", error)
        if places != self._places:
            self._places, self._own = places, _owned(places)
            present = {group.directory for own in self._own.values() for group in own.values()}
            self._parts.keep(present)
            self._quotas = {each: parts for each, parts in self._quotas.items() if each in present}
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
            self._members = {}

    def _read_mounts(self) -> dict[str, Mount]:
        path = f"{self._proc}/self/mountinfo"
        try:
            mounts = mounts_of(read(path))
        except OSError as error:
            raise SourceUnavailableError(f"{path} cannot be read: {error.strerror}") from error
        if not mounts:
            raise SourceUnavailableError(f"no control groups are mounted, says {path}")
        return mounts

    def _groups(self, process: QemuProcess, known: "_Member | None") -> Groups:
        """Return the process's own groups as of the last look. Raises `OSError`.

        Between looks the process is not verified: the groups are the guest's, not those of a PID, and libvirt
        gives each start of a guest another one.
        """
        now = self._files.now
        if known is None or now >= known.until:
            path = f"{self._proc}/{process.pid}/cgroup"
            text, until = read_record(path), now + kept_seconds(LOOK_SECONDS, path)
            if not self._processes.is_running(process):
                self._processes.forget(process)
                raise ProcessLookupError
            same = known is not None and known.text == text
            groups = known.groups if known and same else guest_groups(text, self._mounts, self._root)
            known = _Member(text, groups, until)
        self._members[process] = known
        return known.groups

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
        before = self._quotas.get(group.directory)
        if before is None or self._files.now >= before.until:
            parts = self._parts.of(group)
            limited, problems = [], {}
            for part in parts:
                try:
                    if self._files.limit(quota_file(part.directory)) is not None:
                        limited.append(part)
                except (OSError, SourceMalformedError) as error:
                    problems[quota_file(part.directory)] = str(error)
            vcpus = frozenset(part.name for part in parts if part.name.startswith(_VCPU_PART))
            ever = vcpus | before.vcpus_ever if before is not None else vcpus
            until = self._files.now + kept_seconds(LOOK_SECONDS, group.directory)
            self._quotas[group.directory] = _Divided(ever, tuple(limited), problems, until)
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


class _Member(NamedTuple):
    """What a process's /proc/PID/cgroup says, and the guest's own groups by it; believed `until` then."""

    text: bytes
    groups: Groups
    until: float


class _Divided(NamedTuple):
    """The parts of a group: the vCPUs so far, the parts with a quota, and the unreadable quotas."""

    vcpus_ever: frozenset[str]
    limited: tuple[Part, ...]
    problems: Mapping[str, str]
    until: float


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
