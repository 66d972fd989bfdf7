"""The host source shows what the hypervisor has to share out."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.definition import Domain
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.model import Guest, Histogram, Metric
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import host
from hostcollector.protocols.kernel.files import read
from hostcollector.sources.host import Host
from tests.places import HYBRID

REQUEST = Request(guests={}, deadline=0.0, taken_at=0.0)
CPU_TIMES = "cpu  1 2 3 4 5 6 7 8 9 10\n"
NODE_MEMORY = (
    "Node {0} MemTotal:       {1} kB\nNode {0} MemFree:        {2} kB\nNode {0} MemUsed:        1 kB\n"
)


def series(reading: Reading, metric: Metric) -> Mapping[tuple[str, ...], float | Histogram]:
    """Return the values of a metric by their labels."""
    return {sample.labels: sample.value for sample in reading.samples if sample.metric is metric}


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a root, and the CPU times that every host has."""
    for path, content in {"proc/stat": CPU_TIMES, **files}.items():
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


def test_cpu_seconds_by_mode_never_fall(tmp_path: Path) -> None:
    """Each mode is in seconds; iowait, which the kernel may lower by a tick, stays at its highest."""
    write(tmp_path, {"proc/stat": "cpu  100 20 30 4000 55 6 7 8 90 10\ncpu0 1\n"})
    source = Host(tmp_path, ticks_per_second=100)
    seconds = series(source.read(REQUEST), host.CPU_SECONDS)
    assert seconds[("user",)] == 1.0
    assert seconds[("idle",)] == 40.0
    assert seconds[("guest_nice",)] == 0.1
    assert len(seconds) == 10
    write(tmp_path, {"proc/stat": "cpu  150 20 30 4100 54 6 7 8 90 10\n"})
    seconds = series(source.read(REQUEST), host.CPU_SECONDS)
    assert (seconds[("user",)], seconds[("idle",)], seconds[("iowait",)]) == (1.5, 41.0, 0.55)


@pytest.mark.parametrize("content", ["", "cpu0 1 2 3\n", "cpu  1 x 3\n", "intr 5\n"])
def test_a_malformed_stat_costs_the_cpu_seconds(content: str, tmp_path: Path) -> None:
    """A line that is not that of all CPUs is noted; the rest of the host is shown."""
    write(tmp_path, {"proc/stat": content, "sys/devices/system/cpu/online": "0-3\n"})
    reading = Host(tmp_path).read(REQUEST)
    assert reading.partial
    assert ("idle",) not in series(reading, host.CPU_SECONDS)
    assert series(reading, host.CPUS_ONLINE) == {(): 4}


PRESSURE = (
    "some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
)


def test_pressure_of_the_host_is_in_seconds(tmp_path: Path) -> None:
    """Waiting for each resource, and standstill for memory and I/O; "full" of the CPU says nothing."""
    write(tmp_path, {f"proc/pressure/{resource}": PRESSURE for resource in ("cpu", "memory", "io")})
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.PRESSURE_WAITING) == {("cpu",): 2.5, ("memory",): 2.5, ("io",): 2.5}
    assert series(reading, host.PRESSURE_STALLED) == {("memory",): 1e-6, ("io",): 1e-6}
    assert not any("proc/pressure" in note for note in reading.notes)


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EOPNOTSUPP])
def test_a_kernel_without_pressure_shows_none(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are no files, or they cannot be read: nothing is missing."""
    write(tmp_path, {"sys/devices/system/cpu/online": "0\n"})

    def refusing(path: str) -> bytes:
        if "/pressure/" in path:
            raise OSError(code, os.strerror(code), path)
        return read(path)

    monkeypatch.setattr("hostcollector.sources.host.read", refusing)
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.PRESSURE_WAITING) == {}
    assert not any("proc/pressure" in note for note in reading.notes)


@pytest.mark.parametrize(
    "content", ["", "some total=\n", "some avg10=0 total=-1\n", "some avg10=0 total=5 x\n"]
)
def test_a_malformed_pressure_file_costs_its_series(content: str, tmp_path: Path) -> None:
    """A line without its total is noted, and never 0."""
    write(tmp_path, {"proc/pressure/io": content, "proc/pressure/cpu": PRESSURE})
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.PRESSURE_WAITING) == {("cpu",): 2.5}
    io = f"{tmp_path}/proc/pressure/io"
    assert f"{io}, some, {io}, full cannot be read: no such line" in reading.notes


def test_every_numa_node_is_shown_with_its_huge_pages(tmp_path: Path) -> None:
    """A node of memory only has 0 processors; the pools of the whole host would count the pages twice."""
    nodes = "sys/devices/system/node"
    write(
        tmp_path,
        {
            "sys/devices/system/cpu/online": "0-3,8-11\n",
            f"{nodes}/online": "0,10\n",
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


def test_reserved_memory_is_added_up_over_nodes_and_sizes(tmp_path: Path) -> None:
    """512 pages of 2 MiB and 8 of 1 GiB; the rest of the host's memory is for normal pages."""
    files = {"sys/devices/system/cpu/online": "0\n", f"{NODES}/node0/cpulist": "0\n"}
    files[f"{NODES}/node0/meminfo"] = NODE_MEMORY.format(0, 2, 1)
    files |= pool(f"{NODES}/node0/hugepages", 2048, 512, 12)
    files |= pool(f"{NODES}/node0/hugepages", 1048576, 8, 3)
    write(tmp_path, files)
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.HUGEPAGES_BYTES) == {(): 512 * 2**21 + 8 * 2**30}
    assert series(reading, host.HUGEPAGES_FREE_BYTES) == {(): 12 * 2**21 + 3 * 2**30}


@pytest.mark.parametrize(("run", "enabled"), [("0", 0), ("1", 1), ("2", 0)])
def test_merging_of_pages_is_shown(run: str, enabled: int, tmp_path: Path) -> None:
    """While KSM runs; pages that it has merged are saved also after it was stopped."""
    ksm = {"sys/kernel/mm/ksm/run": f"{run}\n", "sys/kernel/mm/ksm/pages_sharing": "3\n"}
    write(tmp_path, {"sys/devices/system/cpu/online": "0\n", **ksm})
    reading = Host(tmp_path, page_size=4096).read(REQUEST)
    assert series(reading, host.KSM_ENABLED) == {(): enabled}
    assert series(reading, host.KSM_SAVED) == {(): 12288}


def test_the_nodes_of_a_guest_are_those_of_its_cpus_and_of_its_memory(tmp_path: Path) -> None:
    """Pins of single vCPUs count before those of all; a guest with a vCPU that runs anywhere has no node."""
    files = {"sys/devices/system/cpu/online": "0-7\n"}
    for node in range(2):
        files[f"{NODES}/node{node}/cpulist"] = f"{node * 4}-{node * 4 + 3}\n"
        files[f"{NODES}/node{node}/meminfo"] = NODE_MEMORY.format(node, 2, 1)
    write(tmp_path, files)
    domains = [
        Domain(uuid="pinned", name="pinned", vcpus=2, vcpu_pins={0: "4", 1: "5-6"}, numa_nodes="0"),
        Domain(uuid="mixed", name="mixed", vcpus=2, vcpu_pins={0: "4"}, vcpu_cpus="0-3"),
        Domain(uuid="half", name="half", vcpus=2, vcpu_pins={0: "4"}),
        Domain(uuid="free", name="free", vcpus=2),
        Domain(uuid="odd", name="odd", vcpus=1, vcpu_cpus="four"),
    ]
    guests = {domain.uuid: Guest(domain=domain) for domain in domains}
    source = Host(tmp_path)
    for _ in range(2):
        reading = source.read(Request(guests=guests, deadline=0.0, taken_at=0.0))
        found = {(s.uuid, *s.labels) for s in reading.samples if s.metric is host.NUMA_INFO}
        assert found == {
            ("pinned", "1", "vcpu"),
            ("pinned", "0", "memory"),
            ("mixed", "0", "vcpu"),
            ("mixed", "1", "vcpu"),
        }
        assert any("CPU pins of guest 'odd'" in note for note in reading.notes)


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
    online, meminfo = (tmp_path / path for path in ("sys/devices/system/cpu/online", "proc/meminfo"))
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.CPUS_ONLINE) == {}
    assert series(reading, host.MEMORY_TOTAL) == {(): 1048576}
    assert reading.notes == (
        f"{online} cannot be read: not a number: b'all'",
        f"{meminfo}, MemAvailable cannot be read: no such line",
    )
    assert (reading.partial, reading.missing) == (True, 2)


NODES = "sys/devices/system/node"
MEMINFO = NODE_MEMORY.format(1, 2048, 1024)


@pytest.mark.parametrize(
    ("path", "content", "gaps"),
    [
        ("node1/meminfo", None, 1),
        ("node1/meminfo", "", 2),
        ("node1/meminfo", MEMINFO.replace("2048", "9" * 30), 1),
        ("node1/meminfo", MEMINFO.replace("2048", "-1"), 1),
        ("node1/meminfo", MEMINFO.replace(" kB", " MB"), 2),
        ("node1/cpulist", None, 1),
        ("node1/cpulist", "", 1),
        ("node1/cpulist", "3-0\n", 1),
        ("node1/cpulist", "0-99999999999\n", 1),
        ("node1/hugepages/hugepages-2048kB/nr_hugepages", "-1\n", 1),
        ("node1/hugepages/hugepages-2048kB/nr_hugepages", "9" * 40, 1),
        ("node1/hugepages/hugepages-2048kB/free_hugepages", None, 1),
        ("online", "0-2,7\n", 1),
        ("online", "all\n", 1),
    ],
)
def test_a_bad_file_of_a_node_costs_itself(path: str, content: str | None, gaps: int, tmp_path: Path) -> None:
    """The node's other series and both healthy nodes are whole; the file is named. None: it is unreadable."""
    files = {"sys/devices/system/cpu/online": "0-2\n", f"{NODES}/online": "0-2\n"}
    for node in range(3):
        files[f"{NODES}/node{node}/cpulist"] = f"{node}\n"
        files[f"{NODES}/node{node}/meminfo"] = NODE_MEMORY.format(node, 2048, 1024)
        files |= pool(f"{NODES}/node{node}/hugepages", 2048, 4, 1)
    files |= {"proc/meminfo": "MemTotal: 4 kB\nMemAvailable: 2 kB\n"}
    write(tmp_path, files)
    good = {sample[:3] for sample in Host(tmp_path).read(REQUEST).samples}
    bad = tmp_path / NODES / path
    if content is None:
        bad.unlink()
        bad.mkdir()
    else:
        bad.write_text(content)
    reading = Host(tmp_path).read(REQUEST)
    left = {sample[:3] for sample in reading.samples}
    assert left <= good
    if "hugepages/" in path:  # a sum without the bad file would be too small
        good = {
            sample for sample in good if sample[0] not in (host.HUGEPAGES_BYTES, host.HUGEPAGES_FREE_BYTES)
        }
        assert good > left
    assert 0 < len(good - left) <= 2 or path == "online"
    assert {labels[0] for _, _, labels in good - left} <= {"1"}
    assert (reading.missing, reading.partial) == (gaps, True)
    assert any(bad.parent.name in note for note in reading.notes) or "7" in str(content)


@pytest.mark.parametrize("content", ["", "\n", "0-\n", "-1\n", "0,,2\n"])
def test_a_host_without_a_processor_is_not_believed(content: str, tmp_path: Path) -> None:
    """An empty list is no count of 0: something runs this."""
    write(tmp_path, {"sys/devices/system/cpu/online": content, "proc/meminfo": "MemTotal:  1024 kB\n"})
    reading = Host(tmp_path).read(REQUEST)
    assert series(reading, host.CPUS_ONLINE) == {}
    assert reading.partial


def test_a_node_that_a_guest_is_bound_to_is_missed_and_named(tmp_path: Path) -> None:
    """A definition that promises node 1 on a host that has node 0 only."""
    write(
        tmp_path,
        {
            "sys/devices/system/cpu/online": "0\n",
            "proc/meminfo": "MemTotal: 4 kB\nMemAvailable: 2 kB\n",
            f"{NODES}/node0/cpulist": "0\n",
            f"{NODES}/node0/meminfo": NODE_MEMORY.format(0, 2, 1),
        },
    )
    guests = {
        name: Guest(domain=Domain(uuid=name, name=name, numa_nodes=nodes))
        for name, nodes in (("one", "0-1"), ("two", "0"), ("three", ""), ("odd", "x"))
    }
    reading = Host(tmp_path).read(Request(guests=guests, deadline=0.0, taken_at=0.0))
    assert reading.missing == 2
    assert reading.notes[0] == "NUMA node not found: 1 of guest 'one'"
    assert "'odd'" in reading.notes[1]


@given(st.lists(st.integers(0, 9), unique=True, max_size=4), st.binary(max_size=60))
def test_one_bad_node_among_good_ones_loses_only_itself(good: list[int], bad: bytes) -> None:
    """Whatever a node's files hold."""
    with TemporaryDirectory() as directory:
        root = Path(directory)
        files = {"sys/devices/system/cpu/online": "0\n"}
        for node in good:
            files[f"{NODES}/node{node}/cpulist"] = "1-2\n"
            files[f"{NODES}/node{node}/meminfo"] = NODE_MEMORY.format(node, 2, 1)
        write(root, files)
        for name in ("cpulist", "meminfo", "hugepages/hugepages-4kB/nr_hugepages"):
            (root / NODES / "node77" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / NODES / "node77" / name).write_bytes(bad)
        reading = Host(root).read(REQUEST)
    nodes = {(str(node),) for node in good}
    assert nodes <= series(reading, host.NODE_MEMORY_FREE).keys() <= nodes | {("77",)}
    assert nodes <= series(reading, host.NODE_CPUS).keys() <= nodes | {("77",)}


def test_a_root_with_nothing_in_it_is_an_error(tmp_path: Path) -> None:
    """It names what was looked for."""
    with pytest.raises(SourceUnavailableError, match=r"cpu/online, .*meminfo cannot be read"):
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
