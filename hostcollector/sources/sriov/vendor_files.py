"""Counters of VFs by vendors' own drivers and by switchdev representors, from the VF's point of view.

Those in sysfs are read only for VFs without counters in netlink. RDMA counters have no other place.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from hostcollector.base import infiniband
from hostcollector.base.gaps import Gaps
from hostcollector.devices.sriov import PhysicalFunction
from hostcollector.protocols.kernel.sysfs import entries, number_in, text

# One file with lines "name : value" (NVIDIA's OFED) or one file each in a directory (Intel's i40e and ice).
_VENDOR_NAMES = {
    "rx_bytes": "receive_bytes",
    "rx_packets": "receive_packets",
    "rx_dropped": "receive_dropped",
    "rx_broadcast": "receive_broadcast_packets",
    "rx_multicast": "receive_multicast_packets",
    "tx_bytes": "transmit_bytes",
    "tx_packets": "transmit_packets",
    "tx_dropped": "transmit_dropped",
    "tx_broadcast": "transmit_broadcast_packets",
    "tx_multicast": "transmit_multicast_packets",
}
# A representor is the switch's end of the link: its received packets are those that the VF sent.
_REPRESENTOR_NAMES = {
    "rx_bytes": "transmit_bytes",
    "rx_packets": "transmit_packets",
    "rx_dropped": "transmit_dropped",
    "tx_bytes": "receive_bytes",
    "tx_packets": "receive_packets",
    "tx_dropped": "receive_dropped",
}
# mlx5 counts the VF's RoCE traffic apart, in its representor's `ethtool -S` (Linux 6.2, en_rep.c): again the
# switch's end of the link.
_RDMA_NAMES = {
    f"{ours}_vport_rdma_{kind}_{unit}": f"rdma_{theirs}_{unit}"
    for ours, theirs in (("rx", "transmit"), ("tx", "receive"))
    for kind in ("unicast", "multicast")
    for unit in ("bytes", "packets")
}

Statistics = Callable[[str], Mapping[str, int]]
"""Returns what a network driver counts of an interface, by the driver's names; raises `SourceError`."""


class VendorFiles:
    """Reads the files of the host under `root`, and the drivers' own `statistics`."""

    def __init__(self, root: Path, statistics: Statistics) -> None:
        self._statistics = statistics
        self._devices = str(root / "sys/bus/pci/devices")
        self._class = str(root / "sys/class/net")

    def directory(self, pf: PhysicalFunction) -> str:
        """Return the PF's directory of VFs; empty unless it has a vendor's own driver."""
        directory = f"{self._devices}/{pf.address}/sriov"
        return directory if entries(directory) else ""

    def counters(self, directory: str, number: int, gaps: Gaps) -> dict[str, int]:
        """Return the counters of VF `number` in the PF's `directory`; may be empty.

        A file without a number is noted in `gaps`.
        """
        path = f"{directory}/{number}/stats"
        names = entries(path)
        if names:
            found = {name: text(f"{path}/{name}") for name in names if name in _VENDOR_NAMES}
        else:
            lines = (line.partition(":") for line in text(path).splitlines())
            found = {name.strip(): value.strip() for name, _, value in lines}
        return _numbers(found, _VENDOR_NAMES, path, gaps)

    def guids(self, directory: str, number: int) -> tuple[str, str]:
        """Return the node and the port GUID of an InfiniBand VF; empty where the driver has none."""
        node, port = (infiniband.guid(text(f"{directory}/{number}/{name}")) for name in ("node", "port"))
        return node, port

    def representor_counters(self, netdev: str, gaps: Gaps) -> dict[str, int]:
        """Return the counters of the VF with the representor `netdev`."""
        path = f"{self._class}/{netdev}/statistics"
        found = {name: text(f"{path}/{name}") for name in _REPRESENTOR_NAMES}
        return _numbers(found, _REPRESENTOR_NAMES, path, gaps)

    def rdma_counters(self, netdev: str, gaps: Gaps) -> dict[str, int]:
        """Return the RDMA counters of the VF with the representor `netdev`; empty where it has none."""
        found: dict[str, int] = {}
        with gaps.item(f"the RDMA counters of {netdev}"):
            for name, value in self._statistics(netdev).items():
                if (ours := _RDMA_NAMES.get(name)) is not None:
                    found[ours] = found.get(ours, 0) + value
        return found


def _numbers(found: Mapping[str, str], names: Mapping[str, str], path: str, gaps: Gaps) -> dict[str, int]:
    numbers = {}
    for name, value in found.items():
        if name in names:
            number = number_in(value)
            if number is not None:
                numbers[names[name]] = number
            elif value:
                gaps.unread(f"{path}, {name}", f"it contains {value[:40]!r}")
    return numbers
