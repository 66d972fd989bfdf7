"""Rows of operators to rows of tenants: the labels and values of one snapshot, by the views of the catalogue.

This is the only way onto the tenant page. A row without a view is never looked at, a series for a guest that
is not shown has no VM to go to, and a label value that the catalogue does not allow is left out and counted.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from hostcollector.base.model import Family, Histogram, Kind, Metric, TenantView
from hostcollector.catalogue import ALL, gpu, ovs, vf, vm_labels
from hostcollector.outputs.tenant_page.devices import KINDS, Device, Reported

Labels = tuple[str, ...]

_ALLOWED = {name: re.compile(pattern) for name, pattern in vm_labels.LABELS.items()}
_PASSTHROUGH = "passthrough"
"""The mode of a GPU that one guest has to itself (`libvirt_domain_gpu_info`)."""

_STARTING_AT_ZERO = [
    (row, row.tenant) for row in ALL if row.tenant and row.tenant.where and row.kind is Kind.COUNTER
]

_MOST_KNOWN = 4 * vm_labels.MOST_SERIES

UUID_AT = 2
"""Where the UUID is among the labels of a guest's row."""


def allowed(label: str, value: str) -> bool:
    """Whether the value of a label may be on the tenant page."""
    return len(value) <= vm_labels.LONGEST_VALUE and _ALLOWED[label].fullmatch(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A VM on the page. `numbers` are its devices' by kind and by what rows of operators call them.

    `known` are the labels that its tenant sees of the series so far: they follow from the VM alone, and
    making them takes most of a page's time.
    """

    tenant: str
    uuid: str
    numbers: Mapping[tuple[str, str], str]
    whole_gpus: frozenset[str] = frozenset()
    known: dict[tuple[Metric, Labels], Labels | None] = field(default_factory=dict, compare=False, repr=False)


class Value(NamedTuple):
    """One series of a tenant, with the view that it comes from; None for a description."""

    value: float
    view: TenantView | None = None


_DESCRIBED = Value(1.0)


@dataclass(slots=True)
class Seen:
    """What tenants see of a snapshot.

    `series` are by row and labels. `about` are the labels of descriptions by row, then by VM and device.
    `left_out` counts the series that were left out, by reason.
    """

    series: dict[Metric, dict[Labels, Value]] = field(default_factory=dict)
    about: dict[Metric, dict[Labels, dict[str, str]]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def of(self, family: Metric) -> Iterator[tuple[Labels, Value]]:
        """Yield the series of a row."""
        yield from self.series.get(family, {}).items()
        for place, about in self.about.get(family, {}).items():
            yield (*place[:2], *(about.get(name, "") for name in family.labels)), _DESCRIBED


def reported_of(families: Mapping[Metric, Family]) -> dict[str, Reported]:
    """Return what sources have reported of each guest's devices, by UUID."""
    doubled = doubled_vgpus(families.values())
    gpus = {
        uuid: tuple(name for name in names if (uuid, name) not in doubled)
        for uuid, names in _by_guest(families, gpu.INFO.guest, "gpu").items()
    }
    vfs = _by_guest(families, vf.INFO.guest, "pci_address")
    ports: dict[str, dict[str, str]] = {}
    names = ovs.PORT_INFO.label_names
    port, interface = names.index("target_device"), names.index("interface_id")
    for labels in _series(families, ovs.PORT_INFO):
        if labels[interface]:
            ports.setdefault(labels[UUID_AT], {})[labels[interface]] = labels[port]
    return {
        uuid: Reported(gpus=gpus.get(uuid, ()), vfs=vfs.get(uuid, ()), ports=ports.get(uuid, {}))
        for uuid in {*gpus, *vfs, *ports}
    }


def doubled_vgpus(families: Iterable[Family]) -> frozenset[tuple[str, str]]:
    """Return the vGPUs that are on the page under the driver's name too, by guest and by the kernel's name.

    Of several vGPUs of one type in one guest it is not known which one is which VF. Then the driver names
    them by its UUIDs, and the kernel the same ones by their VFs.
    """
    known = list(families)
    vgpus = [dict(zip(gpu.VGPU_INFO.label_names, one, strict=True)) for one in _all(known, gpu.VGPU_INFO)]
    named = {(one["uuid"], one["gpu"]) for one in vgpus}
    unnamed = Counter((one["uuid"], one["pci_address"]) for one in vgpus if one["gpu"] == one["vgpu_uuid"])
    doubled = set()
    for labels in sorted(_all(known, gpu.INFO.guest)):
        about = dict(zip(gpu.INFO.guest.label_names, labels, strict=True))
        name, place = (about["uuid"], about["gpu"]), (about["uuid"], about["pci_address"])
        if about["mode"] != _PASSTHROUGH and name not in named and unnamed[place]:
            unnamed[place] -= 1
            doubled.add(name)
    return frozenset(doubled)


def whole_gpus(families: Mapping[Metric, Family]) -> dict[str, frozenset[str]]:
    """Return the GPUs that a guest has to itself, by the guest's UUID."""
    names = gpu.INFO.guest.label_names
    mode, name = names.index("mode"), names.index("gpu")
    found: dict[str, set[str]] = {}
    for labels in _series(families, gpu.INFO.guest):
        if labels[mode] == _PASSTHROUGH:
            found.setdefault(labels[UUID_AT], set()).add(labels[name])
    return {uuid: frozenset(gpus) for uuid, gpus in found.items()}


def numbers_of(devices: Iterable[tuple[Device, str]]) -> dict[tuple[str, str], str]:
    """Return the devices' numbers by kind and name; a name that two devices have is of neither."""
    pairs = [((device.kind, name), number) for device, number in devices for name in device.names]
    times = Counter(key for key, _ in pairs)
    return {key: number for key, number in pairs if times[key] == 1}


def see(families: Iterable[Family], vms: Mapping[str, Vm], failed: Collection[str]) -> Seen:
    """Return what the tenants of `vms` (by UUID) see of the rows; `failed` are sources without an answer."""
    seen = Seen()
    for row, view in _STARTING_AT_ZERO:
        for one in vms.values() if row.source not in failed else ():
            for zero in _of_where(view):
                _add(seen, view, (one.tenant, one.uuid, *zero), 0.0)
    for family in families:
        if family.metric.tenant is not None:
            _see_family(seen, family, family.metric.tenant, vms)
    return seen


def _see_family(seen: Seen, family: Family, view: TenantView, vms: Mapping[str, Vm]) -> None:
    plan, describes = _Plan.of(family.metric, view), view.family.kind is Kind.INFO
    for labels, value in family.series.items():
        one = vms.get(labels[UUID_AT])
        if one is None or isinstance(value, Histogram):
            continue
        if describes:
            if plan.meant(labels, one) and (given := plan.labels(labels, one)) is not None:
                describe(seen, view.family, one, given)
            continue
        key = family.metric, labels
        whole = one.known[key] if key in one.known else _remembered(plan, key, one)
        if whole:
            _add(seen, view, whole, value)
        elif whole is None:
            seen.left_out["label"] += 1


def describe(seen: Seen, family: Metric, one: Vm, labels: Mapping[str, str]) -> None:
    """Add labels to the description of a VM or of its device; a value that is not allowed is left empty."""
    place = (one.tenant, one.uuid, *(labels[name] for name in family.labels if name in KINDS))
    known = seen.about.setdefault(family, {}).setdefault(place, {})
    for name, value in labels.items():
        if not allowed(name, value):
            seen.left_out["label"] += 1
        elif value:
            known.setdefault(name, value)


def _remembered(plan: "_Plan", key: tuple[Metric, Labels], one: Vm) -> Labels | None:
    """Return the labels of a series for its tenant, and keep them.

    None if a value is not allowed, no labels at all if the series is not for the tenant.
    """
    if len(one.known) > _MOST_KNOWN:
        one.known.clear()
    labels = plan.labels(key[1], one) if plan.meant(key[1], one) else None
    whole: Labels | None = ()
    if labels is not None:
        fits = all(allowed(name, text) for name, text in labels.items())
        names = plan.view.family.labels
        whole = (one.tenant, one.uuid, *(labels[name] for name in names)) if fits else None
    one.known[key] = whole
    return whole


def _add(seen: Seen, view: TenantView, whole: Labels, value: float) -> None:
    series = seen.series.setdefault(view.family, {})
    before = series.get(whole)
    if before is None:
        series[whole] = Value(value, view)
    elif view.summed:
        series[whole] = Value(before.value + value, view)
    else:
        seen.left_out["duplicate"] += 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where a row has the values of a view's labels.

    `gpu` is where it has the GPU's name, for a row of the whole device.
    """

    view: TenantView
    places: tuple[tuple[str, int], ...]
    where: tuple[tuple[int, tuple[str, ...]], ...]
    gpu: int | None

    @classmethod
    def of(cls, row: Metric, view: TenantView) -> "_Plan":
        names = row.label_names
        return cls(
            view,
            tuple((label, names.index(own)) for label, own in view.labels.items()),
            tuple((names.index(own), words) for own, words in view.where.items()),
            names.index(view.labels["gpu"]) if view.whole else None,
        )

    def meant(self, labels: Labels, one: Vm) -> bool:
        """Whether the view is about this series: by its labels, and by whether the GPU is the VM's alone."""
        if self.gpu is not None and labels[self.gpu] not in one.whole_gpus:
            return False
        return all(labels[place] in words for place, words in self.where)

    def labels(self, labels: Labels, one: Vm) -> dict[str, str] | None:
        """Return the labels that the tenant sees; None for a device that is not in the VM's definition."""
        found = dict(self.view.fixed)
        for label, place in self.places:
            value: str | None = labels[place]
            if label in KINDS:
                value = one.numbers.get((label, labels[place]))
            elif label == "gpu_uuid":
                value = labels[place].lower().removeprefix("gpu-")
            if value is None:
                return None
            found[label] = value
        return found


def _of_where(view: TenantView) -> Iterator[Labels]:
    """Yield the labels of the series that a counter has from the start, in the sequence of the family's."""
    values = [view.where[view.labels[name]] for name in view.family.labels]
    yield from product(*values)


def _by_guest(families: Mapping[Metric, Family], row: Metric, label: str) -> dict[str, Labels]:
    place = row.label_names.index(label)
    found: dict[str, dict[str, None]] = {}
    for labels in _series(families, row):
        found.setdefault(labels[UUID_AT], {})[labels[place]] = None
    return {uuid: tuple(sorted(names)) for uuid, names in found.items()}


def _all(families: Iterable[Family], row: Metric) -> Iterator[Labels]:
    return (labels for family in families if family.metric is row for labels in family.series)


def _series(families: Mapping[Metric, Family], row: Metric) -> Iterable[Labels]:
    return families[row].series if row in families else ()
