"""What `diagnose` says of the networks behind a host."""

from hostcollector.base.model import Family, Metric, Snapshot
from hostcollector.catalogue import infiniband, network, ovs, vf
from hostcollector.outputs.diagnose import lines as diagnose
from hostcollector.outputs.diagnose.networks import network_lines


def page(*series: tuple[Metric, tuple[str, ...], float]) -> Snapshot:
    """Return a page with one series for each metric."""
    families = tuple(Family(metric, {labels: value}) for metric, labels, value in series)
    return Snapshot(taken_at=0.0, families=families)


def labels(metric: Metric, **known: str) -> tuple[str, ...]:
    """Return the labels of a series, all others empty."""
    return tuple(known.get(name, "") for name in metric.label_names)


def test_a_host_with_all_of_them() -> None:
    """What was reached is there with its version, what it has, and the age of its data."""
    found = page(
        (ovs.SWITCH_INFO, ("3.1.0", "", "chassis-1"), 1),
        (ovs.PORTS, (), 12),
        (ovs.PORT_INFO, labels(ovs.PORT_INFO), 1),
        (ovs.DATABASE_AGE, (), 0.3),
        (ovs.OVN_PORTS, (), 1),
        (ovs.OVN_PORT_INFO, labels(ovs.OVN_PORT_INFO), 1),
        (ovs.OVN_DATABASE_AGE, (), 2),
        (network.NDFC_INFO, ("12.2.1",), 1),
        (network.NETWORK_INFO, labels(network.NETWORK_INFO), 1),
        (network.VLANS_UNRESOLVED, (), 2),
        (network.NDFC_AGE, (), 90),
        (network.UFM_INFO, ("6.19.3",), 1),
        (network.UFM_PARTITIONS, (), 3),
        (network.UFM_AGE, (), 400),
        (vf.PKEY_INFO, labels(vf.PKEY_INFO, port_guid="0c:42:a1:03:00:ab:cd:01"), 1),
        (infiniband.PORT_INFO, ("mlx5_0", "1", "InfiniBand"), 1),
        (infiniband.STATE, ("mlx5_0", "1"), 4),
    )
    assert list(network_lines(found)) == [
        "Open vSwitch 3.1.0, chassis chassis-1: 12 ports, 1 of guests, updated 0.30 s ago",
        "OVN: 1 logical port on this host, 1 of guests, updated 2.00 s ago",
        "NDFC 12.2.1: 1 of the guests' 3 VLANs known, updated 1 m 30 s ago",
        "UFM 6.19.3: 3 partitions in the fabric, updated 6 m 40 s ago",
        "InfiniBand partitions are known for 1 VF of guests",
        "mlx5_0 port 1: InfiniBand, active",
    ]
    assert "  OVN: 1 logical port on this host, 1 of guests, updated 2.00 s ago" in diagnose.lines(found)


def test_a_host_without_any() -> None:
    """What is not there has no line, and there is no heading either."""
    assert list(network_lines(page())) == []
    assert "Networks:" not in diagnose.lines(page())


def test_what_is_not_reported_is_said_to_be_unknown() -> None:
    """A port whose state cannot be read is not called down."""
    found = page((infiniband.PORT_INFO, ("rxe0", "1", ""), 1))
    assert list(network_lines(found)) == ["rxe0 port 1: link layer unknown, state unknown"]
