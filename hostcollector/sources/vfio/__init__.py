"""The `vfio` source: sysfs about GPUs and about all PCI functions that are passed through to guests.

No vendor's library on the host sees a device on vfio-pci. The kernel still counts its PCIe errors and has its
link and its power state. Nothing here touches the device.
"""

from collections.abc import Iterator
from pathlib import Path

from hostcollector.base.gaps import MOST_NAMED, Gaps
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import pci as rows
from hostcollector.catalogue.possible import fastest
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.owners import Owner, OwnerFinder, Owners
from hostcollector.devices.pci import DeviceReader, Devices, Function
from hostcollector.guests.processes import QemuProcesses
from hostcollector.sources.vfio.health import Health, HealthReader
from hostcollector.sources.vfio.series import (
    SOURCE,
    Described,
    Errors,
    function_samples,
    gpu_samples,
    mdev_samples,
)

DEVICE = "pci/"
"""The prefix of PCI functions' names in the record of baselines."""

_POWER = ("0", "1", "2", "3hot", "3cold")
_DEVICE_END, _PORT_END = "device", "port"


class Vfio(Source):
    """Reads the PCI functions of the host under `root`."""

    name = SOURCE

    def __init__(self, root: Path, baselines: Baselines, processes: QemuProcesses | None = None) -> None:
        self._owners = OwnerFinder(processes)
        self._devices = DeviceReader(root)
        self._health = HealthReader(root)
        self._baselines = baselines
        self._present: frozenset[str] = frozenset()

    def read(self, request: Request) -> Reading:
        """Return the series of all GPUs, vGPUs and NVSwitches, and of all guests' PCI functions."""
        owners = self._owners.find(request.guests, all_listed=request.guests_listed)
        devices = self._devices.read(owners.functions)
        self._forget_gone(devices)
        gaps = Gaps()
        samples = [*self._functions(devices, owners, gaps), *_mdevs(devices, owners, gaps)]
        self._baselines.flush()
        if not devices.functions:
            gaps.fact("this host has no GPU, and no guest has a PCI device of the host")
        _note_missing(devices, owners, gaps)
        for problem in self._baselines.problems:
            gaps.note(problem)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _forget_gone(self, devices: Devices) -> None:
        # An empty list of PCI functions means that /sys could not be read.
        if devices.present and devices.present != self._present:
            self._present = devices.present
            self._baselines.retain(DEVICE, {DEVICE + address for address in devices.present})

    def _functions(self, devices: Devices, owners: Owners, gaps: Gaps) -> Iterator[Sample]:
        oddities: dict[str, list[str]] = {}
        for function in devices.functions.values():
            owner = owners.of(function.address, held=function.held_for_guests)
            if owner is None or (not owner.uuid and not _of_interest(function)):
                continue
            with gaps.item(f"PCI function {function.address}"):
                if function.is_gpu:
                    yield from gpu_samples(function, owner, devices)
                described = self._described(function, owner)
                yield from function_samples(described)
                for file in described.health.unread:
                    gaps.unread(file, "a line without a count of errors")
                for oddity in _oddities(described.health):
                    oddities.setdefault(oddity, []).append(function.address)
        for oddity, addresses in oddities.items():
            more = f" and {len(addresses) - MOST_NAMED} more" if len(addresses) > MOST_NAMED else ""
            gaps.fact(f"{', '.join(addresses[:MOST_NAMED])}{more}: {oddity}")

    def _described(self, function: Function, owner: Owner) -> Described:
        health = self._health.read(function.address, is_vf=bool(function.physical))
        raw = {
            f"{end}/{severity}/{kind}": count
            for end, errors in ((_DEVICE_END, health.errors), (_PORT_END, health.upstream_errors))
            for (severity, kind), count in errors.items()
        }
        speeds = dict.fromkeys(raw, fastest(rows.ERRORS_BY_SEVERITY.guest))
        values = self._baselines.relative(DEVICE + function.address, owner.stay, raw, speeds)

        def at(end: str) -> Errors:
            keys = (name.split("/") for name in values if name.startswith(f"{end}/"))
            return {(severity, kind): values[f"{end}/{severity}/{kind}"] for _, severity, kind in keys}

        return Described(
            function=function,
            owner=owner,
            health=health,
            errors=at(_DEVICE_END),
            upstream_errors=at(_PORT_END),
        )


def _of_interest(function: Function) -> bool:
    """Whether the function is shown without an owner: a physical GPU, an NVSwitch or a vGPU."""
    return bool(function.vgpu_type) or (not function.physical and (function.is_gpu or function.is_nvswitch))


def _mdevs(devices: Devices, owners: Owners, gaps: Gaps) -> Iterator[Sample]:
    for mdev in devices.mdevs.values():
        owner = owners.of(mdev.uuid)
        if owner is not None and mdev.parent in devices.functions:
            with gaps.item(f"mediated device {mdev.uuid}"):
                yield from mdev_samples(mdev, owner, devices)


def _oddities(health: Health) -> Iterator[str]:
    """Yield the reasons why the link is not shown, or only in part."""
    if health.link.doubts:
        doubts = ", ".join(health.link.doubts)
        yield f"its link is not shown ({doubts}): a device with such values does not answer"
    elif health.runtime_active is False:
        state = "" if health.power_state is None else f" (D{_POWER[health.power_state]})"
        yield f"it sleeps{state}: its link is not read, since that would wake it"
    elif health.power_doubt:
        yield f"its link is not read: the kernel says {health.power_doubt!r} of its power management"


def _some_uncertain(devices: Devices, owners: Owners) -> bool:
    """Whether there are devices that a guest with unknown XML may own."""
    held = (function.address for function in devices.functions.values() if function.held_for_guests)
    return any(owners.of(device) is None for device in (*held, *devices.mdevs))


def _note_missing(devices: Devices, owners: Owners, gaps: Gaps) -> None:
    """Note the guests' devices that are missing, and why devices are left out."""
    for device in sorted(owners.by_device):
        if ":" in device and device not in devices.present:
            gaps.missing("PCI function of a guest", device, "it is not on the PCI bus")
        elif ":" in device and device not in devices.functions:
            gaps.unread(f"PCI function {device}", "sysfs has no class and vendor of it")
        elif ":" not in device and device not in devices.mdevs:
            gaps.missing("mediated device of a guest", device)
    for device in sorted(owners.disputed):
        gaps.note(owners.dispute(device))
    if not owners.complete and _some_uncertain(devices, owners):
        gaps.note(f"{owners.why_open()}: devices reserved for guests, in no known guest's XML, are left out")
