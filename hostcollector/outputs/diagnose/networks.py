"""The lines of `diagnose` about networks: databases, controllers and RDMA ports that were reached.

An unreachable one is reported by its source, with cause and fix.
"""

from collections.abc import Iterator, Mapping

from hostcollector.base.model import Metric, Snapshot
from hostcollector.base.wording import counted, duration, one_line
from hostcollector.catalogue import infiniband, network, ovs, vf

Series = Mapping[tuple[str, ...], object]

_STATES = {1.0: "down", 2.0: "initialising", 3.0: "armed", 4.0: "active", 5.0: "active, deferred"}


def network_lines(snapshot: Snapshot) -> Iterator[str]:
    """Yield a line for each database, controller and RDMA port on the page."""
    page = _Page(snapshot)
    yield from map(one_line, (*_switch(page), *_ovn(page), *_ndfc(page), *_ufm(page), *_ports(page)))


class _Page:
    """The series of a snapshot, by metric."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._series: dict[Metric, Series] = {family.metric: family.series for family in snapshot.families}

    def series(self, metric: Metric) -> Series:
        """Return the series of a metric; none where it is not on the page."""
        return self._series.get(metric, {})

    def number(self, metric: Metric, labels: tuple[str, ...] = ()) -> float | None:
        """Return the value of one series, None where it is not on the page."""
        value = self.series(metric).get(labels)
        return float(value) if isinstance(value, (int, float)) else None

    def age(self, metric: Metric) -> str:
        """Return the age of data, as the end of a sentence."""
        seconds = self.number(metric)
        return "" if seconds is None else f", updated {duration(seconds)} ago"


def _switch(page: _Page) -> Iterator[str]:
    for version, _, system_id in page.series(ovs.SWITCH_INFO):
        ports, ours = int(page.number(ovs.PORTS) or 0), len(page.series(ovs.PORT_INFO))
        chassis = f", chassis {system_id}" if system_id else ""
        last = page.age(ovs.DATABASE_AGE)
        yield f"Open vSwitch {version}{chassis}: {counted(ports, 'port')}, {ours} of guests{last}"


def _ovn(page: _Page) -> Iterator[str]:
    ports = page.number(ovs.OVN_PORTS)
    if ports is not None:
        ours = len(page.series(ovs.OVN_PORT_INFO))
        last = page.age(ovs.OVN_DATABASE_AGE)
        yield f"OVN: {counted(int(ports), 'logical port')} on this host, {ours} of guests{last}"


def _ndfc(page: _Page) -> Iterator[str]:
    for (version,) in page.series(network.NDFC_INFO):
        known = len(page.series(network.NETWORK_INFO))
        used = known + int(page.number(network.VLANS_UNRESOLVED) or 0)
        last = page.age(network.NDFC_AGE)
        yield f"NDFC {version}: {known} of the guests' {counted(used, 'VLAN')} known{last}"


def _ufm(page: _Page) -> Iterator[str]:
    for (version,) in page.series(network.UFM_INFO):
        count = int(page.number(network.UFM_PARTITIONS) or 0)
        last = page.age(network.UFM_AGE)
        yield f"UFM {version}: {counted(count, 'partition')} in the fabric{last}"
    at = vf.PKEY_INFO.label_names.index("port_guid")
    members = {labels[at] for labels in page.series(vf.PKEY_INFO)}
    if members:
        yield f"InfiniBand partitions are known for {counted(len(members), 'VF')} of guests"


def _ports(page: _Page) -> Iterator[str]:
    for device, port, layer in page.series(infiniband.PORT_INFO):
        state = page.number(infiniband.STATE, (device, port))
        words = "state unknown" if state is None else _STATES.get(state, f"state {state:g}")
        yield f"{device} port {port}: {layer or 'link layer unknown'}, {words}"
