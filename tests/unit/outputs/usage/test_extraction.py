"""What a snapshot says is what the records take: all guests, each device once, whatever the page shows."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hostcollector.base.definition import Disk, Domain, HostDevice, Nic
from hostcollector.base.errors import Reason
from hostcollector.base.model import Family, Guest, Metric, Report, Sample, Snapshot, SourceState, Tenant
from hostcollector.catalogue import ALL, block, cpu, gpu, guest, interface, ovs, vf
from hostcollector.catalogue.usage import GpuMode
from hostcollector.guests.presence import Presence
from hostcollector.guests.processes import QemuProcess
from hostcollector.outputs.usage.books import Round
from hostcollector.outputs.usage.extraction import (
    TICKS_PER_SECOND,
    device_of_alias,
    last_reading,
    round_of,
)
from hostcollector.outputs.usage.reading import SECOND, Given, GpuKind, Moment

VM = "11111111-1111-4111-8111-111111111111"
NOW = Moment(1_795_906_800 * SECOND, 5_000 * SECOND)
VF = "0000:3b:00.2"
DOMAIN = Domain(
    uuid=VM,
    name="web",
    vcpus=2,
    memory_bytes=2**30,
    disks=(Disk(target="vda", alias="virtio-disk0"),),
    nics=(
        Nic(type="bridge", target="tap0", alias="net0"),
        Nic(type="vhostuser", source_socket="/run/vhu1", alias="net1"),
        Nic(type="hostdev", pci_address=VF, alias="hostdev0"),
    ),
    host_devices=(HostDevice(type="pci", pci_address="0000:1b:00.0", alias="hostdev1"),),
)
GUEST = Guest(domain=DOMAIN, tenant=Tenant(id="acme"))
PROCESS = QemuProcess(uuid=VM, pid=42, start_ticks=1000 * TICKS_PER_SECOND)


def family(row: Metric, **series: float) -> Family:
    """Return a row's family of the guest; a series is named by its last label."""
    return labelled(row, series)


def labelled(row: Metric, series: Mapping[str, float]) -> Family:
    """Return a row's family of the guest, by the last label of each series."""
    filler = ("",) * (len(row.labels) - 1)
    return Family(row, {("acme", "web", VM, *filler, name): value for name, value in series.items()})


def info(row: Metric, **labels: str) -> Family:
    """Return a description of the guest."""
    values = tuple(labels.get(name, "") for name in row.labels)
    return Family(row, {("acme", "web", VM, *values): 1.0})


FAMILIES = (
    info(guest.STATE_REASON, state="running", reason="booted"),
    info(guest.OPENSTACK_INFO, flavor_name="m1.large"),
    labelled(cpu.VCPU_TIME, {"0": 1.5, "1": 2.000000001}),
    family(block.WRITE_BYTES, vda=4096.0),
    family(block.CAPACITY, vda=2.0**30),
    family(interface.TRANSMIT_BYTES, tap0=100.0, vhu1=7.0),
    # The switch has its own names for ports: behind a bridge of each tap, and of a VF's representor.
    family(ovs.TRANSMIT_BYTES, tap0=100.0, vhu1=7.0, qvo1=100.0, eth0_1=11.0),
    labelled(vf.TRANSMITTED.guest, {VF: 11.0, "0000:3b:00.7": 5.0}),
    info(gpu.INFO.guest, gpu="0000:1b:00.0", model="NVIDIA H200", mode="passthrough"),
    labelled(gpu.ENERGY.guest, {"0000:1b:00.0": 12.3456}),
)


def taken(
    families: tuple[Family, ...] = FAMILIES,
    processes: Mapping[str, QemuProcess] | None = None,
    *,
    hidden: bool = False,
    **snapshot: object,
) -> Round:
    """Return the round of a snapshot with the guest on the page, or hidden by the selection."""
    place = ("hidden", "hidden_guests") if hidden else ("families", "guests")
    whole = Snapshot(taken_at=NOW.wall / SECOND, families=())
    whole = replace(whole, **{place[0]: families, place[1]: (GUEST,), **snapshot})  # type: ignore[arg-type]
    found = {VM: PROCESS} if processes is None else processes
    return round_of(whole, found, Presence(), NOW, listed=True)


def comparable(round_: Round) -> Round:
    """Return the round without the functions in it."""
    return replace(round_, readings={vm: replace(one, devices=tuple) for vm, one in round_.readings.items()})


def test_a_reading_has_what_the_sources_gave() -> None:
    """Counters by device, what the VM has, its QEMU and when that started, its flavour and its tenant."""
    reading = taken().readings[VM]
    assert (reading.here, reading.tenant, reading.flavour) == (True, "acme", "m1.large")
    assert reading.qemu == f"42 {PROCESS.start_ticks}"
    assert reading.started == NOW.wall - 4_000 * SECOND
    h200 = GpuKind("NVIDIA H200", GpuMode.PASSTHROUGH, "")
    assert reading.given == Given(2, 2**30, 2**30, {h200: 1})
    assert reading.energy == {h200: {"0000:1b:00.0": 12346}}
    assert reading.counters["vcpu_used_seconds"] == {"0": 1_500_000_000, "1": 2_000_000_001}
    assert reading.counters["disk_written_bytes"] == {"vda": 4096}
    assert "disk_reads" not in reading.counters


def test_memory_that_is_withheld_is_not_counted() -> None:
    """A guest with virtio-mem has what is requested for it, not the device's largest size."""
    for memory, given in ((2**30, 2**20), (2**10, 0), (None, None)):
        domain = replace(DOMAIN, memory_bytes=memory, withheld_bytes=2**30 - 2**20)
        reading = taken(guests=(replace(GUEST, domain=domain),)).readings[VM]
        assert reading.given is not None
        assert reading.given.memory_bytes == given


def test_an_interface_is_counted_by_one_source() -> None:
    """What the switch counts of a tap or of a VF, whatever it calls the port, is not counted once more."""
    counters = taken().readings[VM].counters
    assert counters["network_transmitted_bytes"] == {"tap0": 100, "vhu1": 7, VF: 11}


def test_selection_and_dropped_metrics_do_not_touch_the_records() -> None:
    """A guest that the page leaves out, and rows that the configuration drops, are read all the same."""
    hidden, shown = taken(hidden=True, dropped=frozenset(ALL)), taken()
    assert [*hidden.readings[VM].devices()] == [*shown.readings[VM].devices()]
    assert comparable(hidden) == comparable(shown)


def test_a_guest_without_tenant_is_read_too() -> None:
    """Nothing is off the books; a tenant id of another form counts as none."""
    for tenant in ("", "=cmd|' /C calc'!A0"):
        unassigned = replace(GUEST, tenant=Tenant(id=tenant))
        assert taken(guests=(unassigned,)).readings[VM].tenant == ""


def test_a_name_that_no_record_can_hold_is_left_out() -> None:
    """One odd guest must not make a line that stops the ledger's readers."""
    odd = Guest(domain=replace(DOMAIN, uuid="../etc/passwd"))
    assert taken(guests=(GUEST, odd)).readings.keys() == {VM}
    long = (info(guest.OPENSTACK_INFO, flavor_name="m1" * 100), *FAMILIES[2:], FAMILIES[0])
    assert len(taken(long).readings[VM].flavour) == 128


def test_a_vgpu_with_two_names_is_one_vgpu() -> None:
    """Twins are named by the kernel as VFs and by the driver by UUID: two are billed, not four."""
    card, vfs, uuids = "0000:1b:00.0", ("0000:1b:00.4", "0000:1b:00.5"), ("vgpu-1", "vgpu-2")
    a40 = {"pci_address": card, "model": "NVIDIA A40-8Q", "mode": "vgpu"}
    infos = (*(info(gpu.INFO.guest, gpu=name, **a40) for name in (*vfs, *uuids)),)
    driver = (
        info(gpu.VGPU_INFO, gpu=name, pci_address=card, vgpu_type="NVIDIA A40-8Q", vgpu_uuid=name)
        for name in uuids
    )
    kind = GpuKind("NVIDIA A40-8Q", GpuMode.VGPU, "NVIDIA A40-8Q")
    assert taken((*FAMILIES[:1], *infos, *driver)).readings[VM].given.gpus == {kind: 2}
    without_driver = GpuKind("NVIDIA A40-8Q", GpuMode.VGPU, "")
    assert taken((*FAMILIES[:1], *infos[:2])).readings[VM].given.gpus == {without_driver: 2}


@pytest.mark.parametrize("state", [("paused", "migration"), ("paused", "starting_up")])
def test_a_guest_that_arrives_is_not_here(state: tuple[str, str]) -> None:
    """During a migration the guest is read, and is the other host's."""
    arriving = (info(guest.STATE_REASON, state=state[0], reason=state[1]), *FAMILIES[1:])
    assert taken(arriving).readings[VM].here is False


def test_a_guest_is_gone_only_if_proc_says_so() -> None:
    """Without a process and a state it is gone; while /proc cannot be read, nothing is known."""
    stateless = FAMILIES[1:]
    assert taken(stateless, {}).gone == {VM}
    assert taken(FAMILIES, {}).readings[VM].qemu == ""
    failed = Report(source="procfs", state=SourceState.FAILED, reason=Reason.DENIED)
    blind = taken(stateless, {}, reports=(failed,))
    assert (blind.gone, blind.readings, blind.here) == (set(), {}, {VM})


def test_a_last_reading_has_the_kernels_counters() -> None:
    """Samples of single sources make a reading as a collection would, of this guest only."""
    samples = [
        Sample(interface.TRANSMIT_BYTES, 120, ("tap0",), VM),
        Sample(interface.TRANSMIT_BYTES, 999, ("tap1",), "another"),
        Sample(cpu.VCPU_TIME, 2.5, ("0",), VM),
        Sample(guest.START_TIME, 1.0, (), VM),
    ]
    reading = last_reading(GUEST, samples, PROCESS)
    assert reading.counters == {
        "vcpu_used_seconds": {"0": 2_500_000_000},
        "network_transmitted_bytes": {"tap0": 120},
    }
    assert reading.qemu == taken().readings[VM].qemu


def test_an_alias_names_the_device_of_the_counters() -> None:
    """An event about a device that was taken away has the alias alone."""
    names = {alias: device_of_alias(DOMAIN, alias) for alias in ("virtio-disk0", "net0", "hostdev1", "rng0")}
    assert names == {"virtio-disk0": "vda", "net0": "tap0", "hostdev1": "0000:1b:00.0", "rng0": ""}
