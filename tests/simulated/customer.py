"""A simulated customer for pictures of the customers' page: three hours of four VMs, one of them with GPUs.

Names, labels and units are those of the catalogue; the values are made up here, always the same ones.
"""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.gateway.stores import Sample

STEP = 60
SPAN = 3 * 3600
GIB = 2.0**30

Value = tuple[str, Mapping[str, str], float]
"""Name, labels beside tenant and vm, value."""


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM; `load` is how much it does at most, from 0 to 1."""

    id: str
    name: str
    vcpus: int
    load: float
    gpus: int = 0
    state: str = "running"
    gap: tuple[int, int] = (0, 0)
    """Seconds before the end between which there is no sample."""


VMS = (
    Vm("5b0c7d1e-4c55-4a53-9d07-b4b8a3d55001", "trainer", 16, 0.7, gpus=2),
    Vm("5b0c7d1e-4c55-4a53-9d07-b4b8a3d55002", "web", 4, 0.6, gap=(1500, 960)),
    Vm("5b0c7d1e-4c55-4a53-9d07-b4b8a3d55003", "database", 8, 0.4),
    Vm("5b0c7d1e-4c55-4a53-9d07-b4b8a3d55004", "builds", 2, 0.0, state="paused"),
)


def samples(end: int, tenant: str) -> Iterator[Sample]:
    """Yield every sample of the customer until `end`, in Unix seconds."""
    for number, vm in enumerate(VMS):
        chance, counters = random.Random(number), dict[str, float]()
        for at in range(end - SPAN, end + 1, STEP):
            busy = vm.load * _wave(at - end, number, chance)
            values = [*_gauges(vm, at, end, busy), *_counted(counters, _rates(vm, busy, chance))]
            if vm.gap[1] <= end - at < vm.gap[0]:
                continue
            for name, labels, value in values:
                pairs = (("tenant", tenant), ("vm", vm.id), *labels.items())
                yield Sample(name, pairs, round(value, 3), at)


def _wave(seconds: int, number: int, chance: random.Random) -> float:
    """Return how busy a VM is, from 0 to 1: slow and quick waves, a burst, and noise."""
    slow = 0.5 + 0.3 * math.sin(seconds / 1700 + number) + 0.1 * math.sin(seconds / 310 + 2 * number)
    burst = 0.35 if -1900 < seconds + 400 * number < -1300 else 0.0
    return min(1.0, max(0.02, slow + burst + chance.uniform(-0.05, 0.05)))


def _counted(counters: dict[str, float], rates: Iterator[Value]) -> Iterator[Value]:
    """Yield counters that have moved on by their rates in a second."""
    for name, labels, rate in rates:
        key = f"{name}{sorted(labels.items())}"
        counters[key] = counters.get(key, 0.0) + rate * STEP
        yield name, labels, counters[key]


def _gauges(vm: Vm, at: int, end: int, busy: float) -> Iterator[Value]:
    yield "vm_state", {"state": vm.state}, 1.0
    yield "vm_start_time_seconds", {}, end - 86_400.0 * (3 + vm.vcpus)
    yield "vm_vcpus", {}, float(vm.vcpus)
    for check in ("system", "instance"):
        yield "vm_status_check", {"check": check}, float(check == "system" or vm.state == "running")
    total = 4 * GIB * vm.vcpus
    yield "vm_memory_total_bytes", {}, total
    yield "vm_memory_available_bytes", {}, total * (0.75 - 0.5 * busy)
    for gpu in map(str, range(vm.gpus)):
        work = busy * (1.0 if gpu == "0" else 0.85)
        yield "vm_gpu_info", {"gpu": gpu, "model": "NVIDIA H200"}, 1.0
        yield "vm_gpu_power_watts", {"gpu": gpu}, 90 + 600 * work
        yield "vm_gpu_temperature_celsius", {"gpu": gpu}, 34 + 42 * work
        yield "vm_gpu_utilization_ratio", {"gpu": gpu, "engine": "compute"}, min(1.0, work * 1.3)
        yield "vm_gpu_memory_bytes", {"gpu": gpu}, 141 * GIB
        yield "vm_gpu_memory_used_bytes", {"gpu": gpu}, GIB * (12 + 110 * work)
        yield "vm_gpu_clock_hertz", {"gpu": gpu, "clock": "graphics"}, 1.98e9 - 3e8 * work


def _rates(vm: Vm, busy: float, chance: random.Random) -> Iterator[Value]:
    for vcpu in map(str, range(vm.vcpus)):
        yield "vm_cpu_seconds_total", {"vcpu": vcpu}, min(1.0, busy * chance.uniform(0.9, 1.1))
        yield "vm_cpu_wait_seconds_total", {"vcpu": vcpu}, 0.02 * busy**3 * chance.uniform(0.5, 1.5)
    for disk, share in (("0", 1.0), ("1", 0.3)):
        labels = {"disk": disk}
        read, written = 300 * busy * share, (20 + 180 * busy) * share
        yield "vm_disk_read_operations_total", labels, read
        yield "vm_disk_write_operations_total", labels, written
        yield "vm_disk_read_bytes_total", labels, read * 96_000
        yield "vm_disk_write_bytes_total", labels, written * 64_000
        yield "vm_disk_read_time_seconds_total", labels, read * (0.0004 + 0.002 * busy**2)
        yield "vm_disk_write_time_seconds_total", labels, written * (0.0009 + 0.004 * busy**2)
    yield "vm_network_receive_bytes_total", {"nic": "0"}, 6e6 * busy
    yield "vm_network_transmit_bytes_total", {"nic": "0"}, 14e6 * busy
    yield "vm_network_receive_packets_total", {"nic": "0"}, 5200 * busy
    yield "vm_network_transmit_packets_total", {"nic": "0"}, 9900 * busy
    yield "vm_network_transmit_drops_total", {"nic": "0"}, max(0.0, busy - 0.5) * 4
    for gpu in map(str, range(vm.gpus)):
        yield "vm_gpu_energy_joules_total", {"gpu": gpu}, 90 + 600 * busy
        yield "vm_gpu_throttle_seconds_total", {"gpu": gpu, "reason": "power"}, max(0.0, busy - 0.45) * 0.4
        yield "vm_gpu_nvlink_receive_bytes_total", {"gpu": gpu}, 4e10 * busy
        yield "vm_gpu_nvlink_transmit_bytes_total", {"gpu": gpu}, 4e10 * busy
