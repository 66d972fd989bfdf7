"""Turns what NVML tells into samples: the guest's where the device has an owner, else the host's."""

from collections.abc import Iterator, Mapping

from hostcollector.base.model import Sample
from hostcollector.catalogue import gpu as rows
from hostcollector.devices.owners import Owner
from hostcollector.devices.pci_values import Function, Mode
from hostcollector.sources.nvml.counters import SCALES
from hostcollector.sources.nvml.joining import Joined
from hostcollector.sources.nvml.mig import MigInstance
from hostcollector.sources.nvml.readout import Key
from hostcollector.sources.nvml.session import Identity

SOURCE = "nvml"


def gauge_samples(gpu: str, gauges: Mapping[Key, float], owner: Owner) -> Iterator[Sample]:
    """Yield the gauges of a GPU or a vGPU."""
    family = rows.GUEST if owner.uuid else rows.HOST
    for (key, labels), value in gauges.items():
        yield Sample(family[key], value, (gpu, *labels), owner.uuid)


def counter_samples(gpu: str, counters: Mapping[Key, float], owner: Owner) -> Iterator[Sample]:
    """Yield the counters of a GPU, which are relative to its owner's start, in base units."""
    family = rows.GUEST if owner.uuid else rows.HOST
    for (key, labels), value in counters.items():
        scale = SCALES.get(key)
        yield Sample(family[key], value if scale is None else value / scale, (gpu, *labels), owner.uuid)


def observable(gpu: str, address: str, owner: Owner, *, seen: bool) -> Sample:
    """Return whether NVML sees a GPU or a vGPU."""
    family = rows.GUEST if owner.uuid else rows.HOST
    return Sample(family["observable"], float(seen), (gpu, address, SOURCE), owner.uuid)


def identity_sample(gpu: str, identity: Identity) -> Sample:
    """Return what the GPU says that it is."""
    labels = (gpu, identity.model, identity.serial, identity.uuid, identity.module)
    return Sample(rows.IDENTITY_INFO, 1.0, labels)


def mig_samples(gpu: str, instance: MigInstance) -> Iterator[Sample]:
    """Yield the samples of a MIG instance of the host."""
    labels = (gpu, instance.gpu_instance, instance.compute_instance)
    yield Sample(rows.MIG_INFO, 1.0, (*labels, instance.model, instance.uuid))
    if instance.memory is not None:
        yield Sample(rows.MIG_MEMORY, instance.memory, labels)
    if instance.memory_used is not None:
        yield Sample(rows.MIG_MEMORY_USED, instance.memory_used, labels)


def vgpu_samples(joined: Joined, address: str, parent: Function | None) -> Iterator[Sample]:
    """Yield the samples of a vGPU; `address` and `parent` are the physical GPU that it is a part of."""
    vgpu, gpu, owner = joined.vgpu, joined.gpu, joined.owner
    about = (vgpu.type_name, vgpu.uuid, vgpu.gpu_instance, vgpu.guest_driver)
    yield Sample(rows.VGPU_INFO, 1.0, (gpu, address, *about), owner.uuid)
    if not joined.named:
        mode = Mode.MIG_VGPU if vgpu.gpu_instance else Mode.VGPU
        vendor, node = (parent.vendor, parent.numa_node) if parent is not None else ("", "")
        labels = (gpu, address, vendor, vgpu.type_name, node, mode.value)
        yield Sample(rows.GUEST["info"], 1.0, labels, owner.uuid)
    yield observable(gpu, address, owner, seen=True)
    yield from gauge_samples(gpu, vgpu.gauges, owner)
    if vgpu.licensed is not None:
        yield Sample(rows.VGPU_LICENSED, float(vgpu.licensed), (gpu,), owner.uuid)
    if vgpu.license_state is not None:
        yield Sample(rows.VGPU_LICENSE_STATE, vgpu.license_state, (gpu,), owner.uuid)


def xid_samples(gpu: str, counts: Mapping[tuple[str, int], int]) -> Iterator[Sample]:
    """Yield the errors that the driver reported of a GPU."""
    own = {code: count for (address, code), count in counts.items() if address == gpu}
    yield Sample(rows.XID_EVENTS, sum(own.values()), (gpu,))
    for code, count in sorted(own.items()):
        yield Sample(rows.XID_EVENTS_BY_CODE, count, (gpu, str(code)))
