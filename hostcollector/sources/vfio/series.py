"""Turns devices into samples: their guest's if they have an owner, else the host's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.base.model import Sample
from hostcollector.catalogue import gpu as gpu_rows
from hostcollector.catalogue import pci as rows
from hostcollector.catalogue.rows import Twin
from hostcollector.devices.owners import Owner
from hostcollector.devices.pci import Devices, Function, Mdev, Mode, vgpu_mode
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
    function, health = device.function, device.health
    labels = (function.address,)
    about = (
        *(function.device_class.value, function.vendor, function.model, function.driver, function.numa_node),
        *(health.iommu_group, health.reset_method, health.upstream_port),
    )
    yield Sample(rows.INFO.of(uuid), 1.0, labels + about, uuid)
    if health.runtime_active is not None:
        yield Sample(rows.RUNTIME_ACTIVE.of(uuid), float(health.runtime_active), labels, uuid)
    if health.power_state is not None:
        yield Sample(rows.POWER_STATE.of(uuid), health.power_state, labels, uuid)
    yield from _link(health.link, labels, uuid)
    for port, link in health.uplinks.items():
        for aspect, degraded in link.degraded.items():
            yield Sample(rows.UPLINK_DEGRADED.of(uuid), float(degraded), (*labels, port, aspect), uuid)
    seen = {key for key, count in health.errors.items() if count}
    yield from _errors(device.errors, seen, (rows.ERRORS_BY_SEVERITY, rows.ERRORS_BY_KIND), labels, uuid)
    seen = {key for key, count in health.upstream_errors.items() if count}
    twins = (rows.UPSTREAM_ERRORS_BY_SEVERITY, rows.UPSTREAM_ERRORS_BY_KIND)
    yield from _errors(device.upstream_errors, seen, twins, (*labels, health.upstream_port), uuid)


def _link(link: Link, labels: tuple[str, ...], uuid: str) -> Iterator[Sample]:
    for twin, value in (
        (rows.LINK_SPEED, link.speed),
        (rows.LINK_MAXIMUM_SPEED, link.maximum_speed),
        (rows.LINK_WIDTH, link.width),
        (rows.LINK_MAXIMUM_WIDTH, link.maximum_width),
    ):
        if value is not None:
            yield Sample(twin.of(uuid), value, labels, uuid)
    for aspect, degraded in link.degraded.items():
        yield Sample(rows.LINK_DEGRADED.of(uuid), float(degraded), (*labels, aspect), uuid)


def _errors(
    errors: Errors,
    seen: set[tuple[str, str]],
    twins: tuple[Twin, Twin],
    labels: tuple[str, ...],
    uuid: str,
) -> Iterator[Sample]:
    """Yield the totals, and of the fifty kinds those with an error since the host's boot."""
    by_severity, by_kind = (twin.of(uuid) for twin in twins)
    for (severity, kind), count in errors.items():
        if kind == TOTAL:
            yield Sample(by_severity, count, (*labels, severity), uuid)
        elif (severity, kind) in seen:
            yield Sample(by_kind, count, (*labels, severity, kind), uuid)


def gpu_samples(function: Function, owner: Owner, devices: Devices) -> Iterator[Sample]:
    """Yield the description of a GPU, and that this source sees it."""
    if function.vgpu_type:
        mode = vgpu_mode(function.vgpu_type_name)
    elif owner.uuid or function.held_for_guests:
        mode = Mode.PASSTHROUGH
    else:
        mode = Mode.HOST
    physical = devices.physical(function.address)
    yield from _named(function.address, physical, function, function.name, mode, owner)


def mdev_samples(mdev: Mdev, owner: Owner, devices: Devices) -> Iterator[Sample]:
    """Yield the description of a vGPU, and that this source sees it."""
    parent = devices.functions[mdev.parent]
    name = mdev.type_name or parent.name
    yield from _named(
        mdev.uuid, devices.physical(mdev.parent), parent, name, vgpu_mode(mdev.type_name), owner
    )


def _named(
    gpu: str, physical: str, function: Function, model: str, mode: Mode, owner: Owner
) -> Iterator[Sample]:
    about = (function.vendor, model, function.numa_node, mode.value)
    yield Sample(gpu_rows.INFO.of(owner.uuid), 1.0, (gpu, physical, *about), owner.uuid)
    yield Sample(gpu_rows.OBSERVABLE.of(owner.uuid), 1.0, (gpu, physical, SOURCE), owner.uuid)
