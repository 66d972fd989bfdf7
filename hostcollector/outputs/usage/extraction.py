"""From the families of a snapshot to the readings of its VMs.

Taken from all families and all guests, before any selection: what the operator's page leaves out is in the
records all the same.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from hostcollector.base.definition import Domain
from hostcollector.base.model import Family, Guest, Histogram, Metric, Sample, Snapshot, SourceState
from hostcollector.catalogue import block, cpu, gpu, guest, interface, vf
from hostcollector.catalogue.usage import LONGEST_TEXT, GpuMode
from hostcollector.guests.presence import NOT_RUNNING, Presence
from hostcollector.guests.processes import QemuProcess
from hostcollector.outputs.tenant_page.membership import fit
from hostcollector.outputs.tenant_page.views import UUID_AT, allowed, doubled_vgpus
from hostcollector.outputs.usage.books import Round
from hostcollector.outputs.usage.reading import BILLION, SECOND, Given, GpuKind, Moment, Reading

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_MODES = {
    "passthrough": GpuMode.PASSTHROUGH,
    "vgpu": GpuMode.VGPU,
    "mig-vgpu": GpuMode.MIG,
    "mig": GpuMode.MIG,
}
_METERS: Mapping[Metric, str] = {
    cpu.VCPU_TIME: "vcpu_used_seconds",
    block.READ_BYTES: "disk_read_bytes",
    block.WRITE_BYTES: "disk_written_bytes",
    block.READ_REQUESTS: "disk_reads",
    block.WRITE_REQUESTS: "disk_writes",
    interface.RECEIVE_BYTES: "network_received_bytes",
    interface.TRANSMIT_BYTES: "network_transmitted_bytes",
    interface.RECEIVE_PACKETS: "network_received_packets",
    interface.TRANSMIT_PACKETS: "network_transmitted_packets",
    vf.RECEIVED.guest: "network_received_bytes",
    vf.TRANSMITTED.guest: "network_transmitted_bytes",
    vf.RECEIVED_PACKETS.guest: "network_received_packets",
    vf.TRANSMITTED_PACKETS.guest: "network_transmitted_packets",
    vf.RDMA_RECEIVED.guest: "rdma_received_bytes",
    vf.RDMA_TRANSMITTED.guest: "rdma_transmitted_bytes",
}
"""Each interface is counted by one of the rows. The switch's own rows (`ovs`) repeat what the kernel or a
card counts, under the switch's name of the port; of a vhost-user port the switch fills `interface` too.
"""

_PARTS = {cpu.VCPU_TIME: BILLION}
_NAMES = {row: row.label_names.index("vcpu" if row is cpu.VCPU_TIME else row.labels[-1]) for row in _METERS}
"""Where a row has the name of the device: the last label, of VFs the PCI address."""

_NEEDED = frozenset(
    {*_METERS, guest.STATE_REASON, guest.OPENSTACK_INFO, block.CAPACITY}
    | {gpu.INFO.guest, gpu.VGPU_INFO, gpu.ENERGY.guest}
)
_FLAVOUR = guest.OPENSTACK_INFO.label_names.index("flavor_name")

Counters = dict[str, dict[str, int]]


def round_of(
    snapshot: Snapshot,
    processes: Mapping[str, QemuProcess],
    presence: Presence,
    now: Moment,
    *,
    listed: bool,
) -> Round:
    """Return what a collection has read. `processes` are the guests' QEMUs as the collection found them."""
    found = (*snapshot.guests, *snapshot.hidden_guests)
    guests = {one.domain.uuid: one for one in found if allowed("vm", one.domain.uuid)}
    families = [one for one in (*snapshot.families, *snapshot.hidden) if one.metric in _NEEDED]
    collected = _Collected.of(families, guests)
    failed = {report.source for report in snapshot.reports if report.state is SourceState.FAILED}
    readings, gone = {}, set()
    for uuid, one in guests.items():
        state, reason = collected.states.get(uuid, ("", ""))
        process = processes.get(uuid)
        if process is not None or (state and state not in NOT_RUNNING):
            here = presence.is_here(uuid, state, reason, snapshot.taken_at)
            readings[uuid] = collected.reading(one, process, now, here=here)
        elif cpu.VCPU_TIME.source not in failed:
            gone.add(uuid)
    return Round(
        at=round(snapshot.taken_at * SECOND),
        now=now,
        readings=readings,
        here=guests.keys() if listed else None,
        gone=gone,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collected:
    """What the families of a collection have of each guest, by UUID."""

    families: Sequence[Family]
    counters: Mapping[str, Counters]
    states: Mapping[str, tuple[str, ...]]
    flavours: Mapping[str, str]
    capacities: Mapping[str, int]
    gpus: Mapping[str, Mapping[GpuKind, set[str]]]

    @classmethod
    def of(cls, families: Sequence[Family], guests: Mapping[str, Guest]) -> "_Collected":
        counters: dict[str, Counters] = {uuid: {} for uuid in guests}
        for family in families:
            if family.metric in _METERS:
                _take_family(family, guests, counters)
        return cls(
            families=families,
            counters=counters,
            states={uuid: labels[-2:] for uuid, labels in _labels(families, guest.STATE_REASON)},
            flavours={uuid: labels[_FLAVOUR] for uuid, labels in _labels(families, guest.OPENSTACK_INFO)},
            capacities=_capacities(families),
            gpus=_gpus(families),
        )

    def reading(self, one: Guest, process: QemuProcess | None, now: Moment, *, here: bool) -> Reading:
        """Return what was read of a guest that runs."""
        uuid = one.domain.uuid
        gpus = self.gpus.get(uuid, {})
        return Reading(
            here=here,
            tenant=fit(one.tenant),
            flavour=_text(self.flavours.get(uuid, "")),
            qemu=identity(process),
            started=_started(process, now),
            given=Given(
                vcpus=one.domain.vcpus,
                memory_bytes=_memory(one.domain),
                disk_bytes=self.capacities.get(uuid),
                gpus={kind: len(names) for kind, names in gpus.items()} if gpus else None,
            ),
            counters=self.counters[uuid],
            energy=_energy(self.families, uuid, gpus) if gpus else {},
            devices=partial(devices_of, one.domain),
        )


def last_reading(one: Guest, samples: Iterable[Sample], process: QemuProcess | None) -> Reading:
    """Return a reading of some sources alone, of a VM that ends now."""
    counters: Counters = {}
    for row, value, labels, uuid in samples:
        if row in _METERS and uuid == one.domain.uuid and not isinstance(value, Histogram):
            place = _NAMES[row] - len(row.label_names)
            counters.setdefault(_METERS[row], {})[labels[place]] = round(value * _PARTS.get(row, 1))
    return Reading(
        tenant=fit(one.tenant),
        qemu=identity(process),
        counters=counters,
        devices=partial(devices_of, one.domain),
    )


def identity(process: QemuProcess | None) -> str:
    """Return what names a QEMU for as long as the host is up; empty if it is not known."""
    return "" if process is None else f"{process.pid} {process.start_ticks}"


def device_of_alias(domain: Domain, alias: str) -> str:
    """Return the name of a device in the counters; empty for one without counters."""
    for disk in domain.disks:
        if disk.alias == alias:
            return disk.target
    for nic in domain.nics:
        if nic.alias == alias:
            return nic.target or nic.pci_address
    for device in domain.host_devices:
        if device.alias == alias:
            return device.pci_address or device.mdev_uuid.lower()
    return ""


def devices_of(domain: Domain) -> Iterator[str]:
    """Yield the names in the counters of the devices that the definition has."""
    yield from (disk.target for disk in domain.disks)
    for nic in domain.nics:
        socket = PurePosixPath(nic.source_socket).name if nic.source_socket else ""
        yield from filter(None, (nic.target, nic.pci_address, socket))
    yield from (device.pci_address or device.mdev_uuid.lower() for device in domain.host_devices)
    yield from map(str, range(domain.vcpus or 0))


def _take_family(family: Family, guests: Mapping[str, Guest], counters: Mapping[str, Counters]) -> None:
    row, name, parts = family.metric, _NAMES[family.metric], _PARTS.get(family.metric, 1)
    meter = _METERS[row]
    counts = _is_given if row.source == vf.RECEIVED.guest.source else None
    for labels, value in family.series.items():
        found = counters.get(labels[UUID_AT])
        if found is None or isinstance(value, Histogram):
            continue
        if counts is None or counts(guests[labels[UUID_AT]].domain, labels[name]):
            # Counters of whole units come as floats: below 2^53 they are exact.
            found.setdefault(meter, {})[labels[name]] = int(value) if parts == 1 else round(value * parts)


def _is_given(domain: Domain, address: str) -> bool:
    """Whether the VF at this address is the guest's own, and no macvtap's on the host."""
    given = {device.pci_address for device in domain.host_devices}
    given.update(nic.pci_address for nic in domain.nics)
    return address in given or any(nic.type == "vdpa" for nic in domain.nics)


def _memory(domain: Domain) -> int | None:
    """Return the memory that the guest has or may have at present; None if it is not known."""
    return None if domain.memory_bytes is None else max(0, domain.memory_bytes - domain.withheld_bytes)


def _labels(families: Iterable[Family], row: Metric) -> Iterator[tuple[str, tuple[str, ...]]]:
    for family in families:
        if family.metric is row:
            for labels in family.series:
                yield labels[UUID_AT], labels


def _named(families: Iterable[Family], row: Metric) -> Iterator[tuple[str, Mapping[str, str]]]:
    for uuid, labels in _labels(families, row):
        yield uuid, dict(zip(row.label_names, labels, strict=True))


def _capacities(families: Iterable[Family]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for family in families:
        if family.metric is block.CAPACITY:
            for labels, value in family.series.items():
                if not isinstance(value, Histogram):
                    found[labels[UUID_AT]] = found.get(labels[UUID_AT], 0) + round(value)
    return found


def _gpus(families: Iterable[Family]) -> Mapping[str, Mapping[GpuKind, set[str]]]:
    """Return the names of each guest's GPUs by kind."""
    families = list(families)
    doubled = doubled_vgpus(families)
    types = {(uuid, about["gpu"]): about["vgpu_type"] for uuid, about in _named(families, gpu.VGPU_INFO)}
    found: dict[str, dict[GpuKind, set[str]]] = {}
    for uuid, about in _named(families, gpu.INFO.guest):
        mode = _MODES.get(about["mode"])
        if mode is not None and (uuid, about["gpu"]) not in doubled:
            kind = GpuKind(_text(about["model"]), mode, _text(types.get((uuid, about["gpu"]), "")))
            found.setdefault(uuid, {}).setdefault(kind, set()).add(about["gpu"])
    return found


def _energy(
    families: Iterable[Family], uuid: str, gpus: Mapping[GpuKind, set[str]]
) -> Mapping[GpuKind, Mapping[str, int]]:
    """Return the millijoules of the guest's GPUs, of those that it has to itself."""
    row, found = gpu.ENERGY.guest, dict[GpuKind, dict[str, int]]()
    name = row.label_names.index("gpu")
    values = {
        labels[name]: value
        for family in families
        if family.metric is row
        for labels, value in family.series.items()
        if labels[UUID_AT] == uuid and not isinstance(value, Histogram)
    }
    for kind, names in gpus.items():
        if kind.mode is GpuMode.PASSTHROUGH and (known := names & values.keys()):
            found[kind] = {one: round(values[one] * 1000) for one in known}
    return found


def _started(process: QemuProcess | None, now: Moment) -> int | None:
    """Return when the process started, by the present clock."""
    if process is None:
        return None
    return now.wall - (now.steady - process.start_ticks * SECOND // TICKS_PER_SECOND)


def _text(text: str) -> str:
    """Return text that a record can hold."""
    return text[:LONGEST_TEXT] if text.isprintable() else ""
