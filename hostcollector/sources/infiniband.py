"""The `infiniband` source: the host's InfiniBand and RoCE ports from sysfs, all tenants together.

VFs are left out here: one that a guest owns has no RDMA device on the host, and the counters of all of them
are in the `sriov` source.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hostcollector.catalogue import infiniband as rows
from hostcollector.model import Sample
from hostcollector.sources.base import Reading, Request, Source
from hostcollector.sysfs import entries, number, target, text
from hostcollector.units import bytes_from_bits

_STATE = re.compile(r"(\d+)\s*:")
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*Gb/sec")
_GIGA = 10**9
# InfiniBand counts data in words of four octets (PortXmitData, PortRcvData).
_WORD = 4
_IN_WORDS = frozenset({"port_xmit_data", "port_rcv_data"})
# Old drivers have 64-bit counters only beside the 32-bit ones, under names of their own.
_EXTENDED = {
    "port_xmit_data_64": "port_xmit_data",
    "port_rcv_data_64": "port_rcv_data",
    "port_xmit_packets_64": "port_xmit_packets",
    "port_rcv_packets_64": "port_rcv_packets",
    "port_unicast_xmit_packets": "unicast_xmit_packets",
    "port_unicast_rcv_packets": "unicast_rcv_packets",
    "port_multicast_xmit_packets": "multicast_xmit_packets",
    "port_multicast_rcv_packets": "multicast_rcv_packets",
}
# A setting among the counters: for how many milliseconds the driver answers from its cache.
_NO_COUNTERS = frozenset({"lifespan"})


class Infiniband(Source):
    """Reads ``/sys/class/infiniband`` under `root`."""

    name = "infiniband"

    def __init__(self, root: Path) -> None:
        self._class = str(root / "sys/class/infiniband")

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - the protocol's; ports belong to no guest
        """Return the series of all ports of the host's own RDMA devices."""
        devices = [name for name in sorted(entries(self._class)) if not self._is_vf(name)]
        if not devices:
            return Reading(samples=(), notes=("no InfiniBand or RoCE device here",))
        samples = [sample for device in devices for sample in self._device(device)]
        return Reading(samples=samples)

    def _is_vf(self, device: str) -> bool:
        return os.path.lexists(f"{self._class}/{device}/device/physfn")

    def _device(self, device: str) -> Iterator[Sample]:
        path = f"{self._class}/{device}"
        about = (text(f"{path}/{name}") for name in ("board_id", "fw_ver", "hca_type", "node_guid"))
        yield Sample(rows.INFO, 1.0, (device, *about, target(f"{path}/device")))
        for port in sorted(entries(f"{path}/ports")):
            yield from _port(f"{path}/ports/{port}", (device, port))


def _port(path: str, labels: tuple[str, str]) -> Iterator[Sample]:
    yield Sample(rows.PORT_INFO, 1.0, (*labels, text(f"{path}/link_layer")))
    for row, file in ((rows.STATE, "state"), (rows.PHYSICAL_STATE, "phys_state")):
        state = _STATE.match(text(f"{path}/{file}"))
        if state:
            yield Sample(row, int(state[1]), labels)
    rate = _RATE.match(text(f"{path}/rate"))
    if rate:
        yield Sample(rows.RATE, bytes_from_bits(float(rate[1]) * _GIGA), labels)
    for name, value in _port_counters(path).items():
        yield Sample(rows.PORT_COUNTERS[name], value * _WORD if name in _IN_WORDS else value, labels)
    for name, value in _numbers(f"{path}/hw_counters").items():
        known = rows.HARDWARE_COUNTERS.get(name)
        if known is not None:
            yield Sample(known, value, labels)
        elif name not in _NO_COUNTERS:
            yield Sample(rows.OTHER_HARDWARE_EVENTS, value, (*labels, name))


def _port_counters(path: str) -> dict[str, int]:
    """Return the port's counters by file name; the 64-bit ones of old drivers under the usual names."""
    found = {
        name: value for name, value in _numbers(f"{path}/counters").items() if name in rows.PORT_COUNTERS
    }
    extended = _numbers(f"{path}/counters_ext")
    found.update((_EXTENDED[name], value) for name, value in extended.items() if name in _EXTENDED)
    return found


def _numbers(directory: str) -> dict[str, int]:
    """Return the counters of a directory by file name, without those that say ``N/A`` or cannot be read."""
    found = ((name, number(f"{directory}/{name}")) for name in sorted(entries(directory)))
    return {name: value for name, value in found if value is not None}
