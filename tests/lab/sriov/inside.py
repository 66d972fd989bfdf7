"""What happens inside the emulated hypervisor: a VF goes from guest to guest while a collector watches.

Run as `python -m tests.lab.sriov.inside DIRECTORY`; writes `Findings` into the directory.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.lab.connection import connected
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import nova
from tests.lab.process import until
from tests.lab.running import RunningGuest
from tests.lab.sriov.card import Card, ip, out_of_pool
from tests.lab.sriov.collector import Collector
from tests.lab.sriov.display import Display
from tests.lab.sriov.findings import UP, Findings, Moment

VF, SPARE = "0", "1"
"""The VF that is passed on, and the one that stays with the host."""
# Ports for the guest's own devices and one to plug into.
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{index}' model='pcie-root-port'/>" for index in range(1, 5)
)


def main(outbox: Path) -> None:
    """Set the host up, pass the VF on and write what was seen."""
    say(UP)
    card, display = split_card(), Display.found()
    hypervisor = PrivateHypervisor.start()
    collector = Collector.start(hypervisor.uri_readonly, outbox)
    at_boot = card.interface(VF, "52:54:00:00:00:01", vlan=100)
    guests = (
        guest("first", "acme", at_boot + display.hostdev),
        guest("second", "globex"),
        guest("third", "initech"),
    )
    first, second, third = hypervisor.boot_all(guests)
    say("three guests run, the first one with the VF and the display")
    diagnosis = collector.diagnose()
    moments = {"boot": look(collector, card, display, first)}
    report = collector.diagnosed(diagnosis, card.address, display.address)
    first.destroy()
    moments["end"] = look(collector, card, display, None)
    with plugged(second, card.interface(VF, "52:54:00:00:00:02", vlan=200)):
        card.configure(VF, "spoofchk", "off", "trust", "on")
        moments["plug"] = look(collector, card, display, second)
    moments["unplug"] = look(collector, card, display, None)
    with connected(hypervisor.uri) as connection:
        connection.networkCreateXML(card.pool("vfs", VF))
    with plugged(third, out_of_pool("vfs", "52:54:00:00:00:03")):
        moments["another"] = look(collector, card, display, third)
    uuids = {guest.name: guest.uuid for guest in guests}
    Findings(
        pf=card.netdev,
        pf_address=card.address,
        vfs=card.vfs,
        display=display.address,
        guests=uuids,
        diagnose=report,
        moments=moments,
    ).write(outbox)


def split_card() -> Card:
    """Make two VFs and configure the one that stays with the host."""
    ip("link", "set", "lo", "up")
    card = Card.split(2)
    card.configure(SPARE, "mac", "52:54:00:00:00:ff", "vlan", "300", "qos", "5")
    card.configure(SPARE, "max_tx_rate", "100")
    say("the card is split")
    return card


def guest(name: str, tenant: str, passed: str = "") -> Guest:
    """Return an OpenStack project's guest that halts at once, without any device of the host but those given.

    Its machine is the last q35 whose ports unplug a device by themselves: later ones ask the guest's ACPI,
    and our guests have no system that could answer.
    """
    metadata = nova(project_id=tenant, project_name=f"{tenant} ltd", instance_name=f"{name} of {tenant}")
    idle = Guest.idle(name, metadata=metadata)
    return replace(idle, nics=0, machine="pc-q35-6.0", devices=PORTS + passed)


@contextmanager
def plugged(running: RunningGuest, interface: str) -> Iterator[None]:
    """Plug an interface into a running guest for the block; it is out when libvirt says so."""
    with connected(running.uri) as connection:
        domain = connection.lookupByUUIDString(running.guest.uuid)
        domain.attachDevice(interface)
        say(f"the VF is plugged into {running.guest.name}")
        yield
        domain.detachDevice(interface)
        until(lambda: "hostdev" not in running.xml(), 30.0, f"unplugging from {running.guest.name}")
    say(f"the VF is unplugged from {running.guest.name}")


def look(collector: Collector, card: Card, display: Display, owner: RunningGuest | None) -> Moment:
    """Take a page that shows the VF's owner, or after a while the page that there is."""
    page = collector.page_with_owner(VF, owner.guest.uuid if owner else "", len(card.vfs))
    say("the page is taken")
    return Moment(page=page.text, link=card.link(), drivers=card.drivers(), display=display.sysfs())


def say(what: str) -> None:
    """Write a line with the time since the machine was switched on to its serial line."""
    print(f"{time.clock_gettime(time.CLOCK_BOOTTIME):6.1f} s  {what}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
