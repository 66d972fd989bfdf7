"""Which guest owns which device of the host, by the live domain XML.

Devices are GPUs, VFs and other PCI functions by address, and mediated devices by UUID.

- A device in the XML of two guests has no certain owner and is left out.
- A device in no guest's XML is the host's only if all guests' XML is known. Showing a tenant the device of
  another one is worse than a gap.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hostcollector.base.definition import Domain
from hostcollector.base.model import Guest
from hostcollector.base.wording import counted, named

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner of a device for one stay; an empty `uuid` means the host.

    `stay` names one run of the guest: its UUID, libvirt's id and, if known, the start of its QEMU.
    """

    uuid: str = ""
    stay: str = ""


HOST_OWNER = Owner()
"""The owner of devices that no guest has."""


class Processes(Protocol):
    """The guests' QEMU processes."""

    def started(self, uuids: Iterable[str]) -> Mapping[str, int]:
        """Return the start of each guest's QEMU by the guest's UUID."""


class Locator(Protocol):
    """Finds the PCI function of a device that the XML gives without an address; empty for none."""

    def netdev_address(self, name: str) -> str:
        """Return the PCI address of a network interface's function."""

    def vdpa_address(self, device: str) -> str:
        """Return the PCI address of the function behind ``/dev/vhost-vdpa-N``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The owners of devices, by PCI address or mdev UUID.

    - `by_guest` are all guests as owners, by UUID.
    - `disputed` are devices in the XML of more than one guest.
    - `macs` are the MAC addresses that the XML gives to network functions.
    - `unread` are the names of guests whose XML is not known.
    - `listed` is False until libvirt has listed all guests: a missing guest may own a device.
    """

    by_device: Mapping[str, Owner] = field(default_factory=dict)
    by_guest: Mapping[str, Owner] = field(default_factory=dict)
    disputed: frozenset[str] = frozenset()
    macs: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    listed: bool = True

    @property
    def complete(self) -> bool:
        """Whether a device in no guest's XML is certainly the host's."""
        return self.listed and not self.unread

    @property
    def functions(self) -> tuple[str, ...]:
        """The PCI addresses in the guests' XML."""
        return tuple(device for device in self.by_device if ":" in device)

    def of(self, device: str, *, held: bool = True) -> Owner | None:
        """Return the device's owner; None while it is not certain.

        `held` says whether the device can be a guest's: a device on a driver of the host cannot.
        """
        if device in self.disputed:
            return None
        return self.by_device.get(device, HOST_OWNER if self.complete or not held else None)

    def why_open(self) -> str:
        """Return why devices in no guest's XML are left out; empty if they are shown."""
        if self.unread:
            names = named([repr(name) for name in self.unread], _MOST_NAMED)
            return f"the XML of {counted(len(self.unread), 'guest')} ({names}) cannot be read"
        return "" if self.listed else "not all guests are listed yet"

    @staticmethod
    def dispute(device: str) -> str:
        """Return the note on a device that is left out because two guests' XML has it."""
        return f"{device} is in the XML of more than one guest: it is left out until only one has it"


class OwnerFinder:
    """Finds owners. Without `processes` the starts of QEMUs are unknown.

    `locator` finds devices that the XML gives without an address; without it they have no owner.
    """

    def __init__(self, processes: Processes | None = None, locator: Locator | None = None) -> None:
        self._processes = processes
        self._locator = locator

    def find(self, guests: Mapping[str, Guest], *, all_listed: bool) -> Owners:
        """Return the owners of all devices. `all_listed` is False while `guests` may lack some guests."""
        claims = {uuid: list(self._claims(guest.domain)) for uuid, guest in guests.items()}
        having = [uuid for uuid, claimed in claims.items() if claimed]
        started = self._processes.started(having) if self._processes is not None and having else {}
        by_guest = {uuid: _owner(guest.domain, started.get(uuid)) for uuid, guest in guests.items()}
        owners: dict[str, Owner] = {}
        macs: dict[str, str] = {}
        disputed = set()
        for uuid in having:
            for device, mac in claims[uuid]:
                if owners.setdefault(device, by_guest[uuid]).uuid != uuid:
                    disputed.add(device)
                if mac:
                    macs[device] = mac
        return Owners(
            by_device=owners,
            by_guest=by_guest,
            disputed=frozenset(disputed),
            macs=macs,
            unread=tuple(sorted(guest.domain.name for guest in guests.values() if not guest.domain.complete)),
            listed=all_listed,
        )

    def _claims(self, domain: Domain) -> Iterator[tuple[str, str]]:
        """Yield each device in the domain's XML, with its MAC address or empty text.

        For a libvirt network of VFs the live XML has the VF that was assigned.
        """
        for device in domain.host_devices:
            if device.pci_address or device.mdev_uuid:
                yield device.pci_address or device.mdev_uuid.lower(), ""
        for nic in domain.nics:
            if nic.pci_address:
                yield nic.pci_address, nic.mac.lower()
        for disk in domain.disks:
            for address in disk.pci_addresses:
                yield address, ""
        if self._locator is not None:
            for address in _located(domain, self._locator):
                if address:
                    yield address, ""


def _owner(domain: Domain, started: int | None) -> Owner:
    """Return the domain as an owner, for this run of it.

    libvirt's ids restart with its daemon: only the start of the QEMU is certain to differ between two runs.
    """
    stay = f"{domain.uuid}/{domain.id}"
    return Owner(uuid=domain.uuid, stay=stay if started is None else f"{stay}/{started}")


def _located(domain: Domain, locator: Locator) -> Iterator[str]:
    for nic in domain.nics:
        if nic.type == "vdpa":
            # The guest's MAC address is set in the vDPA device, not in the VF.
            yield locator.vdpa_address(nic.source_device)
        elif nic.type == "direct" and nic.source_mode == "passthrough":
            # Only in this mode a macvtap has the VF's interface alone; in the others guests can share one.
            yield locator.netdev_address(nic.source_device)
    for disk in domain.disks:
        if disk.type == "vhostvdpa":
            yield locator.vdpa_address(disk.source)
