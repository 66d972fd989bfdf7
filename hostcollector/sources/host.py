"""The `host` source: processors, memory, pressure, huge pages and NUMA nodes, to compute over-commitment."""

import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceMalformedError, SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Guest, Metric, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.units import bytes_from_kib, seconds_from_us
from hostcollector.catalogue import host
from hostcollector.protocols.kernel.files import cpu_count, integer, members, read

_NODE = re.compile(r"node(\d{1,5})")
_POOL = re.compile(r"hugepages-(\d{1,12})kB")
# A node's lines begin with "Node 0 ".
_MEMORY_LINE = re.compile(rb"^(?:Node \d+ )?(\w+): +(\d{1,20}) kB$", re.MULTILINE)

# The first ten numbers of the line "cpu", in their order (proc_stat(5)); an old kernel has fewer.
_CPU_MODES = (
    *("user", "nice", "system", "idle", "iowait"),
    *("irq", "softirq", "steal", "guest", "guest_nice"),
)

# Time in microseconds (Documentation/accounting/psi.rst). "full" of the CPU means nothing for a whole host.
_PRESSURE_LINE = re.compile(rb"^(some|full) .*\btotal=(\d{1,20})$", re.MULTILINE)
_PRESSURES = {
    "cpu": {b"some": host.PRESSURE_WAITING},
    "memory": {b"some": host.PRESSURE_WAITING, b"full": host.PRESSURE_STALLED},
    "io": {b"some": host.PRESSURE_WAITING, b"full": host.PRESSURE_STALLED},
}
# No such file, or one that cannot be read: the kernel was started without psi=1.
_NO_PRESSURE = frozenset({errno.ENOENT, errno.EOPNOTSUPP})

_HOST_MEMORY = {b"MemTotal": host.MEMORY_TOTAL, b"MemAvailable": host.MEMORY_AVAILABLE}
_NODE_MEMORY = {b"MemTotal": host.NODE_MEMORY_TOTAL, b"MemFree": host.NODE_MEMORY_FREE}
_POOL_FILES = {"nr_hugepages": host.HUGEPAGES, "free_hugepages": host.HUGEPAGES_FREE}


class _Placed(NamedTuple):
    """The nodes of one guest, and what they were computed from: its definition, the nodes' lists of CPUs."""

    domain: Domain
    lists: Mapping[str, bytes]
    samples: tuple[Sample, ...]


class Host(Source):
    """Reads processors and their time, memory, NUMA nodes and huge pages under `root`."""

    name = "host"

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        ticks_per_second: int = os.sysconf("SC_CLK_TCK"),
        page_size: int = os.sysconf("SC_PAGE_SIZE"),
    ) -> None:
        self._stat = root / "proc/stat"
        self._ticks_per_second = ticks_per_second
        self._ticks: dict[str, int] = {}
        self._page_size = page_size
        self._cpus = root / "sys/devices/system/cpu/online"
        self._meminfo = root / "proc/meminfo"
        self._nodes = root / "sys/devices/system/node"
        self._pressures = root / "proc/pressure"
        self._pools = root / "sys/kernel/mm/hugepages"
        self._ksm = root / "sys/kernel/mm/ksm"
        self._placed: dict[str, _Placed] = {}

    def read(self, request: Request) -> Reading:
        """Return all series that can be read. Raises `SourceUnavailableError` when there are none."""
        gaps = Gaps()
        samples = [
            *_cpus(self._cpus, host.CPUS_ONLINE, (), gaps, least=1),
            *self._cpu_seconds(gaps),
            *_memory(self._meminfo, _HOST_MEMORY, (), gaps),
            *self._pressure(gaps),
            *self._numa(request, gaps),
            *self._merging(gaps),
        ]
        if not samples:
            raise SourceUnavailableError("; ".join(gaps.notes))
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _cpu_seconds(self, gaps: Gaps) -> Iterator[Sample]:
        """Yield the CPU time by mode. It never falls, as the kernel's idle and iowait may by some ticks."""
        with gaps.item(str(self._stat)):
            name, *ticks = read(str(self._stat)).partition(b"\n")[0].split()
            if name != b"cpu":
                raise SourceMalformedError("its first line is not that of all CPUs")
            for mode, text in zip(_CPU_MODES, ticks, strict=False):
                self._ticks[mode] = max(integer(text), self._ticks.get(mode, 0))
                yield Sample(host.CPU_SECONDS, self._ticks[mode] / self._ticks_per_second, (mode,))

    def _pressure(self, gaps: Gaps) -> Iterator[Sample]:
        """Yield the time in which the host's tasks waited for its resources."""
        for resource, metrics in _PRESSURES.items():
            path = str(self._pressures / resource)
            with gaps.item(path):
                try:
                    found = dict(_PRESSURE_LINE.findall(read(path)))
                except OSError as error:
                    if error.errno in _NO_PRESSURE:
                        continue
                    raise
                for kind, metric in metrics.items():
                    with gaps.item(f"{path}, {kind.decode()}"):
                        if kind not in found:
                            raise SourceMalformedError("no such line")
                        yield Sample(metric, seconds_from_us(integer(found[kind])), (resource,))

    def _numa(self, request: Request, gaps: Gaps) -> Iterator[Sample]:
        """Yield the nodes' series. A kernel without NUMA has none, and its huge pages belong to no node."""
        nodes = dict(_numbered(self._nodes, _NODE, gaps))
        pools: list[Sample] = []
        for number, directory in nodes.items():
            yield from _cpus(directory / "cpulist", host.NODE_CPUS, (number,), gaps)
            yield from _memory(directory / "meminfo", _NODE_MEMORY, (number,), gaps)
        before = gaps.count
        for number, directory in nodes.items():
            pools += _hugepages(directory / "hugepages", number, gaps)
        if not nodes:
            pools += _hugepages(self._pools, "", gaps)
        yield from pools
        if pools and gaps.count == before:  # a sum without one pool would be too small
            yield from _all_pools(pools)
        yield from self._bound_guests(request.guests, nodes, gaps)
        if nodes or self._nodes.is_dir():
            self._miss(request, nodes, gaps)

    def _bound_guests(
        self, guests: Mapping[str, Guest], nodes: Mapping[str, Path], gaps: Gaps
    ) -> Iterator[Sample]:
        """Yield the nodes to which the definitions bind vCPUs and memory, computed anew when one changes."""
        lists: dict[str, bytes] = {}
        for number, directory in nodes.items():
            with suppress(OSError):  # noted by `_cpus`
                lists[number] = read(str(directory / "cpulist"))
        before, self._placed = self._placed, {}
        for uuid, guest in guests.items():
            placed = before.get(uuid)
            if placed is None or placed.domain is not guest.domain or placed.lists != lists:
                with gaps.item(f"the CPU pins of guest {guest.domain.name!r}"):
                    placed = _Placed(guest.domain, lists, tuple(_nodes_of(guest, lists)))
                if placed is None:
                    continue
            self._placed[uuid] = placed
            yield from placed.samples

    def _merging(self, gaps: Gaps) -> Iterator[Sample]:
        """Yield what KSM does; a kernel without it has no such files. Source: admin-guide/mm/ksm.rst."""
        for name, metric, unit in (
            ("run", host.KSM_ENABLED, 1),
            ("pages_sharing", host.KSM_SAVED, self._page_size),
        ):
            path = str(self._ksm / name)
            with gaps.item(path), suppress(FileNotFoundError):
                number = integer(read(path))
                # 1 merges; 0 has stopped, and 2 takes all merged pages apart.
                yield Sample(metric, number * unit if metric is host.KSM_SAVED else number == 1)

    def _miss(self, request: Request, nodes: Collection[str], gaps: Gaps) -> None:
        """Note missing nodes: those that are online, or that guests are bound to."""
        with gaps.item(str(self._nodes / "online")), suppress(FileNotFoundError):
            for number in sorted(members(read(str(self._nodes / "online")))):
                if str(number) not in nodes:
                    gaps.missing("NUMA node", str(number), "the kernel says that it is online")
        for guest in request.guests.values():
            with gaps.item(f"the NUMA nodes {guest.domain.numa_nodes!r} of guest {guest.domain.name!r}"):
                for number in _bound(guest):
                    if str(number) not in nodes:
                        gaps.missing("NUMA node", f"{number} of guest {guest.domain.name!r}")


def _nodes_of(guest: Guest, lists: Mapping[str, bytes]) -> Iterator[Sample]:
    """Yield the nodes of a guest's vCPUs and memory. Raises `SourceMalformedError` for odd CPU pins."""
    domain = guest.domain
    vcpus = range(domain.vcpus or 0)
    pins = {domain.vcpu_pins.get(vcpu) or domain.vcpu_cpus for vcpu in vcpus}
    if pins and all(pin and "^" not in pin for pin in pins):  # all vCPUs are pinned
        cpus = {cpu for pin in pins for cpu in members(pin.encode())}
        for number, cpulist in lists.items():
            if not cpus.isdisjoint(members(cpulist)):
                yield Sample(host.NUMA_INFO, 1.0, (number, "vcpu"), domain.uuid)
    with suppress(SourceMalformedError):  # noted by `_miss`
        for node in _bound(guest):
            yield Sample(host.NUMA_INFO, 1.0, (str(node), "memory"), domain.uuid)


def _all_pools(pools: Iterable[Sample]) -> Iterator[Sample]:
    """Yield the bytes of all pools together."""
    for metric, in_all in (
        (host.HUGEPAGES, host.HUGEPAGES_BYTES),
        (host.HUGEPAGES_FREE, host.HUGEPAGES_FREE_BYTES),
    ):
        values = ((int(each.labels[1]), each.value) for each in pools if each.metric is metric)
        yield Sample(in_all, sum(size * pages for size, pages in values if isinstance(pages, int)))


def _bound(guest: Guest) -> list[int]:
    """Return the nodes that a guest's memory is bound to. Raises `SourceMalformedError`."""
    # libvirt's notation has exclusions too ("0-3,^2"); it writes none in a live definition.
    nodes = guest.domain.numa_nodes
    return sorted(members(nodes.encode())) if nodes and "^" not in nodes else []


def _cpus(
    path: Path, metric: Metric, labels: tuple[str, ...], gaps: Gaps, *, least: int = 0
) -> Iterator[Sample]:
    """Yield the count of a list of CPUs. A list with fewer than `least` is malformed."""
    with gaps.item(str(path)):
        count = cpu_count(read(str(path)))
        if count < least:
            raise SourceMalformedError("an empty list of CPUs")
        yield Sample(metric, count, labels)


def _memory(
    path: Path, metrics: dict[bytes, Metric], labels: tuple[str, ...], gaps: Gaps
) -> Iterator[Sample]:
    with gaps.item(str(path)):
        found = dict(_MEMORY_LINE.findall(read(str(path))))
        for key, metric in metrics.items():
            with gaps.item(f"{path}, {key.decode()}"):
                if key not in found:
                    raise SourceMalformedError("no such line")
                yield Sample(metric, bytes_from_kib(integer(found[key])), labels)


def _hugepages(directory: Path, node: str, gaps: Gaps) -> Iterator[Sample]:
    for kibibytes, pool in _numbered(directory, _POOL, gaps):
        labels = (node, str(bytes_from_kib(int(kibibytes))))
        for file, metric in _POOL_FILES.items():
            with gaps.item(str(pool / file)):
                yield Sample(metric, integer(read(str(pool / file))), labels)


def _numbered(directory: Path, pattern: re.Pattern[str], gaps: Gaps) -> Iterator[tuple[str, Path]]:
    """Yield the number in the name and the path of each entry that matches; none without the directory."""
    with gaps.item(str(directory)):
        if directory.is_dir():
            for path in sorted(directory.iterdir()):
                if match := pattern.fullmatch(path.name):
                    yield match[1], path
