"""The switch's ports become their guests' series, seen from the guest, and never another guest's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.errors import SourceError
from hostcollector.base.model import Guest, Histogram, Metric, Scope
from hostcollector.base.source import Reading, Request
from hostcollector.catalogue import interface, ovs
from hostcollector.config.address import Remote, Transport
from hostcollector.config.services import OvsSettings
from hostcollector.devices.switch import LocalSwitch
from hostcollector.sources.ovs import OpenVswitch
from hostcollector.sources.ovs.statistics import BASIC, COMMON, LEFT_OUT, samples
from tests.fakes.database import FakeDatabase, good_switch, numbers, texts, uuids
from tests.fakes.sysfs import Sysfs

ONE, TWO = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"

# Of a tap by ovs-vswitchd 3.1 (seen), of a vhost-user port by lib/netdev-dpdk.c and ovs-vswitchd.conf.db(5).
TAP = numbers(
    collisions=0,
    rx_bytes=1000,
    rx_crc_err=0,
    rx_dropped=1,
    rx_errors=2,
    rx_frame_err=0,
    rx_missed_errors=3,
    rx_multicast_packets=4,
    rx_over_err=0,
    rx_packets=10,
    tx_bytes=2000,
    tx_dropped=5,
    tx_errors=6,
    tx_packets=20,
)
VHOST_USER = numbers(
    rx_packets=10,
    rx_bytes=1000,
    rx_dropped=1,
    rx_errors=0,
    rx_1_to_64_packets=7,
    rx_1523_to_max_packets=3,
    tx_packets=20,
    tx_bytes=2000,
    tx_dropped=9,
    ovs_tx_retries=8,
    ovs_tx_failure_drops=5,
    ovs_tx_mtu_exceeded_drops=4,
    ovs_rx_qos_drops=1,
    rx_q0_good_packets=6,
    rx_q1_good_packets=4,
    tx_q0_good_packets=20,
    some_new_counter=1,
    rx_broken=-1,
)


def guest(uuid: str, *nics: Nic) -> Guest:
    """Return a guest with interfaces."""
    return Guest(domain=Domain(uuid=uuid, name=f"guest-{uuid[0]}", nics=nics))


def guests(*known: Guest) -> dict[str, Guest]:
    """Return guests by UUID."""
    return {one.domain.uuid: one for one in known}


def switch_rows(**interfaces: Mapping[str, Any]) -> dict[str, Any]:
    """Return a switch with one bridge and the interfaces, each on a port of its own name with VLAN 7."""
    return {
        "Open_vSwitch": {
            "root": {
                "ovs_version": "3.1.0",
                "external_ids": texts(system_id="chassis-1"),
                "other_config": texts(stats_update_interval="10000"),
            }
        },
        "Bridge": {"bridge": {"name": "br-int", "ports": uuids(*(f"port-{name}" for name in interfaces))}},
        "Port": {
            f"port-{name}": {"name": name, "tag": 7, "interfaces": ["uuid", name]} for name in interfaces
        },
        "Interface": {name: {"name": name, **columns} for name, columns in interfaces.items()},
    }


@contextmanager
def source(rows: dict[str, Any], directory: Path) -> Iterator[OpenVswitch]:
    """Give the source on a database with the rows."""
    with FakeDatabase(directory / "db.sock", good_switch(rows)) as server:
        made = OpenVswitch(LocalSwitch(OvsSettings(remote=server.remote)), directory)
        made.start()
        try:
            yield made
        finally:
            made.close()


def read(made: OpenVswitch, known: dict[str, Guest]) -> Reading:
    """Read once."""
    return made.read(Request(guests=known, deadline=0.0, taken_at=0.0))


def values(reading: Reading) -> dict[tuple[Metric, tuple[str, ...]], float | Histogram]:
    """Return the samples by metric and labels; each only once."""
    found = {(sample.metric, sample.labels): sample.value for sample in reading.samples}
    assert len(found) == len(reading.samples)
    return found


def test_a_taps_statistics_are_turned_round(tmp_path: Path) -> None:
    """What the switch received the guest transmitted; the common series stay with the netlink source."""
    rows = switch_rows(
        vnet0={
            "statistics": TAP,
            "external_ids": texts(iface_id="lp-1", attached_mac="52:54:00:AA:00:01", vm_uuid=ONE),
            "ofport": 3,
            "mtu": 1450,
            "link_state": "up",
            "admin_state": "down",
            "link_resets": 2,
            "status": ["map", [["driver_name", "tun"]]],
        }
    )
    with source(rows, tmp_path) as made:
        reading = read(made, guests(guest(ONE, Nic(type="bridge", target="vnet0", interface_id="lp-1"))))
    found = values(reading)
    port = ("vnet0",)
    assert (found[ovs.TRANSMIT_BYTES, port], found[ovs.RECEIVE_BYTES, port]) == (1000, 2000)
    assert (found[ovs.TRANSMIT_PACKETS, port], found[ovs.RECEIVE_PACKETS, port]) == (10, 20)
    assert (found[ovs.TRANSMIT_DROPS, port], found[ovs.RECEIVE_DROPS, port]) == (1, 5)
    assert (found[ovs.TRANSMIT_ERRORS, port], found[ovs.RECEIVE_ERRORS, port]) == (2, 6)
    assert found[ovs.TRANSMIT_MULTICAST, port] == 4
    assert found[ovs.TRANSMIT_ERRORS_BY_CAUSE, ("vnet0", "missed")] == 3
    assert (found[ovs.LINK_UP, port], found[ovs.ADMIN_UP, port], found[ovs.PORT_FAILED, port]) == (1, 0, 0)
    assert (found[ovs.MTU, port], found[ovs.LINK_RESETS, port]) == (1450, 2)
    described = ("vnet0", "br-int", "vnet0", "3", "system", "7", "lp-1", "52:54:00:aa:00:01", "tun")
    assert found[ovs.PORT_INFO, described] == 1
    assert not {metric for metric, _ in found} & set(COMMON.values())
    assert all(sample.uuid == ONE for sample in reading.samples if sample.metric.scope is Scope.DOMAIN)
    assert reading.notes == ()


def test_a_vfs_representor_is_its_guests_port(tmp_path: Path) -> None:
    """A VF on vfio-pci shows in the switch only as its representor, which has no guest's name."""
    sysfs = Sysfs(tmp_path)
    sysfs.pf("0000:3b:00.0", netdev="ens1", phys_port_name="p0", phys_switch_id="aa")
    sysfs.vf("0000:3b:00.0", 0, "0000:3b:00.2")
    sysfs.vf("0000:3b:00.0", 1, "0000:3b:00.3")
    for number in (0, 1):
        port = {"phys_port_name": f"pf0vf{number}", "phys_switch_id": "aa"}
        sysfs.netdev(f"ens1_{number}", 10 + number, "0000:3b:00.0", None, **port)
    rows = switch_rows(ens1_0={"statistics": TAP}, ens1_1={"statistics": TAP})
    with source(rows, tmp_path) as made:
        reading = read(made, guests(guest(ONE, Nic(type="hostdev", pci_address="0000:3b:00.3")), guest(TWO)))
    owned = {(sample.uuid, sample.labels[0]) for sample in reading.samples if sample.uuid}
    assert owned == {(ONE, "ens1_1")}
    assert values(reading)[ovs.TRANSMIT_BYTES, ("ens1_1",)] == 1000


def test_the_host_page_is_about_its_switch(tmp_path: Path) -> None:
    """Version, interval, ports, and those that an earlier guest left behind; no age before a change."""
    rows = switch_rows(
        vnet0={"external_ids": texts(vm_uuid=ONE)},
        left={"external_ids": texts(vm_id=TWO)},
        metadata={"external_ids": texts(iface_id="network-1")},
    )
    with source(rows, tmp_path) as made:
        found = values(read(made, guests(guest(ONE))))
    assert found[ovs.SWITCH_INFO, ("3.1.0", "", "chassis-1")] == 1
    assert found[ovs.STATISTICS_INTERVAL, ()] == 10
    assert (found[ovs.PORTS, ()], found[ovs.PORTS_UNCLAIMED, ()]) == (3, 1)
    assert (ovs.STATISTICS_AGE, ()) not in found


def test_a_vhost_user_port_has_the_common_series_too(tmp_path: Path) -> None:
    """No netdev, no tap: the switch alone knows the traffic, the queues and the reasons of drops."""
    rows = switch_rows(
        vhu1={
            "type": "dpdkvhostuserclient",
            "options": ["map", [["vhost-server-path", "/var/run/vhost//vhu1"]]],
            "statistics": VHOST_USER,
            "status": [
                "map",
                [["status", "connected"], ["mode", "client"], ["numa", "1"], ["num_of_vrings", "4"]],
            ],
        }
    )
    nic = Nic(type="vhostuser", source_socket="/var/run/vhost/vhu1")
    with source(rows, tmp_path) as made:
        found = values(read(made, guests(guest(ONE, nic), guest(TWO))))
    port = ("vhu1",)
    assert found[interface.TRANSMIT_PACKETS, port] == found[ovs.TRANSMIT_PACKETS, port] == 10
    assert found[interface.RECEIVE_BYTES, port] == found[ovs.RECEIVE_BYTES, port] == 2000
    assert (interface.RECEIVE_ERRORS, port) not in found  # tx_errors is not supported: absent
    assert found[ovs.TRANSMIT_SIZES, ("vhu1", "1_to_64")] == 7
    assert found[ovs.RECEIVE_DROPS_BY_CAUSE, ("vhu1", "failure")] == 5
    assert found[ovs.RECEIVE_DROPS_BY_CAUSE, ("vhu1", "mtu_exceeded")] == 4
    assert found[ovs.TRANSMIT_DROPS_BY_CAUSE, ("vhu1", "qos")] == 1
    assert found[ovs.RECEIVE_RETRIES, port] == 8
    assert found[ovs.TRANSMIT_QUEUE_PACKETS, ("vhu1", "1")] == 4
    assert found[ovs.RECEIVE_QUEUE_PACKETS, ("vhu1", "0")] == 20
    assert found[ovs.VHOST_USER_CONNECTED, port] == 1
    assert found[ovs.VHOST_USER_INFO, ("vhu1", "client", "/var/run/vhost/vhu1", "1", "4")] == 1


def test_a_port_that_could_not_be_set_up_is_explained(tmp_path: Path) -> None:
    """The switch's own error is a note, and the port is marked."""
    error = "could not open network device vnet0 (No such device)"
    rows = switch_rows(vnet0={"error": error, "external_ids": texts(vm_uuid=ONE), "ofport": -1})
    with source(rows, tmp_path) as made:
        reading = read(made, guests(guest(ONE)))
    assert values(reading)[ovs.PORT_FAILED, ("vnet0",)] == 1
    assert reading.notes == (f"the switch could not set up port 'vnet0': {error}",)


def test_a_machine_without_a_switch_is_no_failure(tmp_path: Path) -> None:
    """No socket: no series, and a note that says where it was looked for."""
    remote = Remote(Transport.UNIX, path=str(tmp_path / "db.sock"))
    made = OpenVswitch(LocalSwitch(OvsSettings(remote=remote)), tmp_path)
    made.start()
    reading = read(made, {})
    made.close()
    assert reading.samples == ()
    assert not reading.partial
    assert str(remote) in reading.notes[0]


BRIDGED = Nic(type="bridge", bridge="br-int", interface_id="lp-1", target="vnet0")
SOCKET = Nic(type="vhostuser", source_socket="/run/vhost//vhu1")


@pytest.mark.parametrize(
    ("nic", "port", "missing"),
    [
        (BRIDGED, {"vnet0": {}}, 0),
        (BRIDGED, {"vnet9": {"external_ids": texts(iface_id="lp-1")}}, 0),
        (BRIDGED, {"vnet9": {}}, 1),
        (
            SOCKET,
            {"vhu1": {"type": "dpdkvhostuserclient", "options": texts(vhost_server_path="/run/vhost/vhu1")}},
            0,
        ),
        (
            SOCKET,
            {"vhu2": {"type": "dpdkvhostuserclient", "options": texts(vhost_server_path="/run/vhost/vhu2")}},
            1,
        ),
        (SOCKET, {"vnet9": {}}, 0),
        (Nic(type="direct", target="macvtap0", interface_id="lp-1"), {"vnet9": {}}, 0),
        (Nic(type="hostdev", pci_address="0000:3b:00.2", interface_id="lp-1"), {"vnet9": {}}, 0),
        (Nic(type="bridge", bridge="virbr0", target="vnet0"), {"vnet9": {}}, 0),
    ],
)
def test_an_interface_that_is_on_no_port_is_missed_and_named(
    nic: Nic, port: dict[str, dict[str, Any]], missing: int, tmp_path: Path
) -> None:
    """What the definition puts on the switch is looked for there; other kinds of interfaces are not."""
    with source(switch_rows(**port), tmp_path) as made:
        reading = read(made, guests(guest(ONE, nic)))
    assert (reading.missing, reading.partial) == (missing, bool(missing))
    name = nic.target or nic.source_socket
    expected = (f"switch port not found: {name} of guest 'guest-1'",) if missing else ()
    assert reading.notes == expected


def test_ports_are_missed_where_there_is_no_switch(tmp_path: Path) -> None:
    """A switch that was removed under its guests is not a machine that never had one."""
    remote = Remote(Transport.UNIX, path=str(tmp_path / "db.sock"))
    made = OpenVswitch(LocalSwitch(OvsSettings(remote=remote)), tmp_path)
    made.start()
    reading = read(made, guests(guest(ONE, BRIDGED)))
    made.close()
    assert (reading.missing, reading.partial) == (1, True)


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ["set", ["a", "b"]]},
        {"name": "vnet1", "statistics": ["map", [["rx_packets"]]]},
        {"name": "vnet1", "statistics": "none"},
        {"name": "vnet1", "external_ids": ["map", {"vm-uuid": ONE}]},
        {"name": {}},
        {"name": "vnet1", "ofport": ["set", 7]},
        {"name": "vnet1", "options": None},
    ],
)
def test_a_row_that_cannot_be_read_costs_itself(bad: dict[str, Any], tmp_path: Path) -> None:
    """The other ports have their series, and the row is named with the reason."""
    rows = switch_rows(vnet0={"external_ids": texts(vm_uuid=ONE), "statistics": TAP})
    rows["Interface"]["bad"] = bad
    with source(rows, tmp_path) as made:
        reading = read(made, guests(guest(ONE)))
    assert values(reading)[ovs.RECEIVE_BYTES, ("vnet0",)] == 2000
    assert (reading.missing, reading.partial) == (1, True)
    assert reading.notes[0].startswith("Interface bad cannot be read: ")


def test_a_switch_that_cannot_be_followed_is_a_failure(tmp_path: Path) -> None:
    """A database that answers nonsense gives an error, not an empty page."""
    with FakeDatabase(tmp_path / "db.sock", lambda connection: connection.send(b"nonsense")) as server:
        made = OpenVswitch(LocalSwitch(OvsSettings(remote=server.remote)), tmp_path)
        made.start()
        with pytest.raises(SourceError, match=r"db\.sock"):
            read(made, {})
        made.close()


def test_a_contradiction_is_noted(tmp_path: Path) -> None:
    """The operator learns which port an earlier guest left behind."""
    rows = switch_rows(vnet0={"external_ids": texts(vm_uuid=ONE), "statistics": TAP})
    with source(rows, tmp_path) as made:
        reading = read(made, guests(guest(ONE), guest(TWO, Nic(type="bridge", target="vnet0"))))
    assert not any(sample.uuid for sample in reading.samples)
    assert "port 'vnet0' is left out" in reading.notes[0]


def test_every_documented_statistic_is_shown_or_left_out_for_a_reason() -> None:
    """Nothing that the switch documents for a tap or a vhost-user port is passed over in silence."""
    for name, _ in [*TAP[1], *VHOST_USER[1][:-2]]:
        shown = list(samples({name: 1}, "p", ONE))
        assert bool(shown) != (name in LEFT_OUT), name


def test_directions_are_opposite_throughout() -> None:
    """Each tx statistic of the switch is a receive row, each rx statistic a transmit row."""
    names = [name for name, _ in [*TAP[1], *VHOST_USER[1]]]
    for name in names:
        for sample in samples({name: 1}, "p", ONE):
            assert ("_receive_" in sample.metric.name) == name.removeprefix("ovs_").startswith("tx_"), name
    assert {key: row.name.rpartition("_ovs_")[2] for key, row in BASIC.items()} == {
        key: row.name.rpartition("_stats_")[2] for key, row in COMMON.items()
    }
