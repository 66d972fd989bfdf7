"""Tells a PF's own network interface from the other ones that sysfs lists beside it.

In switchdev mode the representors of the VFs have the PF as their parent too, and IPoIB children share it.
"""

import re
from pathlib import Path

from hostcollector.devices.sriov_values import Netdev
from hostcollector.protocols.kernel.sysfs import entries, number, text

# What a port is, by phys_port_name (kernel: net/devlink/port.c). A leading ``c<N>`` is a controller of its
# own, such as the host seen from a DPU: its functions are not this host's.
_PORT = re.compile(r"(?:c\d+)?pf\d+(?:vf\d+|sf\d+)?")
_VF_PORT = re.compile(r"pf(\d+)vf(\d+)")


class NetdevReader:
    """Reads ``/sys/class/net`` under `root`."""

    def __init__(self, root: Path) -> None:
        self._class = str(root / "sys/class/net")

    def index(self, name: str) -> int | None:
        """Return the interface's index; None when it has gone."""
        return number(f"{self._class}/{name}/ifindex")

    def of_pf(self, directory: str, function: int) -> tuple[tuple[Netdev, ...], dict[int, str]]:
        """Return the PF's own interfaces and its representors by VF number.

        `directory` is the PF's ``net``, `function` its PCI function number, which is the ``pf<N>`` of its
        representors.
        """
        ports = {name: text(f"{self._class}/{name}/phys_port_name") for name in sorted(entries(directory))}
        own = [name for name, port in ports.items() if not _PORT.fullmatch(port) and not self._is_child(name)]
        own.sort(key=self._port_number)
        switches = {self._switch(name) for name in own} - {""}
        representors = {
            int(match[2]): name
            for name, match in ((name, _VF_PORT.fullmatch(port)) for name, port in ports.items())
            if match and int(match[1]) == function and self._switch(name) in switches
        }
        indexes = ((name, self.index(name)) for name in own)
        return tuple(Netdev(name=name, index=index) for name, index in indexes if index), representors

    def _is_child(self, name: str) -> bool:
        """Whether the interface sits on another one, as ``ib0.8001`` does on ``ib0``."""
        link = text(f"{self._class}/{name}/iflink")
        return bool(link) and link != text(f"{self._class}/{name}/ifindex")

    def _port_number(self, name: str) -> tuple[int, str]:
        return number(f"{self._class}/{name}/dev_port") or 0, name

    def _switch(self, name: str) -> str:
        return text(f"{self._class}/{name}/phys_switch_id")
