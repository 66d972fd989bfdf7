"""What happens inside the emulated hypervisor: a guest is limited both ways, and a bond loses a member.

Run as `python -m tests.lab.sriov.network_inside DIRECTORY`; writes `network.json` into the directory.
"""

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.metadata import own_tenant
from tests.lab.process import until
from tests.lab.served import Page
from tests.lab.sriov.card import ip
from tests.lab.sriov.collector import PATIENCE, Collector
from tests.lab.sriov.findings import UP
from tests.lab.sriov.inside import say

TAP, BRIDGE, BOND, OTHER = "flood0", "br0", "bond0", "dummy0"
FRAMES, FRAME = 2000, 1000
BANDWIDTH = "<inbound average='125' burst='16'/><outbound average='250' burst='16'/>"
# The guest's QEMU has two queues of the tap, and the flood comes in at a third one, as if from the guest.
INTERFACE = f"""<interface type='ethernet'><mac address='52:54:00:11:43:01'/>
  <target dev='{TAP}' managed='no'/><model type='virtio'/><driver name='qemu' queues='2'/>
  <bandwidth>{BANDWIDTH}</bandwidth></interface>"""
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x400454CA, 2, 0x1000, 0x4000, 0x100
TUNGETVNETHDRSZ = 0x800454D7


def main(outbox: Path) -> None:
    """Limit a guest, flood from its side, take a member from the bond, and write what the page says."""
    say(UP)
    ip("link", "set", "lo", "up")
    subprocess.run(["modprobe", "tun"], check=True)
    card = next(path.parent.name for path in Path("/sys/class/net").glob("*/device"))
    bridge_over_bond(card)
    hypervisor = PrivateHypervisor.start()
    collector = Collector.start(hypervisor.uri_readonly, outbox)
    running = hypervisor.boot(Guest.idle("limited", metadata=own_tenant("acme"), nics=0, devices=INTERFACE))
    ip("link", "set", TAP, "master", BRIDGE, "up")
    until(collector.is_ready, PATIENCE, "the collector")
    pages: dict[str, str] = {}

    def keep(name: str, condition: Callable[[Page], bool]) -> None:
        pages[name] = collector.served.page_where(condition, name, PATIENCE).text
        say(f"the page is taken: {name}")

    drops = "libvirt_domain_interface_limit_drops_total"
    keep("limited", lambda page: len(page.all(drops)) == 2)
    flood()
    flooded = policed()
    keep("flooded", lambda page: any(page.all(drops, direction="transmit").values()))
    ip("link", "set", card, "down")
    keep("broken", lambda page: 0.0 in page.all("hostcollector_host_bond_member_up").values())
    bond = Path(f"/proc/net/bonding/{BOND}").read_text()
    kernel = {"flooded": flooded, "bond": bond}
    found = {"card": card, "uuid": running.guest.uuid, "pages": pages, "kernel": kernel}
    (outbox / "network.json").write_text(json.dumps(found))


def bridge_over_bond(card: str) -> None:
    """Put the card and a link that is always up into a bond, the bond into a bridge, and make a tap."""
    ip("link", "add", BOND, "type", "bond", "mode", "active-backup", "miimon", "100")
    ip("link", "add", OTHER, "type", "dummy")
    for member in (card, OTHER):
        ip("link", "set", member, "down")
        ip("link", "set", member, "master", BOND)
        ip("link", "set", member, "up")
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "set", BOND, "master", BRIDGE, "up")
    ip("link", "set", BRIDGE, "up")
    ip("tuntap", "add", TAP, "mode", "tap", "multi_queue", "vnet_hdr")
    say("the bond is in the bridge")


def flood() -> None:
    """Send the frames as the guest would."""
    queue = os.open("/dev/net/tun", os.O_RDWR)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
    fcntl.ioctl(queue, TUNSETIFF, struct.pack("=16sH22x", TAP.encode(), flags))
    # The header of virtio-net has ten bytes, or twelve where QEMU has chosen so for the whole tap.
    size = struct.unpack("i", fcntl.ioctl(queue, TUNGETVNETHDRSZ, struct.pack("i", 0)))[0]
    frame = bytes.fromhex("ffffffffffff52540011430188b5").ljust(FRAME, b"\0")
    for _ in range(FRAMES):
        os.write(queue, bytes(size) + frame)
    os.close(queue)
    say("the frames are sent")


def policed() -> dict[str, int]:
    """Return the account that `tc` gives of the policer."""
    command = ["tc", "-s", "filter", "show", "dev", TAP, "parent", "ffff:"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    print(shown, flush=True)
    match = re.search(r"dropped (\d+), overlimits (\d+)", shown)
    assert match is not None, shown
    return {"drops": int(match[1]), "overlimits": int(match[2])}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
