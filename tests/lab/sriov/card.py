"""The card with VFs as the kernel and its tools show it; used inside the emulated hypervisor."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.process import until

DEVICES = Path("/sys/bus/pci/devices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A PF with its VFs; their numbers are text."""

    netdev: str
    address: str
    vfs: Mapping[str, str]
    """PCI addresses by VF number."""

    @classmethod
    def split(cls, count: int) -> "Card":
        """Split the machine's only card into so many VFs."""
        (device,) = (path.parent for path in DEVICES.glob("*/sriov_numvfs") if (path.parent / "net").exists())
        (device / "sriov_numvfs").write_text(str(count))
        (netdev,) = (path.name for path in (device / "net").iterdir())
        ip("link", "set", netdev, "up")
        # A limit is set as a share of the link's speed, which the driver knows once there is a link.
        until(lambda: (device / "net" / netdev / "carrier").read_text() == "1\n", 30.0, "the card's link")
        # As links, never computed: igb's VFs are every second PCI function.
        links = {str(number): (device / f"virtfn{number}").resolve().name for number in range(count)}
        return cls(netdev=netdev, address=device.name, vfs=links)

    def configure(self, vf: str, *settings: str) -> None:
        """Set a VF as an operator does, in the words of `ip link set ... vf`."""
        ip("link", "set", self.netdev, "vf", vf, *settings)

    def link(self) -> dict[str, dict[str, Any]]:
        """Return what `ip` shows of each VF, by its number."""
        (link,) = json.loads(ip("-details", "-json", "link", "show", "dev", self.netdev))
        return {str(vf["vf"]): vf for vf in link["vfinfo_list"]}

    def drivers(self) -> dict[str, str]:
        """Return what each VF is bound to by its number; empty for none."""
        paths = {vf: DEVICES / address / "driver" for vf, address in self.vfs.items()}
        return {vf: path.resolve().name if path.exists() else "" for vf, path in paths.items()}

    def interface(self, vf: str, mac: str, vlan: int = 0) -> str:
        """Return the XML of a guest's interface that is this VF; without a VLAN the guest is in none."""
        tag = f"<vlan><tag id='{vlan}'/></vlan>" if vlan else ""
        return f"""<interface type='hostdev' managed='yes'>
          <mac address='{mac}'/>
          <source>{pci_address(self.vfs[vf])}</source>
          {tag}
        </interface>"""

    def pool(self, name: str, vf: str) -> str:
        """Return the XML of a network that hands out this VF."""
        return f"""<network>
          <name>{name}</name>
          <forward mode='hostdev' managed='yes'>{pci_address(self.vfs[vf])}</forward>
        </network>"""


def out_of_pool(name: str, mac: str) -> str:
    """Return the XML of a guest's interface whose VF comes out of a network's pool."""
    return f"""<interface type='network'>
      <mac address='{mac}'/>
      <source network='{name}'/>
    </interface>"""


def pci_address(address: str) -> str:
    """Return the XML of libvirt for a PCI address as sysfs writes it."""
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    return f"<address type='pci' domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/>"


def ip(*words: str) -> str:
    """Run iproute2's `ip`; CalledProcessError when it fails."""
    return subprocess.run(("ip", *words), check=True, stdout=subprocess.PIPE, text=True).stdout
