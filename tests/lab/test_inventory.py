"""The inventory follows a real libvirt by its events, whatever its guests are called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import libvirt
import pytest

from hostcollector.guests.inventory import EventCounts, Inventory
from hostcollector.protocols.libvirt.connection import Link
from hostcollector.protocols.libvirt.pool import Workers
from tests.lab.connection import connected
from tests.lab.fixtures import Boot
from tests.lab.guest import Guest, domain_xml, serial_file
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.process import eventually

pytestmark = pytest.mark.lab

OWN = "urn:hostcollector:domain:1"
TAP = "<interface type='ethernet'><model type='virtio'/></interface>"


@contextmanager
def _inventory(uri: str) -> Iterator[tuple[Inventory, EventCounts]]:
    counts = EventCounts()
    workers = Workers(Link(uri))
    inventory = Inventory(workers, counts, listing_interval=3600)
    inventory.start()
    assert inventory.wait_until_ready(10)
    yield inventory, counts
    inventory.close()
    workers.close()


def _counted(counts: EventCounts, uuid: str, event: str, detail: str = "") -> int:
    return counts.snapshot().get(uuid, {}).get((event, detail), 0)


def _soon(condition: Callable[[], bool], what: str) -> bool:
    return eventually(condition, 10.0, what)


def test_guests_come_and_go_by_events(boot: Boot, hypervisor: PrivateHypervisor) -> None:
    """A started guest appears and a stopped one goes, long before the next full listing."""
    with _inventory(hypervisor.uri_readonly) as (inventory, counts):
        guest = boot(Guest.idle("coming"))
        uuid = guest.guest.uuid
        assert _soon(lambda: uuid in inventory.domains, "the new guest")
        assert inventory.domains[uuid].name == "coming"
        # An earlier event of the start may have shown the guest.
        assert _soon(lambda: _counted(counts, uuid, "started", "booted") == 1, "the count of its start")
        guest.destroy()
        assert _soon(lambda: uuid not in inventory.domains, "the end of the guest")
        assert _soon(lambda: uuid not in counts.snapshot(), "the end of its counts")


def test_metadata_and_devices_are_read_again_when_they_change(
    boot: Boot, hypervisor: PrivateHypervisor
) -> None:
    """A new tenant and a hot-plugged interface show up without a listing."""
    guest = boot(Guest.idle("changing", metadata=own_tenant("acme")))
    uuid = guest.guest.uuid
    with _inventory(hypervisor.uri_readonly) as (inventory, counts), connected(hypervisor.uri) as connection:
        domain = connection.lookupByUUIDString(uuid)
        element = "<tenant id='globex'/>"
        domain.setMetadata(
            libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, "hc", OWN, libvirt.VIR_DOMAIN_AFFECT_LIVE
        )
        assert _soon(lambda: "globex" in inventory.domains[uuid].metadata[0].xml, "the new tenant")
        domain.attachDevice(TAP)
        assert _soon(lambda: len(inventory.domains[uuid].nics) == 2, "the new interface")
        assert _soon(lambda: _counted(counts, uuid, "metadata_change") == 1, "the count of the change")


def test_states_are_counted_as_events(boot: Boot, hypervisor: PrivateHypervisor) -> None:
    """Pausing and resuming a guest is counted with its reason."""
    guest = boot(Guest.idle("pausing"))
    uuid = guest.guest.uuid
    with _inventory(hypervisor.uri_readonly) as (_, counts), connected(hypervisor.uri) as connection:
        domain = connection.lookupByUUIDString(uuid)
        domain.suspend()
        domain.resume()
        assert _soon(
            lambda: _counted(counts, uuid, "resumed", "unpaused") == 1, "the count of the end of the pause"
        )
        assert _soon(lambda: _counted(counts, uuid, "suspended", "paused") == 1, "the count of the pause")


@pytest.mark.parametrize(
    "name",
    ['a"quoted"', "back\\slash", "grüße <&>", "x" * 200],
    ids=["quotes", "backslash", "unicode", "long"],
)
def test_a_hostile_name_is_only_a_name(name: str, hypervisor: PrivateHypervisor) -> None:
    """Whatever libvirt lets a guest be called, the guest is in the inventory under that name."""
    guest = Guest(name=name, disks=(), nics=0, workload=None)
    directory = hypervisor.directory / "guests"
    directory.mkdir(exist_ok=True)
    with connected(hypervisor.uri) as connection, _inventory(hypervisor.uri_readonly) as (inventory, _):
        xml = domain_xml(guest, directory, None).replace(str(serial_file(directory)), "/dev/null")
        domain = connection.createXML(xml)
        try:
            assert _soon(lambda: guest.uuid in inventory.domains, "the guest")
            assert inventory.domains[guest.uuid].name == name
        finally:
            domain.destroy()


def test_the_inventory_is_listed_again_after_an_outage(own_hypervisor: PrivateHypervisor) -> None:
    """What happened while libvirt was away is known once it is back; until then the known guests stay."""
    guest = own_hypervisor.boot(Guest.idle("before"))
    with _inventory(own_hypervisor.uri_readonly) as (inventory, _):
        own_hypervisor.kill()
        assert guest.guest.uuid in inventory.domains
        own_hypervisor.restart()
        late = own_hypervisor.boot(Guest.idle("after"))
        assert _soon(lambda: {guest.guest.uuid, late.guest.uuid} == set(inventory.domains), "both guests")
