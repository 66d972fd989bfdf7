"""The `cgroup` source: CPU time, throttling, memory and pressure of each guest's control group.

Only the kernel is asked, so it goes on while libvirt or a guest's monitor is stuck. Version 1, version 2 and
both at once are read, in the layouts with and without systemd.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from hostcollector.errors import SourceMalformedError, SourceUnavailableError
from hostcollector.kernel_files import GONE, read, read_record
from hostcollector.lanes import Clock
from hostcollector.model import Sample
from hostcollector.qemu_processes import QemuProcess, QemuProcesses
from hostcollector.sources.base import Reading, Request, Source
from hostcollector.sources.cgroup import version1, version2
from hostcollector.sources.cgroup.groups import UNIFIED, GuestGroup, Mount, guest_groups, mounts_of
from hostcollector.sources.cgroup.limits import Limits
from hostcollector.sources.cgroup.parts import Part, Parts
from hostcollector.wording import counted

__all__ = ["Cgroup"]

Groups = Mapping[str, GuestGroup]


class Cgroup(Source):
    """Reads the groups of the processes that `processes` finds, under the same root."""

    name = "cgroup"

    def __init__(
        self,
        processes: QemuProcesses,
        *,
        ticks_per_second: int = os.sysconf("SC_CLK_TCK"),
        clock: Clock = time.monotonic,
    ) -> None:
        self._processes = processes
        self._root = str(processes.root)
        self._proc = str(processes.root / "proc")
        self._ticks_per_second = ticks_per_second
        self._mounts: Mapping[str, Mount] = {}
        self._parts = Parts()
        self._limits = Limits(clock)
        self._quotas: dict[str, Sequence[Part]] = {}
        self._memberships: dict[bytes, Groups] = {}

    def read(self, request: Request) -> Reading:
        """Return the series of all guests that have a group of their own.

        Raises `SourceUnavailableError` where no control groups are mounted, and what `QemuProcesses.find`
        raises.
        """
        self._mounts = self._mounts or self._read_mounts()
        if self._limits.begin():
            self._parts.begin()
            self._quotas.clear()
        found = self._processes.find(request.guests, request.taken_at)
        notes = list(found.notes)
        names = {uuid: guest.domain.name for uuid, guest in request.guests.items()}
        places: dict[str, Groups] = {}
        before, self._memberships = self._memberships, {}
        for uuid, process in found.processes.items():
            try:
                places[uuid] = self._groups(process, before)
            except GONE:
                notes.append(f"the QEMU of guest {names[uuid]!r} ended while it was read")
            except OSError as error:
                notes.append(f"the control group of guest {names[uuid]!r} cannot be found: {error}")
        owned = _owned(places)
        notes += _without_group([names[uuid] for uuid in places if uuid not in owned])
        samples: list[Sample] = []
        for uuid, groups in owned.items():
            try:
                of_guest = self._samples(uuid, groups)
            except (OSError, SourceMalformedError) as error:
                notes.append(f"the control group of guest {names[uuid]!r} cannot be read: {error}")
            else:
                samples += of_guest
                if not of_guest:
                    notes.append(f"nothing is to be found of the control group of guest {names[uuid]!r}")
        return Reading(samples=samples, notes=tuple(notes), partial=bool(notes))

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
        """Return the process's own groups, as `before` when it has not been moved. Raises `OSError`."""
        text = read_record(f"{self._proc}/{process.pid}/cgroup")
        if not self._processes.is_running(process):
            self._processes.forget(process)
            raise ProcessLookupError
        groups = before.get(text) or guest_groups(text, self._mounts, self._root)
        self._memberships[text] = groups
        return groups

    def _samples(self, uuid: str, groups: Groups) -> list[Sample]:
        samples = [Sample(metric, value, (), uuid) for metric, value in self._whole(groups)]
        version, controller = (version1, "cpu") if "cpu" in groups else (version2, UNIFIED)
        if controller in groups:
            for part in self._with_quota(groups[controller], version.quota_file):
                samples += (
                    Sample(metric, value, (part.name,), uuid)
                    for metric, value in version.throttling(part.directory)
                )
        return samples

    def _with_quota(self, group: GuestGroup, quota_file: Callable[[str], str]) -> Sequence[Part]:
        """Return the parts of a guest's group that have a CPU quota, as of the last look at the limits."""
        if group.directory not in self._quotas:
            self._quotas[group.directory] = tuple(
                part
                for part in self._parts.of(group)
                if self._limits.of(quota_file(part.directory)) is not None
            )
        return self._quotas[group.directory]

    def _whole(self, groups: Groups) -> Iterator[version2.Figure]:
        """Yield the figures of the whole guest, from version 1 where it has the controller."""
        unified = groups.get(UNIFIED)
        if cpuacct := groups.get("cpuacct"):
            yield from version1.usage(cpuacct, self._ticks_per_second)
        elif unified:
            yield from version2.usage(unified)
        if memory := groups.get("memory"):
            yield from version1.memory(memory, self._limits.of)
        elif unified:
            yield from version2.memory(unified, self._limits.of)
        if unified:
            yield from version2.pressure(unified)


def _owned(places: Mapping[str, Groups]) -> dict[str, Groups]:
    """Return the guests that have groups which are nobody else's."""
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
