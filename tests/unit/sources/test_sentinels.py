"""What kernel files, libraries, libvirt and BMCs write when they know nothing reaches no page.

Each source reads the bytes through its own parser; its samples are joined to a page, as in a collection.
"""

import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest, Metric, Report, Sample, Snapshot, SourceState
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import block as disk
from hostcollector.catalogue import cgroup, cpu, gpu, host, infiniband, memory, vf
from hostcollector.collection.assemble import Assembler
from hostcollector.devices.baselines import Baselines
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.sources.cgroup import Cgroup
from hostcollector.sources.host import Host
from hostcollector.sources.infiniband import Infiniband
from hostcollector.sources.libvirt_monitor.decode import Decoder
from hostcollector.sources.procfs import Procfs
from hostcollector.sources.sriov import Sriov
from tests.fakes.guests import A
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import Vf, link_message
from tests.fakes.nvml import FakeNvml, build, loaded
from tests.fakes.procfs import Procfs as ProcTree
from tests.fakes.sysfs import Sysfs
from tests.places import HYBRID
from tests.unit.sources.nvml.conftest import NvmlHost

NOW = 1_700_000_000.0
ALL_ONES = 2**64 - 1
MEMORY = 2**30
PF, VF = "0000:3b:00.0", "0000:3b:00.2"
GPU = "0000:1b:00.0"
DOMAIN = Domain(
    uuid=A,
    name="web",
    id=1,
    vcpus=2,
    vcpus_maximum=2,
    memory_bytes=MEMORY,
    nics=(Nic(type="hostdev", pci_address=VF),),
)
GUESTS = {A: Guest(domain=DOMAIN)}
REQUEST = Request(guests=GUESTS, deadline=time.monotonic() + 3600, taken_at=NOW)
COUNTERS = infiniband.PORT_COUNTERS
Series = Mapping[tuple[str, ...], object]


class Pages:
    """Pages that follow each other every 15 seconds, of one source's samples."""

    def __init__(self, start: float = NOW) -> None:
        self._assembler, self._times = Assembler(), count(start, 15.0)
        self._last: Snapshot | None = None

    def of(self, samples: Reading | list[Sample]) -> "Pages":
        """Make the next page."""
        taken = tuple(samples.samples if isinstance(samples, Reading) else samples)
        report = Report(source="test", state=SourceState.OK, samples=taken)
        self._last = self._assembler.assemble(
            taken_at=next(self._times), guests=GUESTS, reports=[report], own=(), facts={}
        )
        return self

    def series(self, row: Metric) -> Series:
        """Return the series of a row by its own labels."""
        assert self._last is not None
        families = {family.metric: family.series for family in self._last.families}
        return {
            labels[-len(row.labels) or len(labels) :]: value
            for labels, value in families.get(row, {}).items()
        }

    @property
    def note(self) -> str:
        """What the page says of values that cannot be."""
        assert self._last is not None
        return " ".join(self._last.reports[0].notes)


@pytest.fixture
def pages() -> Pages:
    """Give pages that have not begun."""
    return Pages()


def _write(root: Path, files: Mapping[str, str]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


@pytest.mark.parametrize(
    ("field", "lie", "row"),
    [
        ("balloon.available", ALL_ONES // 1024, memory.AVAILABLE),
        ("balloon.unused", ALL_ONES // 1024, memory.UNUSED),
        ("balloon.usable", MEMORY // 1024 + 1, memory.USABLE),
        ("balloon.disk_caches", 2**32 - 1, memory.DISK_CACHES),
        ("balloon.swap_in", 2**54 - 1, memory.SWAP_IN),
        ("balloon.major_fault", ALL_ONES, memory.MAJOR_FAULTS),
        ("balloon.current", -1, memory.USAGE),
        ("balloon.last-update", int(NOW) + 86400, memory.LAST_UPDATE),
        ("block.0.rd.reqs", ALL_ONES, disk.READ_REQUESTS),
        ("block.0.rd.times", -1, disk.READ_TIME),
        ("block.0.wr.bytes", ALL_ONES - 4095, disk.WRITE_BYTES),
        ("block.0.capacity", ALL_ONES, disk.CAPACITY),
        ("vcpu.0.halted", 2**32 - 1, cpu.VCPU_HALTED),
        ("cpu.haltpoll.success.time", ALL_ONES, cpu.HALTPOLL_SUCCESS),
    ],
)
def test_a_record_of_libvirt(field: str, lie: int, row: Metric, pages: Pages) -> None:
    """What a guest's driver and libvirt say: more than the guest has, all ones, -1. The rest is shown."""
    record = {
        "balloon.current": MEMORY // 1024,
        "balloon.maximum": MEMORY // 1024,
        "balloon.available": 1000,
        "balloon.unused": 10,
        "balloon.usable": 250,
        "balloon.last-update": int(NOW) - 5,
        "block.count": 1,
        "block.0.name": "vda",
    }
    pages.of(list(Decoder().decode(A, {**record, field: lie}, NOW)))
    assert pages.series(row) == {}
    assert row.name in pages.note
    assert pages.series(memory.MAXIMUM) != {}


@pytest.mark.parametrize(
    ("file", "content", "row"),
    [
        ("port_rcv_data", "4294967295", COUNTERS["port_rcv_data"]),
        ("port_rcv_data", str(ALL_ONES), COUNTERS["port_rcv_data"]),
        ("port_xmit_wait", str(ALL_ONES), COUNTERS["port_xmit_wait"]),
        ("symbol_error", "65535", COUNTERS["symbol_error"]),
        ("link_downed", "255", COUNTERS["link_downed"]),
        ("link_error_recovery", "255", COUNTERS["link_error_recovery"]),
        ("VL15_dropped", "65535", COUNTERS["VL15_dropped"]),
        ("local_link_integrity_errors", "15", COUNTERS["local_link_integrity_errors"]),
        (
            "excessive_buffer_overrun_errors",
            "15",
            COUNTERS["excessive_buffer_overrun_errors"],
        ),
        ("symbol_error", "9" * 400, COUNTERS["symbol_error"]),
    ],
)
def test_a_port_of_infiniband(file: str, content: str, row: Metric, pages: Pages, tmp_path: Path) -> None:
    """A counter at its end says nothing: it may stay there for ever. Its neighbours go on."""
    port = "sys/class/infiniband/mlx5_0/ports/1"
    counters = {"port_rcv_packets": "7", file: content}
    _write(tmp_path, {f"{port}/counters/{name}": f"{value}\n" for name, value in counters.items()})
    _write(tmp_path, {f"{port}/state": "4: ACTIVE\n", f"{port}/rate": "400 Gb/sec (4X NDR)\n"})
    pages.of(Infiniband(tmp_path).read(REQUEST))
    assert pages.series(row) == {}
    assert pages.series(COUNTERS["port_rcv_packets"]) == {("mlx5_0", "1"): 7}


def test_a_host_without_processors(pages: Pages, tmp_path: Path) -> None:
    """An empty list of processors that are online is none of 0."""
    meminfo = "MemTotal:       1048576 kB\nMemAvailable:   18014398509481980 kB\n"
    _write(tmp_path, {"sys/devices/system/cpu/online": "\n", "proc/meminfo": meminfo})
    pages.of(Host(tmp_path).read(REQUEST))
    assert pages.series(host.CPUS_ONLINE) == {}
    assert pages.series(host.MEMORY_AVAILABLE) == {}
    assert pages.series(host.MEMORY_TOTAL) == {(): 2**30}


@pytest.mark.parametrize("delay", [18446744073709551000, ALL_ONES, 2**64 - 10**9, 2**63])
def test_run_delay_that_went_below_0(delay: int, pages: Pages, tmp_path: Path) -> None:
    """The kernel's subtraction of two clocks, in unsigned clothes, of one thread; the others are shown."""
    tree = ProcTree(tmp_path)
    tree.qemu(100, A, "web", {101: "CPU 0/KVM", 102: "CPU 1/KVM"})
    tree.thread("proc/100/task/101", 101, "CPU 0/KVM", f"5000000000 {delay} 7")
    pages.of(Procfs(QemuProcesses(tmp_path)).read(REQUEST))
    assert pages.series(cpu.VCPU_DELAY) == {("1",): 0.5}
    assert pages.series(cpu.VCPU_TIME) == {("0",): 5.0, ("1",): 1.0}


@pytest.mark.parametrize("usage", [ALL_ONES, 2**64 - 10**6, 2**64 - 1000])
def test_cpu_time_of_a_group_that_went_below_0(usage: int, pages: Pages, tmp_path: Path) -> None:
    """The same in a control group, in microseconds."""
    tree = ProcTree(tmp_path)
    tree.qemu(100, A, "web")
    tree.write("proc/self/mountinfo", "25 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    scope = "machine.slice/machine-qemu\\x2d3\\x2dweb.scope"
    tree.write("proc/100/cgroup", f"0::/{scope}/libvirt/emulator\n")
    stat = f"usage_usec {usage}\nuser_usec 1000000\nsystem_usec {usage}\n"
    tree.write(f"sys/fs/cgroup/{scope}/cpu.stat", stat)
    pages.of(Cgroup(QemuProcesses(tmp_path)).read(REQUEST))
    assert pages.series(cgroup.CPU_USAGE) == {}
    assert pages.series(cgroup.CPU_USER) == {(): 1.0}


@pytest.mark.parametrize(
    ("totals", "shown"),
    [
        ([100, ALL_ONES, 200, 300], [0, None, 100, 200]),
        ([0, 900, 910], [0, 0, 10]),
        ([100, 2**62, 200, 300], [0, None, 100, 200]),
        ([100, 5, 200, 300], [0, None, 100, 200]),
        ([100, 0, 200], [0, None, 100]),
        ([ALL_ONES, 200, 300], [None, 0, 100]),
    ],
)
def test_counters_of_a_vf(totals: list[int], shown: list[object], pages: Pages, tmp_path: Path) -> None:
    """A wild reading up or down, the first one included, is absent and noted; the next good one goes on."""
    sysfs = Sysfs(tmp_path)
    sysfs.pf(PF, netdev="ens1")
    sysfs.vf(PF, 0, VF)
    seen: list[object] = []
    with LinkKernel({}) as kernel:
        baselines = Baselines(tmp_path / "state", tmp_path, patience=30)
        source = Sriov(tmp_path, baselines, RouteSocket(kernel.connect))
        for total in totals:

            def answer(question: Question, total: int = total) -> bytes:
                reported = Vf(number=0, counters=(total,) * 8 if question.statistics else None)
                return link_message([reported], sequence=question.sequence, flags=question.flags)

            kernel.links[2] = answer
            pages.of(source.read(REQUEST))
            seen.append(pages.series(vf.RECEIVED.guest).get(("ens1", "0", VF)))
            assert (seen[-1] is None) == ("libvirt_domain_vf_receive_bytes_total" in pages.note)
    assert seen == shown


def _library(path: Path) -> FakeNvml:
    (path / "built").mkdir()
    return FakeNvml(build(path / "built"), path)


ONES = (
    *(gpu.POWER, gpu.POWER_LIMIT, gpu.TEMPERATURE, gpu.MEMORY_TEMPERATURE),
    *(gpu.UTILIZATION, gpu.CLOCK, gpu.CLOCKS_HELD, gpu.ECC_ENABLED, gpu.ENCODER_SESSIONS),
    *(gpu.ROW_REMAPPING_PENDING, gpu.ROW_REMAPPING_FAILED, gpu.ROW_REMAPPING_BANKS),
)
SIZES = (gpu.MEMORY, gpu.MEMORY_USED)


def test_gauges_of_nvml(pages: Pages, tmp_path: Path) -> None:
    """Success and all ones, or a memory of 0: the driver knows nothing, and nothing is shown."""
    nvml = _library(tmp_path)
    with loaded(nvml.library):
        machine = NvmlHost(tmp_path, nvml)
        machine.gpu(GPU)
        pages.of(machine.reading())
        assert all(pages.series(twin.host) for twin in (*ONES, *SIZES))
        nvml.wild(1)
        pages.of(machine.reading())
        assert [twin for twin in (*ONES, *SIZES) if pages.series(twin.host)] == [gpu.MEMORY]
        assert gpu.POWER.host.name in pages.note
        nvml.wild(2)
        pages.of(machine.reading())
        assert [twin for twin in (*ONES, *SIZES) if pages.series(twin.host)] == list(ONES)
        machine.source.close()


def test_counters_of_nvml(pages: Pages, tmp_path: Path) -> None:
    """5000, all ones, 6000 is 0, nothing, 1000 of every counter; the energy is in millijoules."""
    nvml = _library(tmp_path)
    errors, energy = gpu.MEMORY_ECC_ERRORS.host, gpu.ENERGY.host
    seen = []
    with loaded(nvml.library):
        machine = NvmlHost(tmp_path, nvml)
        device = machine.gpu(GPU)
        for raw in (5000, ALL_ONES, 6000):
            nvml.counters(device, energy=raw, errors=raw)
            pages.of(machine.reading())
            dram = pages.series(errors).get((GPU, "dram", "corrected"))
            seen.append((pages.series(energy).get((GPU,)), dram))
        machine.source.close()
    assert seen == [(0, 0), (None, None), (1, 1000)]


def test_a_captured_host_says_nothing_that_cannot_be() -> None:
    """Of a real host with a guest no value is left out."""
    captured = HYBRID
    processes = QemuProcesses(captured)
    named = {A: Guest(domain=Domain(uuid=A, name="web (blue), 1"))}
    request = Request(guests=named, deadline=time.monotonic() + 3600, taken_at=time.time())
    sources = (Procfs(processes), Cgroup(processes), Host(captured))
    samples = [sample for source in sources for sample in source.read(request).samples]
    assert len(samples) > 40
    assert Pages(time.time()).of(samples).note == ""
