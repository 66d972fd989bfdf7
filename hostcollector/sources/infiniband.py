"""The `infiniband` source: the host's InfiniBand and RoCE ports from sysfs, all tenants together.

VFs are left out here: one that a guest owns has no RDMA device on the host, and the counters of all of them
are in the `sriov` source.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import MOST_NAMED, Gaps
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.units import bytes_from_bits
from hostcollector.catalogue import infiniband as rows
from hostcollector.protocols.kernel.sysfs import device_text, entries, number_in, target, text

_STATE = re.compile(r"(\d{1,3})\s*:")
_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*Gb/sec")
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

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - the base class's; ports belong to no guest
        """Return the series of all ports of the host's own RDMA devices."""
        devices = [name for name in sorted(entries(self._class)) if not self._is_vf(name)]
        if not devices:
            return Reading(samples=(), notes=("no InfiniBand or RoCE device here",))
        gaps, uncounted = Gaps(), Uncounted()
        samples: list[Sample] = []
        for device in devices:
            with gaps.item(f"device {device}"):
                samples += self._device(device, gaps, uncounted)
        for texts, ports in uncounted.items():
            named = ", ".join(ports[:MOST_NAMED])
            gaps.fact(f"no value in some counters of {named}: the driver says {' and '.join(sorted(texts))}")
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def _is_vf(self, device: str) -> bool:
        return os.path.lexists(f"{self._class}/{device}/device/physfn")

    def _device(self, device: str, gaps: Gaps, uncounted: "Uncounted") -> Iterator[Sample]:
        path = f"{self._class}/{device}"
        about = (text(f"{path}/{name}") for name in ("board_id", "fw_ver", "hca_type", "node_guid"))
        yield Sample(rows.INFO, 1.0, (device, *about, target(f"{path}/device")))
        ports = sorted(entries(f"{path}/ports"))
        if not ports:
            gaps.missing("port", device, "the device has none")
        for port in ports:
            with gaps.item(f"port {device}/{port}"):
                yield from _Port(f"{path}/ports/{port}", (device, port), gaps, uncounted).samples()


class Uncounted(dict[frozenset[str], list[str]]):
    """The ports with counters that have a text for a value, by those texts, such as ``N/A (no PMA)``."""

    def add(self, port: str, texts: Iterable[str]) -> None:
        """Note the texts of one port."""
        if found := frozenset(texts):
            self.setdefault(found, []).append(port)


class _Port:
    """One port, by its directory."""

    def __init__(self, path: str, labels: tuple[str, str], gaps: Gaps, uncounted: Uncounted) -> None:
        self._path = path
        self._labels = labels
        self._name = "/".join(labels)
        self._gaps = gaps
        self._uncounted = uncounted
        self._texts: set[str] = set()

    def samples(self) -> Iterator[Sample]:
        """Yield the port's series."""
        yield Sample(rows.PORT_INFO, 1.0, (*self._labels, text(f"{self._path}/link_layer")))
        for row, file in ((rows.STATE, "state"), (rows.PHYSICAL_STATE, "phys_state")):
            if state := self._match(_STATE, file):
                yield Sample(row, int(state[1]), self._labels)
        if rate := self._match(_RATE, "rate"):
            yield Sample(rows.RATE, bytes_from_bits(float(rate[1]) * _GIGA), self._labels)
        for name, value in self._counters().items():
            counted = value * _WORD if name in _IN_WORDS else value
            yield Sample(rows.PORT_COUNTERS[name], counted, self._labels)
        for name, value in self._numbers("hw_counters").items():
            known = rows.HARDWARE_COUNTERS.get(name)
            if known is not None:
                yield Sample(known, value, self._labels)
            elif name not in _NO_COUNTERS:
                yield Sample(rows.OTHER_HARDWARE_EVENTS, value, (*self._labels, name))
        self._uncounted.add(self._name, self._texts)

    def _match(self, pattern: re.Pattern[str], file: str) -> re.Match[str] | None:
        """Return what a file says; one that exists and says something else is noted."""
        with self._gaps.item(f"port {self._name}: {file}"):
            said = device_text(f"{self._path}/{file}")
            if (found := pattern.match(said)) or not said:
                return found
            raise SourceMalformedError(f"it says {said[:40]!r}")
        return None

    def _counters(self) -> dict[str, int]:
        """Return the counters by file name; the 64-bit ones of old drivers under the usual names."""
        found = {
            name: value for name, value in self._numbers("counters").items() if name in rows.PORT_COUNTERS
        }
        extended = self._numbers("counters_ext")
        found.update((_EXTENDED[name], value) for name, value in extended.items() if name in _EXTENDED)
        return found

    def _numbers(self, directory: str) -> dict[str, int]:
        """Return the counters of a directory by file name, without those that have no value.

        A text for a value is the driver's word that it does not count; a number that is none is noted, and a
        file that the device does not answer for.
        """
        found = {}
        for name in sorted(entries(f"{self._path}/{directory}")):
            with self._gaps.item(f"port {self._name}: {directory}/{name}"):
                said = device_text(f"{self._path}/{directory}/{name}")
                value = number_in(said)
                if value is not None:
                    found[name] = value
                elif said[:1].isalpha():
                    self._texts.add(said[:40])
                elif said:
                    raise SourceMalformedError(f"it says {said[:40]!r}")
        return found
