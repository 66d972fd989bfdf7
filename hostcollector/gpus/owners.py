"""Which guest owns which PCI function and which mdev, by what the live definitions pass through."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.model import Domain, Guest


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner of a device for one stay; without a `uuid` the device is with the host.

    `stay` differs for each start of the guest, so that one that comes back after somebody else is told apart.
    """

    uuid: str = ""
    stay: str = ""


NOBODY = Owner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The owners of devices by PCI address or mdev UUID. `disputed` ones are claimed by more than one guest.

    `complete` is False while there are guests whose definition is not known: a device without an owner may
    be theirs.
    """

    by_device: Mapping[str, Owner]
    disputed: frozenset[str]
    complete: bool

    def of(self, device: str) -> Owner | None:
        """Return whose the device is; None when that cannot be said now."""
        if device in self.disputed:
            return None
        return self.by_device.get(device, NOBODY if self.complete else None)


def owner_of(domain: Domain) -> Owner:
    """Return the domain as an owner, for the time until it stops."""
    return Owner(uuid=domain.uuid, stay=f"{domain.uuid}/{domain.id}")


def find_owners(guests: Mapping[str, Guest], *, all_listed: bool) -> Owners:
    """Return who owns what. `all_listed` says whether `guests` can be all that there are."""
    owners: dict[str, Owner] = {}
    disputed = set()
    for guest in guests.values():
        owner = owner_of(guest.domain)
        for device in _claims(guest.domain):
            if owners.setdefault(device, owner).uuid != owner.uuid:
                disputed.add(device)
    return Owners(
        by_device=owners,
        disputed=frozenset(disputed),
        complete=all_listed and all(guest.domain.complete for guest in guests.values()),
    )


def _claims(domain: Domain) -> Iterator[str]:
    for device in domain.host_devices:
        if device.pci_address:
            yield device.pci_address
        elif device.mdev_uuid:
            yield device.mdev_uuid.lower()
    for nic in domain.nics:
        if nic.pci_address:
            yield nic.pci_address
