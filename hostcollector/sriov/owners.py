"""Which guest owns which VF, by what the live definitions pass through."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.model import Domain, Guest
from hostcollector.sriov.reading import TopologyReader
from hostcollector.sriov.values import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner of a VF for one stay; without a `uuid` the VF is with the host.

    `stay` differs for each start of the guest, so that a guest that comes back after somebody else is told
    apart. `mac` is the address that the definition gives to this VF, empty if it gives none.
    """

    uuid: str = ""
    stay: str = ""
    mac: str = ""


NOBODY = Owner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The owners of VFs by PCI address. `disputed` VFs are claimed by more than one guest.

    `complete` is False while there are guests whose definition is not known: a VF without an owner may be
    theirs.
    """

    by_address: Mapping[str, Owner]
    disputed: frozenset[str]
    complete: bool

    def of(self, address: str) -> Owner | None:
        """Return whose the VF is; None when that cannot be said now."""
        if address in self.disputed:
            return None
        return self.by_address.get(address, NOBODY if self.complete else None)

    def representors(self, topology: Topology) -> dict[str, str]:
        """Return the guests' UUIDs by the names of the netdevs that stand for their VFs in a switch."""
        found = {}
        for pf in topology.pfs:
            for number, netdev in pf.representors.items():
                owner = self.of(pf.vfs.get(number, ""))
                if owner is not None and owner.uuid:
                    found[netdev] = owner.uuid
        return found


def find_owners(
    guests: Mapping[str, Guest], topology: Topology, reader: TopologyReader, *, all_listed: bool
) -> Owners:
    """Return who owns the VFs of `topology`. `all_listed` says whether `guests` can be all that there are."""
    owners: dict[str, Owner] = {}
    disputed = set()
    for uuid, guest in guests.items():
        domain = guest.domain
        for address, mac in _claims(domain, reader):
            if address not in topology.vfs:
                continue
            before = owners.get(address)
            if before is not None and before.uuid != uuid:
                disputed.add(address)
            # A device that is named twice keeps the address that its interface gives.
            if before is None or mac:
                owners[address] = Owner(uuid=uuid, stay=f"{uuid}/{domain.id}", mac=mac)
    return Owners(
        by_address=owners,
        disputed=frozenset(disputed),
        complete=all_listed and all(guest.domain.complete for guest in guests.values()),
    )


def _claims(domain: Domain, reader: TopologyReader) -> Iterator[tuple[str, str]]:
    """Yield PCI address and MAC of what the definition passes through.

    Networks that hand out VFs show in the live definition as what they handed out.
    """
    for nic in domain.nics:
        if nic.pci_address:
            yield nic.pci_address, nic.mac.lower()
        elif nic.type == "vdpa":
            # The guest's MAC is set in the vDPA device then, not in the VF.
            yield reader.vdpa_address(nic.source_device), ""
        elif nic.type == "direct" and nic.source_mode == "passthrough":
            # A macvtap that has the VF's interface for itself; in the other modes several guests share one.
            yield reader.netdev_address(nic.source_device), ""
    for device in domain.host_devices:
        if device.pci_address:
            yield device.pci_address, ""
