"""Turns NVML's answers into samples: the guest's where the device has an owner, else the host's."""

from collections.abc import Iterator, Mapping

from hostcollector.base.model import Sample
from hostcollector.catalogue import gpu as rows
from hostcollector.devices.owners import Owner
from hostcollector.devices.pci import Function, Mode
from hostcollector.sources.nvml.readings import SCALES, Key
from hostcollector.sources.nvml.session import Identity
from hostcollector.sources.nvml.slices import MigInstance, OwnedVgpu

SOURCE = "nvml"


def gauge_samples(gpu: str, gauges: Mapping[Key, float], owner: Owner) -> Iterator[Sample]:
    """Yield the gauges of a GPU or a vGPU."""
    for (twin, labels), value in gauges.items():
        yield Sample(twin.of(owner.uuid), value, (gpu, *labels), owner.uuid)


def counter_samples(gpu: str, counters: Mapping[Key, float], owner: Owner) -> Iterator[Sample]:
    """Yield the counters of a GPU in base units; `counters` are raw and relative to the owner's start."""
    for (twin, labels), raw in counters.items():
        scale = SCALES.get(twin)
        value = raw if scale is None else raw / scale
        yield Sample(twin.of(owner.uuid), value, (gpu, *labels), owner.uuid)


def observable(gpu: str, address: str, owner: Owner, *, seen: bool) -> Sample:
    """Return whether NVML reports a GPU or a vGPU."""
    return Sample(rows.OBSERVABLE.of(owner.uuid), float(seen), (gpu, address, SOURCE), owner.uuid)


def identity_sample(gpu: str, identity: Identity) -> Sample:
    """Return a GPU's model and numbers."""
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


def vgpu_samples(owned: OwnedVgpu, address: str, parent: Function | None) -> Iterator[Sample]:
    """Yield the samples of a vGPU; `address` and `parent` are its physical GPU."""
    vgpu, gpu, owner = owned.vgpu, owned.gpu, owned.owner
    about = (vgpu.type_name, vgpu.uuid, vgpu.gpu_instance, vgpu.guest_driver)
    yield Sample(rows.VGPU_INFO, 1.0, (gpu, address, *about), owner.uuid)
    if not owned.named:
        mode = Mode.MIG_VGPU if vgpu.gpu_instance else Mode.VGPU
        vendor, node = (parent.vendor, parent.numa_node) if parent is not None else ("", "")
        labels = (gpu, address, vendor, vgpu.type_name, node, mode.value)
        yield Sample(rows.INFO.guest, 1.0, labels, owner.uuid)
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
