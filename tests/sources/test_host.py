"""The host source shows what the hypervisor has to share out."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from hostcollector.catalogue import host
from hostcollector.errors import SourceUnavailableError
from hostcollector.model import Histogram, Metric
from hostcollector.sources.base import Reading, Request
from hostcollector.sources.host import Host

HYBRID = Path(__file__).parent.parent / "fixtures/hosts/hybrid"
REQUEST = Request(guests={}, deadline=0.0, taken_at=0.0)
NODE_MEMORY = (
    "Node {0} MemTotal:       {1} kB\nNode {0} MemFree:        {2} kB\nNode {0} MemUsed:        1 kB\n"
)


def series(reading: Reading, metric: Metric) -> Mapping[tuple[str, ...], float | Histogram]:
    """Return the values of a metric by their labels."""
    return {sample.labels: sample.value for sample in reading.samples if sample.metric is metric}


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a root."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


def pool(directory: str, kibibytes: int, total: int, free: int) -> dict[str, str]:
    """Return the files of a pool of huge pages."""
    path = f"{directory}/hugepages-{kibibytes}kB"
    return {f"{path}/nr_hugepages": f"{total}\n", f"{path}/free_hugepages": f"{free}\n"}


def test_a_captured_host_is_read_whole() -> None:
    """Processors, memory in bytes, and pools of huge pages that are empty, which is a known zero."""
    reading = Host(HYBRID).read(REQUEST)
    assert (reading.notes, reading.partial) == ((), False)
    assert series(reading, host.CPUS_ONLINE) == {(): 2}
    assert series(reading, host.MEMORY_TOTAL) == {(): 24684084 * 1024}
    assert series(reading, host.MEMORY_AVAILABLE) == {(): 23962076 * 1024}
    assert series(reading, host.NODE_CPUS) == {("0",): 2}
    assert series(reading, host.NODE_MEMORY_TOTAL) == {("0",): 7956684 * 1024}
    assert series(reading, host.NODE_MEMORY_FREE) == {("0",): 6668584 * 1024}
    assert series(reading, host.HUGEPAGES) == {("0", "2097152"): 0, ("0", "1073741824"): 0}


def test_every_numa_node_is_shown_with_its_huge_pages(tmp_path: Path) -> None:
    """A node of memory only has 0 processors; the pools of the whole host would count the pages twice."""
    nodes = "sys/devices/system/node"
    write(
        tmp_path,
        {
            "sys/devices/system/cpu/online": "0-3,8-11\n",
            f"{nodes}/online": "0-1,10\n",
            f"{nodes}/node0/cpulist": "0-3,8-11\n",
            f"{nodes}/node0/meminfo": NODE_MEMORY.format(0, 2048, 1024),
            f"{nodes}/node10/cpulist": "\n",
            f"{nodes}/node10/meminfo": NODE_MEMORY.format(10, 4096, 4096),
            **pool(f"{nodes}/node0/hugepages", 2048, 512, 12),
            **pool(f"{nodes}/node0/hugepages", 1048576, 8, 3),
            **pool(f"{nodes}/node10/hugepages", 2048, 0, 0),
            **pool("sys/kernel/mm/hugepages", 2048, 512, 12),
        },
    )
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.CPUS_ONLINE) == {(): 8}
    assert series(reading, host.NODE_CPUS) == {("0",): 8, ("10",): 0}
    assert series(reading, host.NODE_MEMORY_TOTAL) == {("0",): 2097152, ("10",): 4194304}
    assert series(reading, host.NODE_MEMORY_FREE) == {("0",): 1048576, ("10",): 4194304}
    total = {("0", "2097152"): 512, ("0", "1073741824"): 8, ("10", "2097152"): 0}
    assert series(reading, host.HUGEPAGES) == total
    assert series(reading, host.HUGEPAGES_FREE) == {**total, ("0", "2097152"): 12, ("0", "1073741824"): 3}
    assert reading.notes == (f"{tmp_path}/proc/meminfo cannot be read: No such file or directory",)


def test_without_numa_the_huge_pages_belong_to_no_node(tmp_path: Path) -> None:
    """A kernel without NUMA has one pool of each size."""
    write(tmp_path, {"sys/devices/system/cpu/online": "0\n", **pool("sys/kernel/mm/hugepages", 2048, 4, 1)})
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.HUGEPAGES) == {("", "2097152"): 4}
    assert series(reading, host.HUGEPAGES_FREE) == {("", "2097152"): 1}
    assert series(reading, host.NODE_CPUS) == {}


def test_one_malformed_file_costs_its_own_series(tmp_path: Path) -> None:
    """The rest is there, and the page says what is wrong."""
    write(tmp_path, {"sys/devices/system/cpu/online": "all\n", "proc/meminfo": "MemTotal:  1024 kB\n"})
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.CPUS_ONLINE) == {}
    assert series(reading, host.MEMORY_TOTAL) == {(): 1048576}
    assert reading.notes == ("not a number: b'all'",)
    assert reading.partial


def test_a_root_with_nothing_in_it_is_an_error(tmp_path: Path) -> None:
    """It names what was looked for."""
    with pytest.raises(SourceUnavailableError, match="cpu/online cannot be read"):
        Host(tmp_path).read(REQUEST)


def test_this_machine_is_read_as_it_is() -> None:
    """The figures are those that the operating system gives to programs."""
    reading = Host().read(REQUEST)
    assert reading.notes == ()
    assert series(reading, host.CPUS_ONLINE) == {(): os.sysconf("SC_NPROCESSORS_ONLN")}
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert series(reading, host.MEMORY_TOTAL) == {(): memory}
    available = series(reading, host.MEMORY_AVAILABLE)[()]
    assert isinstance(available, int)
    assert 0 < available < memory
