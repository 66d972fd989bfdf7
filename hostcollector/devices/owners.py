"""Which guest owns which device of the host, by what the live definitions pass through.

One answer for everything that can be handed to a guest: GPUs, VFs and other PCI functions by address,
mediated devices by UUID. A device that two guests claim is neither's, and one that no guest claims is the
host's only where all definitions are known: showing one tenant another one's device is worse than a gap.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from hostcollector.base.model import Domain, Guest
from hostcollector.base.wording import counted, named

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner of a device for one stay; without a `uuid` the device is with the host.

    `stay` names one run of the guest: its UUID, libvirt's id, and the start of its QEMU where that is known.
    """

    uuid: str = ""
    stay: str = ""


NOBODY = Owner()


class Processes(Protocol):
    """Knows the guests' QEMU processes."""

    def started(self, uuids: Iterable[str]) -> Mapping[str, int]:
        """Return the start of each guest's QEMU by the guest's UUID."""


class Locator(Protocol):
    """Finds the PCI function behind what a definition names otherwise; empty for none."""

    def netdev_address(self, name: str) -> str:
        """Return the PCI address of a network interface's function."""

    def vdpa_address(self, device: str) -> str:
        """Return the PCI address of the function behind ``/dev/vhost-vdpa-N``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The owners of devices by PCI address or mdev UUID. `disputed` ones are claimed by more than one guest.

    `by_guest` are all guests as owners, by UUID, `macs` the addresses that definitions give to network
    functions. `unread` are the names of guests whose definition is not known, and `listed` says whether all
    guests are: a device without an owner may be theirs.
    """

    by_device: Mapping[str, Owner] = field(default_factory=dict)
    by_guest: Mapping[str, Owner] = field(default_factory=dict)
    disputed: frozenset[str] = frozenset()
    macs: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    listed: bool = True

    @property
    def complete(self) -> bool:
        """Whether a device that no guest claims is known to be the host's."""
        return self.listed and not self.unread

    @property
    def functions(self) -> tuple[str, ...]:
        """The PCI addresses that guests claim."""
        return tuple(device for device in self.by_device if ":" in device)

    def of(self, device: str, *, held: bool = True) -> Owner | None:
        """Return whose the device is; None when that cannot be said now.

        `held` says whether it can be a guest's at all: one with a driver of the host is not.
        """
        if device in self.disputed:
            return None
        return self.by_device.get(device, NOBODY if self.complete or not held else None)

    def why_open(self) -> str:
        """Return why devices that no guest claims are left out; empty when they are not."""
        if self.unread:
            names = named([repr(name) for name in self.unread], _MOST_NAMED)
            return f"the XML of {counted(len(self.unread), 'guest')} ({names}) cannot be read"
        return "" if self.listed else "not all guests are listed yet"

    @staticmethod
    def dispute(device: str) -> str:
        """Return the sentence for a device that is left out because two guests claim it."""
        return f"{device} is named by more than one guest's definition: it is left out until one is left"


class OwnerFinder:
    """Finds owners.

    `processes` tell when a guest's QEMU started, `locator` finds what a definition names without an address.
    """

    def __init__(self, processes: Processes | None = None, locator: Locator | None = None) -> None:
        self._processes = processes
        self._locator = locator

    def find(self, guests: Mapping[str, Guest], *, all_listed: bool) -> Owners:
        """Return who owns what. `all_listed` says whether `guests` can be all that there are."""
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
        """Yield each device that the definition passes through, and the MAC that it is given.

        Networks that hand out VFs show in the live definition as what they handed out.
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
    """Return the domain as an owner, for the time until it stops.

    libvirt's ids begin anew when its daemon does: only the start of the QEMU tells two runs apart for sure.
    """
    stay = f"{domain.uuid}/{domain.id}"
    return Owner(uuid=domain.uuid, stay=stay if started is None else f"{stay}/{started}")


def _located(domain: Domain, locator: Locator) -> Iterator[str]:
    for nic in domain.nics:
        if nic.type == "vdpa":
            # The guest's MAC is set in the vDPA device then, not in the VF.
            yield locator.vdpa_address(nic.source_device)
        elif nic.type == "direct" and nic.source_mode == "passthrough":
            # A macvtap that has the VF's interface for itself; in the other modes several guests share one.
            yield locator.netdev_address(nic.source_device)
    for disk in domain.disks:
        if disk.type == "vhostvdpa":
            yield locator.vdpa_address(disk.source)
