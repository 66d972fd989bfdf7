"""RDMA counters of VFs: of their representors' drivers, for the guest that owns the VF, from its start on."""

from collections.abc import Mapping

import pytest

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.protocols.kernel.ethtool import statistics
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.sources.sriov import Sriov
from tests.unit.sources.sriov.conftest import (
    FIRST,
    PF,
    SECOND,
    A,
    B,
    Host,
    add_card,
    add_switchdev_card,
    guest_with,
    traffic_of,
    vf_of,
)

# Names of Linux 6.12, drivers/net/ethernet/mellanox/mlx5/core/en_rep.c.
NAMES = (
    "vport_rx_bytes",
    *(
        f"{way}_vport_rdma_{kind}_{unit}"
        for way in ("rx", "tx")
        for kind in ("unicast", "multicast")
        for unit in ("packets", "bytes")
    ),
)


def driver(host: Host, counts: Mapping[str, int]) -> None:
    """Let the representor of VF 0 have these numbers, by the driver's names."""
    host.source = Sriov(
        host.sysfs.root,
        host.baselines,
        RouteSocket(host.kernel.connect),
        statistics=lambda netdev: counts if netdev == "eth0" else {},
    )


@pytest.fixture
def switchdev(host: Host) -> Host:
    """Give a host with a card in switchdev mode, with a representor of VF 0 and one of VF 1."""
    add_switchdev_card(host)
    for number in (0, 1):
        host.sysfs.netdev(
            f"eth{number}", 20 + number, PF, phys_port_name=f"pf0vf{number}", phys_switch_id="aa"
        )
    host.tell(vf_of(0, 100), vf_of(1, 100))
    return host


def test_a_guest_has_its_vfs_rdma_counters(switchdev: Host) -> None:
    """Unicast and multicast together; what the switch received the guest sent."""
    counts = dict.fromkeys(NAMES, 0)
    driver(switchdev, counts)
    switchdev.read(guest_with(A, FIRST, SECOND))
    counts.update(
        {
            "rx_vport_rdma_unicast_bytes": 1000,
            "rx_vport_rdma_multicast_bytes": 24,
            "rx_vport_rdma_unicast_packets": 10,
            "tx_vport_rdma_unicast_bytes": 7,
        }
    )
    traffic = traffic_of(switchdev.read(guest_with(A, FIRST, SECOND)))
    assert traffic["rdma_transmit_bytes"] == {"0": 1024}
    assert traffic["rdma_transmit_packets"] == {"0": 10}
    assert traffic["rdma_receive_bytes"] == {"0": 7}
    assert traffic["rdma_receive_packets"] == {"0": 0}


def test_the_next_guest_starts_at_zero(switchdev: Host) -> None:
    """The card counts on; the new owner sees none of the last one's traffic."""
    counts = dict.fromkeys(NAMES, 5000)
    driver(switchdev, counts)
    switchdev.read(guest_with(A, FIRST))
    switchdev.read()
    traffic = traffic_of(switchdev.read(guest_with(B, FIRST, run=2)))
    assert traffic["rdma_transmit_bytes"] == {"0": 0}
    counts["rx_vport_rdma_unicast_bytes"] += 3
    assert traffic_of(switchdev.read(guest_with(B, FIRST, run=2)))["rdma_transmit_bytes"] == {"0": 3}


def test_a_driver_without_them_costs_nothing_else(switchdev: Host) -> None:
    """An older kernel has no such names; a card that is not in switchdev mode has no representors."""
    driver(switchdev, {"vport_rx_bytes": 9})
    reading = switchdev.read(guest_with(A, FIRST))
    assert "receive_bytes" in traffic_of(reading)
    assert not [name for name in traffic_of(reading) if name.startswith("rdma")]
    assert not reading.missing


def test_outside_switchdev_mode_no_driver_is_asked(host: Host) -> None:
    """There is no representor to ask."""
    add_card(host)
    host.tell(vf_of(0, 100), vf_of(1, 100))
    driver(host, dict.fromkeys(NAMES, 1))
    assert not [name for name in traffic_of(host.read(guest_with(A, FIRST))) if name.startswith("rdma")]


def test_a_driver_that_fails_is_named(switchdev: Host) -> None:
    """The VF's other counters are shown."""

    def failing(netdev: str) -> Mapping[str, int]:
        raise SourceUnavailableError(f"ethtool statistics of {netdev}: I/O error")

    switchdev.source = Sriov(
        switchdev.sysfs.root,
        switchdev.baselines,
        RouteSocket(switchdev.kernel.connect),
        statistics=failing,
    )
    reading = switchdev.read(guest_with(A, FIRST))
    assert reading.partial
    assert any("eth0" in note for note in reading.notes)
    assert "receive_bytes" in traffic_of(reading)


@pytest.mark.native
@pytest.mark.parametrize("netdev", ["lo", "no-such-link", "a-name-that-is-too-long-for-a-link"])
def test_a_link_without_statistics_has_none(netdev: str) -> None:
    """The real kernel: the loopback link's driver counts nothing, and other names are no links."""
    assert statistics(netdev) == {}
