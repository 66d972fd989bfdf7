"""Limits that Open vSwitch and OVN set on a guest's port, in bytes and by the guest's direction."""

from pathlib import Path
from typing import Any

import pytest

from hostcollector.base.definition import Nic
from hostcollector.devices.logical_ports import LogicalPort, read_ports
from hostcollector.devices.switch import MOST_QUEUES
from hostcollector.protocols.ovsdb.replica import Replica
from hostcollector.protocols.ovsdb.row import ColumnKind, read_row
from tests.fakes.database import texts
from tests.unit.sources.test_ovs import ONE, guest, guests, read, source, switch_rows

NIC = guests(guest(ONE, Nic(type="bridge", target="tap1", interface_id="p1")))


def shown(rows: dict[str, Any], directory: Path) -> dict[tuple[str, ...], float]:
    """Return the series about limits: the name's end, and the labels."""
    with source(rows, directory) as made:
        return {
            (sample.metric.name.removeprefix("libvirt_domain_ovs_"), *sample.labels[1:]): float(sample.value)
            for sample in read(made, NIC).samples
            if "limit" in sample.metric.name and isinstance(sample.value, int | float)
        }


def limited(kind: str, settings: dict[str, str], queues: dict[int, str] | None = None) -> dict[str, Any]:
    """Return a switch whose port tap1 has a QoS row."""
    rows = switch_rows(tap1={"external_ids": texts(iface_id="p1")})
    rows["Port"]["port-tap1"]["qos"] = ["uuid", "q"]
    listed = ["map", [[number, ["uuid", f"queue-{number}"]] for number in queues or ()]]
    rows["QoS"] = {"q": {"type": kind, "other_config": texts(**settings), "queues": listed}}
    rows["Queue"] = {
        f"queue-{number}": {"other_config": texts(max_rate=rate)} for number, rate in (queues or {}).items()
    }
    return rows


def test_policing_limits_what_the_guest_sends(tmp_path: Path) -> None:
    """It is in units of 1,000 bits."""
    port = {
        "external_ids": texts(iface_id="p1"),
        "ingress_policing_rate": 8000,
        "ingress_policing_burst": 800,
    }
    assert shown(switch_rows(tap1=port), tmp_path) == {
        ("limit_bytes_per_second", "transmit"): 1_000_000,
        ("limit_burst_bytes", "transmit"): 100_000,
    }


def test_a_port_without_limits_shows_none(tmp_path: Path) -> None:
    """A rate of 0 is none, whatever the burst."""
    port = {"external_ids": texts(iface_id="p1"), "ingress_policing_rate": 0, "ingress_policing_burst": 800}
    assert shown(switch_rows(tap1=port), tmp_path) == {}


@pytest.mark.parametrize(
    ("kind", "settings", "rate"),
    [
        ("linux-htb", {"max_rate": "8000000"}, 1_000_000),
        ("linux-hfsc", {"max_rate": "80000000000"}, 10_000_000_000),
        ("egress-policer", {"cir": "46000000"}, 46_000_000),
    ],
)
def test_quality_of_service_limits_what_the_guest_receives(
    tmp_path: Path, kind: str, settings: dict[str, str], rate: int
) -> None:
    """In bits for the kernel's qdiscs, in bytes for the policers of the user-space datapath."""
    assert shown(limited(kind, settings), tmp_path) == {("limit_bytes_per_second", "receive"): rate}


@pytest.mark.parametrize("settings", [{"max_rate": "fast"}, {"max_rate": "-1"}, {"max_rate": "9" * 30}, {}])
def test_an_odd_rate_is_none(tmp_path: Path, settings: dict[str, str]) -> None:
    """Whatever was written there."""
    assert shown(limited("linux-htb", settings), tmp_path) == {}


def test_queues_have_limits_of_their_own(tmp_path: Path) -> None:
    """The first ones, by number; one without a limit has none."""
    few = limited("linux-htb", {}, {0: "8000", 3: "0"})
    assert shown(few, tmp_path) == {("queue_limit_bytes_per_second", "0"): 1000}
    (tmp_path / "many").mkdir()
    many = limited("linux-htb", {}, dict.fromkeys(range(MOST_QUEUES + 9), "8000"))
    assert len(shown(many, tmp_path / "many")) == MOST_QUEUES


def with_options(**options: str) -> LogicalPort:
    """Return a logical port with these options."""
    kinds = {"logical_port": ColumnKind.ATOM, "options": ColumnKind.MAP}
    entries = ["map", [list(entry) for entry in options.items()]]
    row = read_row({"logical_port": "p1", "options": entries}, kinds)
    return read_ports(Replica(tables={"Port_Binding": {"port": row}}))["p1"]


def test_options_of_a_logical_port_limit_what_the_guest_sends() -> None:
    """OVN has them in bits (ovn-sb(5), Port_Binding)."""
    port = with_options(qos_max_rate="8000000", qos_min_rate="80000", qos_burst="800", other="x")
    assert (port.limit, port.guarantee, port.burst) == (1_000_000, 10_000, 100)
    port = with_options(qos_max_rate="0", qos_min_rate="x", qos_burst="")
    assert (port.limit, port.guarantee, port.burst) == (None, None, None)
