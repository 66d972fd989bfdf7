"""Tells a PF's own network interface from the other ones that sysfs lists beside it.

In switchdev mode the representors of the VFs have the PF as their parent too, and IPoIB children share it.
"""

import os
import re
from pathlib import Path

from hostcollector.sriov.values import Netdev

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
        value = text(f"{self._class}/{name}/ifindex")
        return int(value) if value.isdecimal() else None

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
        port = text(f"{self._class}/{name}/dev_port")
        return int(port) if port.isdecimal() else 0, name

    def _switch(self, name: str) -> str:
        return text(f"{self._class}/{name}/phys_switch_id")


def text(path: str) -> str:
    """Return a sysfs file without its line break; empty where there is none or it does not apply."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 4096).decode(errors="replace").strip()
    except OSError:
        return ""  # EOPNOTSUPP: the driver knows no such thing
    finally:
        os.close(descriptor)


def entries(directory: str) -> list[str]:
    """Return the names in a sysfs directory; none where it does not exist."""
    try:
        return os.listdir(directory)
    except OSError:
        return []
