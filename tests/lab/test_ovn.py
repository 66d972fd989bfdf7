"""OVN's southbound database: this host's ports and no others, the tenant by the port's project."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.errors import SourceError, SourceUnavailableError
from hostcollector.base.model import Tenant
from hostcollector.config.services import OvnSettings, OvsSettings
from hostcollector.devices.logical_ports import OvnPorts
from hostcollector.devices.switch import LocalSwitch
from hostcollector.guests.tenancy import Tenancy, from_ovn
from tests.lab.fixtures import Boot
from tests.lab.guest import Guest
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import until
from tests.lab.served import serving
from tests.lab.southbound import Southbound, bind, northd
from tests.lab.switch import OVN_SB_SCHEMA, VSWITCH_SCHEMA, DatabaseServer

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

NETWORK_UUID = "0e5c8c1e-0000-4000-8000-000000000001"


@pytest.fixture
def local(tmp_path: Path) -> Iterator[DatabaseServer]:
    """Give the database of a switch that is chassis-1."""
    with DatabaseServer(tmp_path / "ovs", VSWITCH_SCHEMA) as server:
        server.vsctl("init")
        server.vsctl("set", "open", ".", "external_ids:system-id=chassis-1")
        server.vsctl("add-br", "br-int")
        yield server


@pytest.fixture
def central(tmp_path: Path) -> Iterator[DatabaseServer]:
    """Give an empty southbound database."""
    with DatabaseServer(tmp_path / "ovn", OVN_SB_SCHEMA) as server:
        yield server


@pytest.fixture
def ports(local: DatabaseServer, central: DatabaseServer) -> Iterator[OvnPorts]:
    """Give the ports of chassis-1, not yet followed."""
    switch = LocalSwitch(OvsSettings(remote=local.remote))
    made = OvnPorts(OvnSettings(remote=(central.remote,)), switch)
    yield made
    made.close()


def failure(read: Callable[[], object]) -> SourceError | None:
    """Return why something cannot be read; None while it can."""
    try:
        read()
    except SourceError as error:
        return error
    return None


def test_only_this_hosts_ports_are_copied(central: DatabaseServer, ports: OvnPorts) -> None:
    """Of two chassis and two networks only what concerns this one crosses the wire; it is followed."""
    cloud = Southbound(central)
    here, there = cloud.chassis("chassis-1"), cloud.chassis("chassis-22")
    red, blue = cloud.network(41, NETWORK_UUID, "red"), cloud.network(42, NETWORK_UUID[:-1] + "2", "blue")
    cloud.port("lp-1", red, 1, chassis=here, project="p-1", up=True)
    cloud.port("lp-2", blue, 2, chassis=there, project="p-2", up=True)
    ports.start()
    (port,) = ports.current().values()
    assert (port.name, port.mac, port.up, port.bound) == ("lp-1", "fa:16:3e:00:00:01", True, True)
    assert (port.project_id, port.network, port.network_id, port.vni) == ("p-1", "red", NETWORK_UUID, 41)
    assert {len(ports._client.replica().rows(table)) for table in ports._client.replica().tables} == {1}

    cloud.change_port("lp-1", up=False)
    until(lambda: ports.current()["lp-1"].up is False, 10, "the port's fall")
    cloud.port("lp-3", blue, 3, chassis=here, project="p-3")
    until(lambda: "lp-3" in ports.current(), 10, "the new port")
    assert (ports.current()["lp-3"].network, ports.current()["lp-3"].up) == ("blue", None)
    cloud.change_port("lp-1", chassis=["uuid", there])
    until(lambda: "lp-1" not in ports.current(), 10, "the migration")


def test_what_neutron_writes_arrives(central: DatabaseServer, ports: OvnPorts, tmp_path: Path) -> None:
    """What Neutron writes to the north, ovn-northd brings to the south under the names that we read."""
    network = f"neutron-{NETWORK_UUID}"
    ids = 'external_ids:"neutron:network_name"=red', 'external_ids:"neutron:project_id"=p-1'
    with northd(tmp_path / "north", central) as north:
        tool = ("ovn-nbctl", f"--db={north.remote}", "--timeout=10")
        north.tool(*tool, "ls-add", network, "--", "set", "logical_switch", network, ids[0])
        named = ("--", "set", "logical_switch_port", "lp-1", ids[1])
        addressed = ("--", "lsp-set-addresses", "lp-1", "fa:16:3e:00:00:01 10.0.0.1")
        north.tool(*tool, "lsp-add", network, "lp-1", *addressed, *named)
        central.tool("ovn-sbctl", f"--db={central.remote}", "chassis-add", "chassis-1", "geneve", "192.0.2.1")
        bind(central, "lp-1", "chassis-1")
        ports.start()
        port = ports.current()["lp-1"]
    assert (port.project_id, port.network, port.network_id) == ("p-1", "red", NETWORK_UUID)
    assert (port.mac, port.up, port.bound) == ("fa:16:3e:00:00:01", True, True)
    assert port.vni is not None


def test_a_port_that_is_only_wanted_here_is_not_bound(central: DatabaseServer, ports: OvnPorts) -> None:
    """While a guest migrates to this host its port is known, and bound elsewhere."""
    cloud = Southbound(central)
    here, there = cloud.chassis("chassis-1"), cloud.chassis("chassis-22")
    cloud.port("lp-1", cloud.network(41, NETWORK_UUID, "red"), 1, chassis=there, project="p-1", up=True)
    cloud.change_port("lp-1", requested_chassis=["uuid", here])
    ports.start()
    assert ports.current()["lp-1"].bound is False


def test_the_project_is_the_tenant_also_without_the_database(
    central: DatabaseServer, local: DatabaseServer, ports: OvnPorts
) -> None:
    """By the definition's port or by what was plugged; a killed database takes the ports, not the tenants."""
    cloud = Southbound(central)
    here = cloud.chassis("chassis-1")
    red = cloud.network(41, NETWORK_UUID, "red")
    cloud.port("lp-1", red, 1, chassis=here, project="p-1")
    cloud.port("lp-2", red, 2, chassis=here, project="p-2")
    tap = ("set", "interface", "vhu2", "external_ids:iface-id=lp-2", "external_ids:vm-uuid=two")
    local.vsctl("add-port", "br-int", "vhu2", "--", *tap)
    one = Domain(uuid="one", name="one", nics=(Nic(type="bridge", interface_id="lp-1"),))
    two = Domain(uuid="two", name="two", nics=(Nic(type="vhostuser"),))
    both = Domain(uuid="three", name="three", nics=(*one.nics, Nic(type="bridge", interface_id="lp-2")))
    domains = {domain.uuid: domain for domain in (one, two, both)}
    tenancy = Tenancy([from_ovn(ports.projects)], ports)

    def tenants() -> list[Tenant]:
        return [guest.tenant for guest in tenancy.guests(domains).values()]

    ports.start()
    known = [Tenant(id="p-1", resolver="ovn"), Tenant(id="p-2", resolver="ovn"), Tenant()]
    until(lambda: tenants() == known, 10, "the tenants")
    central.kill()
    until(lambda: failure(ports.current) is not None, 10, "the end of the database")
    assert tenants() == known
    assert ports.changed() is False
    central.start()
    until(lambda: failure(ports.current) is None, 20, "the return")
    cloud.change_port("lp-1", external_ids=["map", [["neutron:project_id", "p-9"]]])
    until(lambda: tenants()[0].id == "p-9", 10, "another project")


def test_a_host_that_is_no_chassis_is_explained(
    central: DatabaseServer, local: DatabaseServer, ports: OvnPorts
) -> None:
    """Without a system-id, and with one that OVN does not know, the reason is said; then it works."""
    local.vsctl("remove", "open", ".", "external_ids", "system-id")
    ports.start()
    with pytest.raises(SourceUnavailableError, match="has no system-id"):
        ports.current()
    local.vsctl("set", "open", ".", "external_ids:system-id=chassis-1")
    until(lambda: "knows no chassis 'chassis-1'" in str(failure(ports.current)), 10, "the unknown chassis")
    Southbound(central).chassis("chassis-1")
    until(lambda: failure(ports.current) is None, 10, "the chassis")
    assert ports.current() == {}


def test_hanging_databases_cost_only_their_own_series(
    hypervisor: PrivateHypervisor, local: DatabaseServer, central: DatabaseServer, boot: Boot, tmp_path: Path
) -> None:
    """With both servers stopped every other source answers as before, and nothing old is shown."""
    guest = boot(Guest.idle("ovn-hang"))
    uuid, (tap,) = guest.guest.uuid, guest.taps()
    ids = ("set", "interface", tap, "external_ids:iface-id=lp-1", f"external_ids:vm-uuid={uuid}")
    local.vsctl("add-port", "br-int", tap, "--", *ids, "statistics:rx_packets=3")
    config = tmp_path / "config.yml"
    config.write_text(
        f"ovs: {{remote: '{local.remote}', maximum_age_seconds: 1}}\n"
        f"ovn: {{remote: '{central.remote}', maximum_age_seconds: 1}}\n"
    )
    Southbound(central).chassis("chassis-1")
    with serving(hypervisor.uri_readonly, tmp_path, f"--config.file={config}") as served:
        up = "hostcollector_source_up"
        before = served.page_where(lambda page: page.one(up, source="ovn") == 1, "the source of OVN")
        assert before.one("libvirt_domain_ovs_transmit_packets_total", uuid=uuid) == 3
        local.stop()
        central.stop()
        during = served.page_where(
            lambda page: page.one(up, source="ovs") == page.one(up, source="ovn") == 0, "the end of both", 10
        )
        local.cont()
        central.cont()
        until(lambda: served.page().one(up, source="ovs") == 1, 20, "the return of the switch")
    own = {name for name in before.names(uuid=uuid) if name.startswith("libvirt_domain_ovs_")}
    assert before.names(uuid=uuid) - during.names(uuid=uuid) == own
    failed = {dict(labels)["source"] for labels, value in during.all(up).items() if value == 0}
    assert failed - {dict(labels)["source"] for labels, value in before.all(up).items() if value == 0} == {
        "ovs",
        "ovn",
    }


def test_the_page_of_a_chassis(
    hypervisor: PrivateHypervisor, local: DatabaseServer, central: DatabaseServer, boot: Boot, tmp_path: Path
) -> None:
    """The port's project is the tenant on all of the guest's series; OVN's end takes OVN's series only."""
    guest = boot(Guest.idle("ovn-guest"))
    uuid, (tap,) = guest.guest.uuid, guest.taps()
    ids = ("set", "interface", tap, "external_ids:iface-id=lp-1", f"external_ids:vm-uuid={uuid}")
    local.vsctl("add-port", "br-int", tap, "--", *ids, "statistics:rx_packets=3")
    cloud = Southbound(central)
    red = cloud.network(41, NETWORK_UUID, "red")
    cloud.port("lp-1", red, 1, chassis=cloud.chassis("chassis-1"), project="p-1", up=True)
    config = tmp_path / "config.yml"
    config.write_text(f"ovs:\n  remote: {local.remote}\novn:\n  remote: {central.remote}\n")
    with serving(hypervisor.uri_readonly, tmp_path, f"--config.file={config}") as served:
        page = served.page_where(
            lambda page: bool(page.all("libvirt_domain_ovn_port_up", tenant="p-1")), "the port of the project"
        )
        assert page.one("libvirt_domain_ovn_port_up", uuid=uuid, tenant="p-1", logical_port="lp-1") == 1
        assert page.one("libvirt_domain_ovs_transmit_packets_total", uuid=uuid, tenant="p-1") == 3
        assert page.one("libvirt_domain_tenant_info", uuid=uuid, resolver="ovn") == 1
        info = {"network": "red", "network_id": NETWORK_UUID, "vni": "41", "project_id": "p-1"}
        assert page.one("libvirt_domain_ovn_port_info", uuid=uuid, **info) == 1
        assert page.names(uuid=uuid, tenant="") == set()
        central.kill()
        page = served.page_where(
            lambda page: page.one("hostcollector_source_up", source="ovn") == 0, "the end of OVN", 10
        )
        assert page.names(uuid=uuid, tenant="") == set()
        assert page.one("libvirt_domain_ovs_transmit_packets_total", uuid=uuid, tenant="p-1") == 3
        assert not any(name.startswith("libvirt_domain_ovn_") for name in page.names(uuid=uuid))
