"""Turns what sysfs tells of devices into samples: their guest's if they have an owner, else the host's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.base.model import Metric, Sample
from hostcollector.catalogue import gpu as gpu_rows
from hostcollector.catalogue import pci as rows
from hostcollector.devices.owners import Owner
from hostcollector.devices.pci_values import Devices, Function, Mdev, Mode, vgpu_mode
from hostcollector.sources.vfio.health import TOTAL, Health, Link

SOURCE = "vfio"

Errors = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A PCI function with its health and its owner; the errors are relative to the owner's start."""

    function: Function
    owner: Owner
    health: Health
    errors: Errors
    upstream_errors: Errors


def function_samples(device: Described) -> Iterator[Sample]:
    """Yield the samples of a PCI function as a PCI function."""
    uuid = device.owner.uuid
    family = rows.GUEST if uuid else rows.HOST
    function, health = device.function, device.health
    labels = (function.address,)
    about = (
        *(function.device_class.value, function.vendor, function.model, function.driver, function.numa_node),
        *(health.iommu_group, health.reset_method, health.upstream_port),
    )
    yield Sample(family["info"], 1.0, labels + about, uuid)
    if health.runtime_active is not None:
        yield Sample(family["runtime_active"], float(health.runtime_active), labels, uuid)
    if health.power_state is not None:
        yield Sample(family["power_state_id"], health.power_state, labels, uuid)
    yield from _link(health.link, family, labels, uuid)
    for port, link in health.uplinks.items():
        for aspect, degraded in link.degraded.items():
            yield Sample(family["uplink_degraded"], float(degraded), (*labels, port, aspect), uuid)
    seen = {key for key, count in health.errors.items() if count}
    yield from _errors(device.errors, seen, (family["errors"], family["errors_by_kind"]), labels, uuid)
    seen = {key for key, count in health.upstream_errors.items() if count}
    metrics = (family["upstream_errors"], family["upstream_errors_by_kind"])
    yield from _errors(device.upstream_errors, seen, metrics, (*labels, health.upstream_port), uuid)


def _link(link: Link, family: Mapping[str, Metric], labels: tuple[str, ...], uuid: str) -> Iterator[Sample]:
    for key, value in (
        ("link_transfers_per_second", link.speed),
        ("link_maximum_transfers_per_second", link.maximum_speed),
        ("link_width", link.width),
        ("link_maximum_width", link.maximum_width),
    ):
        if value is not None:
            yield Sample(family[key], value, labels, uuid)
    for aspect, degraded in link.degraded.items():
        yield Sample(family["link_degraded"], float(degraded), (*labels, aspect), uuid)


def _errors(
    errors: Errors,
    seen: set[tuple[str, str]],
    metrics: tuple[Metric, Metric],
    labels: tuple[str, ...],
    uuid: str,
) -> Iterator[Sample]:
    """Yield the totals, and of the fifty kinds those that the hardware has met at all."""
    by_severity, by_kind = metrics
    for (severity, kind), count in errors.items():
        if kind == TOTAL:
            yield Sample(by_severity, count, (*labels, severity), uuid)
        elif (severity, kind) in seen:
            yield Sample(by_kind, count, (*labels, severity, kind), uuid)


def gpu_samples(function: Function, owner: Owner, devices: Devices) -> Iterator[Sample]:
    """Yield what a GPU is, and that it is seen."""
    if function.vgpu_type:
        mode = vgpu_mode(function.vgpu_type_name)
    elif owner.uuid or function.held_for_guests:
        mode = Mode.PASSTHROUGH
    else:
        mode = Mode.HOST
    physical = devices.physical(function.address)
    yield from _named(function.address, physical, function, function.name, mode, owner)


def mdev_samples(mdev: Mdev, owner: Owner, devices: Devices) -> Iterator[Sample]:
    """Yield what a vGPU is, and that it is seen."""
    parent = devices.functions[mdev.parent]
    name = mdev.type_name or parent.name
    yield from _named(
        mdev.uuid, devices.physical(mdev.parent), parent, name, vgpu_mode(mdev.type_name), owner
    )


def _named(
    gpu: str, physical: str, function: Function, model: str, mode: Mode, owner: Owner
) -> Iterator[Sample]:
    family = gpu_rows.GUEST if owner.uuid else gpu_rows.HOST
    about = (function.vendor, model, function.numa_node, mode.value)
    yield Sample(family["info"], 1.0, (gpu, physical, *about), owner.uuid)
    yield Sample(family["observable"], 1.0, (gpu, physical, SOURCE), owner.uuid)
