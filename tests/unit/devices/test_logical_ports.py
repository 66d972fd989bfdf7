"""This host's logical ports: asked for step by step, joined with guests, and the tenant that they give."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.model import UNASSIGNED, Guest, Tenant
from hostcollector.base.source import Request
from hostcollector.catalogue import ovs
from hostcollector.config.address import Remote, Transport
from hostcollector.config.services import OvnSettings, OvsSettings
from hostcollector.devices.logical_ports import OvnPorts
from hostcollector.devices.switch import LocalSwitch
from hostcollector.guests.tenancy import Tenancy, from_ovn
from hostcollector.sources.ovn import Ovn
from tests.fakes.database import FakeDatabase, good_switch, texts, uuids
from tests.fakes.southbound import Cloud
from tests.lab.process import until

PORT = {
    "logical_port": "lp-1",
    "mac": ["set", ["FA:16:3E:00:00:01 10.0.0.1"]],
    "up": True,
    "datapath": ["uuid", "net"],
    "chassis": ["uuid", "ch"],
    "external_ids": ["map", [["neutron:project_id", "p-1"]]],
}
SWITCH: dict[str, Any] = {
    "Open_vSwitch": {"root": {"external_ids": texts(system_id="chassis-1", ovn_remote="ssl:192.0.2.1:6642")}},
    "Interface": {"i2": {"name": "vhu2", "external_ids": texts(iface_id="lp-2", vm_uuid="two")}},
}


@contextmanager
def following(
    cloud: Cloud, directory: Path, switch_rows: dict[str, Any] = SWITCH
) -> Iterator[tuple[OvnPorts, LocalSwitch]]:
    """Give the ports of this host, followed, and its switch."""
    with (
        FakeDatabase(directory / "ovs.sock", good_switch(switch_rows)) as local,
        FakeDatabase(directory / "ovn.sock", cloud.behave) as central,
    ):
        switch = LocalSwitch(OvsSettings(remote=local.remote))
        ports = OvnPorts(OvnSettings(remote=(central.remote,)), switch)
        ports.start()
        try:
            yield ports, switch
        finally:
            ports.close()


def test_only_what_concerns_this_chassis_is_asked_for(tmp_path: Path) -> None:
    """First the chassis by its name, then its ports, then their networks; older databases lack a column."""
    cloud = Cloud(PORT)
    with following(cloud, tmp_path) as (ports, _):
        (port,) = ports.current().values()
    assert (port.name, port.mac, port.up, port.bound) == ("lp-1", "fa:16:3e:00:00:01", True, True)
    assert (port.network, port.network_id, port.vni, port.project_id) == ("red", "n1", 41, "p-1")
    chassis = ["set", [["uuid", "ch"]]]
    clauses = [["chassis", "includes", chassis], ["requested_chassis", "includes", chassis]]
    assert cloud.asked == [
        {"Port_Binding": [{"where": clauses}]},
        {"Datapath_Binding": [{"where": [["_uuid", "==", ["uuid", "net"]]]}]},
    ]


@pytest.mark.parametrize(
    ("addresses", "mac"),
    [
        (["FA:16:3E:00:00:01 10.0.0.1"], "fa:16:3e:00:00:01"),
        (["fa:16:3e:00:00:01"], "fa:16:3e:00:00:01"),
        (["unknown", "fa:16:3e:00:00:01 10.0.0.1"], "fa:16:3e:00:00:01"),
        (["fa:16:3e:00:00:02 10.0.0.2", "fa:16:3e:00:00:01 dynamic"], "fa:16:3e:00:00:01"),
        (["fa:16:3e:00:00:01 10.0.0.1 fd00::1"], "fa:16:3e:00:00:01"),
        (["unknown"], ""),
        (["router"], ""),
        (["dynamic"], ""),
        (["dynamic 10.0.0.7"], ""),
        (["unknown dynamic"], ""),
        (["10.0.0.1"], ""),
        (["fa:16:3e:00:00"], ""),
        (["fa:16:3e:00:00:01:02"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_what_is_in_place_of_an_address_is_none(tmp_path: Path, addresses: list[str], mac: str) -> None:
    """Ports without port security are unknown, and those of routers and dynamic ones have words too."""
    with following(Cloud({**PORT, "mac": ["set", addresses]}), tmp_path) as (ports, _):
        (port,) = ports.current().values()
    assert port.mac == mac


def test_a_guests_port_is_on_the_page(tmp_path: Path) -> None:
    """Joined by the definition's port or by what was plugged; other ports are counted only."""
    second = {**PORT, "logical_port": "lp-2", "chassis": ["set", []], "up": False}
    cloud = Cloud(PORT, second, {**PORT, "logical_port": "router"})
    nic = Nic(type="bridge", target="vnet0", interface_id="lp-1")
    guests = {
        "one": Guest(domain=Domain(uuid="one", name="one", nics=(nic,))),
        "two": Guest(domain=Domain(uuid="two", name="two")),
    }
    with following(cloud, tmp_path) as (ports, switch):
        reading = Ovn(ports, switch).read(Request(guests=guests, deadline=0.0, taken_at=0.0))
    found = {(sample.metric, sample.labels, sample.uuid): sample.value for sample in reading.samples}
    described = ("lp-1", "vnet0", "fa:16:3e:00:00:01", "", "red", "n1", "41", "p-1")
    assert found[ovs.OVN_PORT_INFO, described, "one"] == 1
    assert (found[ovs.OVN_PORT_UP, ("lp-1",), "one"], found[ovs.OVN_PORT_BOUND, ("lp-1",), "one"]) == (1, 1)
    assert (found[ovs.OVN_PORT_UP, ("lp-2",), "two"], found[ovs.OVN_PORT_BOUND, ("lp-2",), "two"]) == (0, 0)
    assert found[ovs.OVN_PORTS, (), ""] == 3
    assert {uuid for _, _, uuid in found} == {"", "one", "two"}


def test_a_logical_port_that_is_not_there_is_missed_and_named(tmp_path: Path) -> None:
    """OVN has ports for what is on its bridge; the ids of ports on other bridges are none of its own."""
    switch_rows = {
        **SWITCH,
        "Bridge": {"b": {"name": "br-provider", "ports": uuids("p")}},
        "Port": {"p": {"name": "vnet3", "interfaces": uuids("i")}},
        "Interface": {"i": {"name": "vnet3", "external_ids": texts(iface_id="lp-elsewhere")}},
    }
    nics = tuple(Nic(type="bridge", interface_id=name) for name in ("lp-1", "lp-7", "lp-elsewhere"))
    guests = {"one": Guest(domain=Domain(uuid="one", name="one", nics=nics))}
    with following(Cloud(PORT), tmp_path, switch_rows) as (ports, switch):
        reading = Ovn(ports, switch).read(Request(guests=guests, deadline=0.0, taken_at=0.0))
    assert (reading.missing, reading.partial) == (1, True)
    assert reading.notes == ("logical port not found: lp-7 of guest 'one'",)


def test_a_logical_port_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    """The guest's other port is shown, and the row is named."""
    bad = {**PORT, "logical_port": "lp-2", "external_ids": ["map", "none"]}
    nic = Nic(type="bridge", interface_id="lp-1")
    guests = {"one": Guest(domain=Domain(uuid="one", name="one", nics=(nic,)))}
    with following(Cloud(PORT, bad), tmp_path) as (ports, switch):
        reading = Ovn(ports, switch).read(Request(guests=guests, deadline=0.0, taken_at=0.0))
    assert any(sample.metric is ovs.OVN_PORT_INFO for sample in reading.samples)
    assert (reading.missing, reading.partial) == (1, True)
    assert reading.notes[0].startswith("Port_Binding ")


@pytest.mark.parametrize(
    ("project", "tenant"),
    [
        ("p-1", Tenant(id="p-1", resolver="ovn")),
        ("", UNASSIGNED),
        ("two\nlines", UNASSIGNED),
        ("x" * 300, UNASSIGNED),
    ],
)
def test_the_ports_project_is_the_tenant(project: str, tenant: Tenant, tmp_path: Path) -> None:
    """Where it can be one; a project that cannot be a label is none."""
    ids = ["map", [["neutron:project_id", project]]]
    nic = Nic(type="bridge", interface_id="lp-1")
    domain = Domain(uuid="one", name="one", nics=(nic,))
    with following(Cloud({**PORT, "external_ids": ids}), tmp_path) as (ports, _):
        assert ports.current() != {}
        guests = Tenancy([from_ovn(ports.projects)], ports).guests({"one": domain})
    assert guests["one"].tenant == tenant


def test_ports_of_two_projects_are_unassigned(tmp_path: Path) -> None:
    """A guest with ports of two projects belongs to neither: one of the two would see the other's guest."""
    other = {**PORT, "logical_port": "lp-2", "external_ids": ["map", [["neutron:project_id", "p-2"]]]}
    nics = (Nic(type="bridge", interface_id="lp-1"), Nic(type="bridge", interface_id="lp-2"))
    with following(Cloud(PORT, other), tmp_path) as (ports, _):
        assert len(ports.current()) == 2
        assert from_ovn(ports.projects)(Domain(uuid="one", name="one", nics=nics)) is None
        assert from_ovn(ports.projects)(Domain(uuid="one", name="one", nics=nics[:1])) is not None


def test_a_project_that_comes_later_is_noticed(tmp_path: Path) -> None:
    """A guest without a tenant gets its project when OVN reports it, with the same definition."""
    cloud = Cloud(PORT)
    cloud.gate.clear()
    domains = {"one": Domain(uuid="one", name="one", nics=(Nic(type="bridge", interface_id="lp-1"),))}
    with following(cloud, tmp_path) as (ports, _):
        tenancy = Tenancy([from_ovn(ports.projects)], ports)
        assert tenancy.guests(domains)["one"].tenant is UNASSIGNED
        cloud.gate.set()
        until(lambda: tenancy.guests(domains)["one"].tenant.id == "p-1", 10, "the tenant")
        assert tenancy.guests(domains)["one"] is tenancy.guests(domains)["one"]


def test_a_host_without_a_switch_has_the_switchs_reason(tmp_path: Path) -> None:
    """Without a local switch the chassis is unknown."""
    nowhere = Remote(Transport.UNIX, path=str(tmp_path / "none.sock"))
    switch = LocalSwitch(OvsSettings(remote=nowhere))
    ports = OvnPorts(OvnSettings(remote=(nowhere,)), switch)
    ports.start()
    with pytest.raises(SourceUnavailableError, match=r"none\.sock"):
        ports.current()
    ports.close()


def test_without_configuration_nothing_is_asked(tmp_path: Path) -> None:
    """A chassis of OVN gets the hint which setting would show its ports; other hosts get nothing."""
    with FakeDatabase(tmp_path / "ovs.sock", good_switch(SWITCH)) as local:
        switch = LocalSwitch(OvsSettings(remote=local.remote))
        switch.start()
        reading = Ovn(None, switch).read(Request(guests={}, deadline=0.0, taken_at=0.0))
        switch.close()
    assert (reading.samples, reading.off) == ((), "ovn.remote is not set")
    assert reading.notes == (
        "this host is a chassis of OVN at ssl:192.0.2.1:6642: set ovn.remote to see its logical ports",
    )
    nowhere = LocalSwitch(OvsSettings(remote=Remote(Transport.UNIX, path=str(tmp_path / "none.sock"))))
    assert Ovn(None, nowhere).read(Request(guests={}, deadline=0.0, taken_at=0.0)).notes == ()
