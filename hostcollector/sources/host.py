"""The `host` source: what the hypervisor has to share out, so that over-commitment can be computed."""

import re
from collections.abc import Iterator
from pathlib import Path

from hostcollector.catalogue import host
from hostcollector.errors import SourceMalformedError, SourceUnavailableError
from hostcollector.kernel_files import cpu_count, integer, read
from hostcollector.model import Metric, Sample
from hostcollector.sources.base import Reading, Request, Source
from hostcollector.units import bytes_from_kib

_NODE = re.compile(r"node(\d+)")
_POOL = re.compile(r"hugepages-(\d+)kB")
# A node's lines begin with "Node 0 ".
_MEMORY_LINE = re.compile(rb"^(?:Node \d+ )?(\w+): +(\d+) kB$", re.MULTILINE)

_HOST_MEMORY = {b"MemTotal": host.MEMORY_TOTAL, b"MemAvailable": host.MEMORY_AVAILABLE}
_NODE_MEMORY = {b"MemTotal": host.NODE_MEMORY_TOTAL, b"MemFree": host.NODE_MEMORY_FREE}
_POOL_FILES = {"nr_hugepages": host.HUGEPAGES, "free_hugepages": host.HUGEPAGES_FREE}


class Host(Source):
    """Reads processors, memory, NUMA nodes and huge pages under `root`."""

    name = "host"

    def __init__(self, root: Path = Path("/")) -> None:
        self._cpus = root / "sys/devices/system/cpu/online"
        self._meminfo = root / "proc/meminfo"
        self._nodes = root / "sys/devices/system/node"
        self._pools = root / "sys/kernel/mm/hugepages"

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - it is about no guest
        """Return what can be read. Raises `SourceUnavailableError` when that is nothing."""
        samples: list[Sample] = []
        problems: list[str] = []
        for part in (
            _cpus(self._cpus, host.CPUS_ONLINE, ()),
            _memory(self._meminfo, _HOST_MEMORY, ()),
            self._numa(),
        ):
            try:
                samples += part
            except OSError as error:
                problems.append(f"{error.filename} cannot be read: {error.strerror}")
            except SourceMalformedError as error:
                problems.append(str(error))
        if not samples:
            raise SourceUnavailableError("; ".join(problems))
        return Reading(samples=samples, notes=tuple(problems), partial=bool(problems))

    def _numa(self) -> Iterator[Sample]:
        """Yield the nodes; a kernel without NUMA has none, and its huge pages belong to no node."""
        nodes = list(_numbered(self._nodes, _NODE))
        for number, directory in nodes:
            yield from _cpus(directory / "cpulist", host.NODE_CPUS, (number,))
            yield from _memory(directory / "meminfo", _NODE_MEMORY, (number,))
            yield from _hugepages(directory / "hugepages", number)
        if not nodes:
            yield from _hugepages(self._pools, "")


def _cpus(path: Path, metric: Metric, labels: tuple[str, ...]) -> Iterator[Sample]:
    yield Sample(metric, cpu_count(read(str(path))), labels)


def _memory(path: Path, metrics: dict[bytes, Metric], labels: tuple[str, ...]) -> Iterator[Sample]:
    for key, kibibytes in _MEMORY_LINE.findall(read(str(path))):
        if key in metrics:
            yield Sample(metrics[key], bytes_from_kib(integer(kibibytes)), labels)


def _hugepages(directory: Path, node: str) -> Iterator[Sample]:
    for kibibytes, pool in _numbered(directory, _POOL):
        labels = (node, str(bytes_from_kib(int(kibibytes))))
        for file, metric in _POOL_FILES.items():
            yield Sample(metric, integer(read(str(pool / file))), labels)


def _numbered(directory: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, Path]]:
    """Yield the number in the name and the path of each entry that matches; none without the directory."""
    if directory.is_dir():
        for path in sorted(directory.iterdir()):
            if match := pattern.fullmatch(path.name):
                yield match[1], path
