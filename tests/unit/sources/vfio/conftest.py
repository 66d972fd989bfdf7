"""A host's PCI devices with the source on them."""

from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, HostDevice, Nic
from hostcollector.base.model import Guest
from hostcollector.base.source import Reading, Request
from hostcollector.devices.baselines import Baselines
from hostcollector.sources.vfio import Vfio
from tests.fakes.pci import PciTree
from tests.fakes.samples import Table, table


def guest(uuid: str, *devices: str, run: int = 1, nics: tuple[str, ...] = (), complete: bool = True) -> Guest:
    """Return a guest that was given devices, by PCI address or mdev UUID."""
    passed = tuple(
        HostDevice(type="pci", pci_address=device)
        if ":" in device
        else HostDevice(type="mdev", mdev_uuid=device)
        for device in devices
    )
    interfaces = tuple(Nic(type="hostdev", pci_address=address) for address in nics)
    return Guest(
        domain=Domain(
            uuid=uuid, name=uuid[:4], id=run, host_devices=passed, nics=interfaces, complete=complete
        )
    )


class Host:
    """A tree with the source on it."""

    def __init__(self, path: Path) -> None:
        self.tree = PciTree(path / "root")
        self.source = self.restarted(path)

    def restarted(self, path: Path) -> Vfio:
        """Return a source that knows only what is on disk."""
        return Vfio(self.tree.root, Baselines(path / "state", self.tree.root, patience=30))

    def reading(self, *guests: Guest, listed: bool = True) -> Reading:
        """Read once."""
        by_uuid = {member.domain.uuid: member for member in guests}
        return self.source.read(Request(guests=by_uuid, deadline=0.0, taken_at=0.0, guests_listed=listed))

    def read(self, *guests: Guest) -> Table:
        """Read once and return the series."""
        return table(self.reading(*guests).samples)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return an empty host."""
    return Host(tmp_path)
