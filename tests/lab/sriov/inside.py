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
# The last of the q35 machines whose ports unplug a device by themselves, without the guest's ACPI: our guests
# have no system that could take part.
MACHINE = "pc-q35-6.0"
VF, SPARE = "0", "1"
"""The VF that is passed on, and the one that stays with the host."""
PATIENCE = 120.0
"""Seconds for one step: everything takes some twenty times as long as on hardware."""


def main(outbox: Path) -> None:
    """Set the host up, pass the VF on and write what was seen."""
    ip("link", "set", "lo", "up")
    card = Card.split(2)
    card.configure(SPARE, "mac", "52:54:00:00:00:ff", "vlan", "300", "qos", "5")
    card.configure(SPARE, "max_tx_rate", "100")
    say("the card is split")
    hypervisor = PrivateHypervisor.start()
    uri = hypervisor.uri_readonly
    served = serve(uri, outbox)
    interfaces = {"second": card.interface(VF, "52:54:00:00:00:02", 200)}
    interfaces["third"] = card.interface(VF, "52:54:00:00:00:03", 0)
    first, second, third = hypervisor.boot_all(
        [
            guest("first", "acme", PORTS + card.interface(VF, "52:54:00:00:00:01", 100)),
            guest("second", "globex", PORTS),
            guest("third", "initech", PORTS),
        ]
    )
    say("three guests run, the first one with the VF")
    diagnosis = diagnose(uri, outbox)
    moments = {"boot": look(served, card, first)}
    report = diagnosis.communicate(timeout=PATIENCE)[0].decode()
    first.destroy()
    moments["end"] = look(served, card, None)
    Findings(
        pf=card.netdev,
        pf_address=card.address,
        vfs=card.vfs,
        guests={running.guest.name: running.guest.uuid for running in (owner, other)},
        diagnose=report,
        moments=moments,
    ).write(outbox)
