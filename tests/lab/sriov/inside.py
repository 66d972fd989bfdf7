"""What happens inside the emulated hypervisor: a VF goes from guest to guest while a collector watches.

Run as `python -m tests.lab.sriov.inside DIRECTORY`; writes `Findings` into the directory.
"""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.lab.connection import connected
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import nova
from tests.lab.process import spawn, until
from tests.lab.running import RunningGuest
from tests.lab.served import Page, Served
from tests.lab.sriov.card import Card, ip
from tests.lab.sriov.findings import Findings, Moment

COMMAND = (sys.executable, "-m", "hostcollector")
# Ports for the guest's own devices and one to plug into.
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{index}' model='pcie-root-port'/>" for index in range(1, 5)
)
VF = "0"
"""The VF that is passed on; the other one stays with the host."""
PATIENCE = 120.0
"""Seconds for one step: everything takes some twenty times as long as on hardware."""


def main(outbox: Path) -> None:
    """Set the host up, pass the VF on and write what was seen."""
    ip("link", "set", "lo", "up")
    card = Card.split(2)
    say("the card is split")
    hypervisor = PrivateHypervisor.start()
    say("libvirtd answers")
    served = serve(hypervisor.uri_readonly, outbox)
    owner = hypervisor.boot(guest("first", "acme", card.interface(VF, "52:54:00:aa:bb:01", vlan=100)))
    say("the first guest runs")
    other = hypervisor.boot(guest("second", "globex", PORTS))
    say("the second guest runs")
    diagnosis = diagnose(hypervisor.uri_readonly, outbox)
    moments = {"owned": look(served, card, owner)}
    report = diagnosis.communicate(timeout=PATIENCE)[0].decode()
    owner.destroy()
    moments["free"] = look(served, card, None)
    plug(other, card.interface(VF, "52:54:00:aa:bb:02", vlan=200))
    card.configure(VF, "spoofchk", "off")
    moments["passed on"] = look(served, card, other)
    Findings(
        pf=card.netdev,
        pf_address=card.address,
        vfs=card.vfs,
        guests={running.guest.name: running.guest.uuid for running in (owner, other)},
        diagnose=report,
        moments=moments,
    ).write(outbox)


def guest(name: str, tenant: str, devices: str) -> Guest:
    """Return an OpenStack project's guest that halts at once, without any interface but the given one."""
    metadata = nova(project_id=tenant, project_name=f"{tenant} ltd", instance_name=f"{name} of {tenant}")
    return replace(Guest.idle(name, metadata=metadata), nics=0, machine="q35", devices=devices)


def serve(uri: str, outbox: Path) -> Served:
    """Start a collector; it is not ready yet."""
    log = outbox / "hostcollector.log"
    child = spawn([*COMMAND, "serve", f"--libvirt.uri={uri}"], log)
    return Served(child, "http://127.0.0.1:10177", log)


def diagnose(uri: str, outbox: Path) -> subprocess.Popen[bytes]:
    """Start `hostcollector diagnose`."""
    with (outbox / "diagnose.log").open("wb") as log:
        return subprocess.Popen(
            [*COMMAND, "diagnose", f"--libvirt.uri={uri}"], stdout=subprocess.PIPE, stderr=log
        )


def plug(running: RunningGuest, interface: str) -> None:
    """Plug an interface into a running guest."""
    with connected(running.uri) as connection:
        connection.lookupByUUIDString(running.guest.uuid).attachDevice(interface)
    say(f"the VF is plugged into {running.guest.name}")


def look(served: Served, card: Card, owner: RunningGuest | None) -> Moment:
    """Take a page that shows the VF's owner, or after a while the page that there is."""
    until(served.ready, PATIENCE, f"the collector, see {served.log}")
    wanted = {owner.guest.uuid} if owner else set()
    deadline = time.monotonic() + PATIENCE / 4
    page = served.page(timeout=PATIENCE)
    while owners(page) != wanted and time.monotonic() < deadline:
        time.sleep(0.5)
        page = served.page(timeout=PATIENCE)
    say("the page is taken")
    return Moment(page=page.text, link=card.link(), drivers=card.drivers())


def owners(page: Page) -> set[str]:
    """Return the UUIDs of the guests that own the VF by the page."""
    return {dict(labels)["uuid"] for labels in page.all("libvirt_domain_vf_info", vf=VF)}


def say(what: str) -> None:
    """Write a line with the time since the machine was switched on to its serial line."""
    print(f"{time.clock_gettime(time.CLOCK_BOOTTIME):6.1f} s  {what}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
