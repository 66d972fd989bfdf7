"""A host whose guests' network is all hardware, read by the real sources.

- An Ethernet card with three VFs: two have guests, one is free; one VF breaks a rule of isolation.
- An Ethernet card in switchdev mode with a VF of a guest, whose representor counts RDMA apart.
- Two more cards in a bond, one of them without a carrier.
- An InfiniBand card with two VFs, whose partitions UFM reports.
- An Open vSwitch with a vhost-user port for each guest; one port's link is down.
- OVN's southbound database with the ports' networks, and NDFC with the VLANs' networks.

sysfs is a tree, kernel messages are crafted, the databases and services run in threads.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest, Snapshot, Tenant
from hostcollector.base.source import Source
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector, Guests
from hostcollector.config.services import NdfcSettings, OvnSettings, OvsSettings, UfmSettings
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.logical_ports import OvnPorts
from hostcollector.devices.partitions import Partitions
from hostcollector.devices.switch import LocalSwitch
from hostcollector.protocols.ndfc.client import NdfcClient
from hostcollector.protocols.netlink.messages import BondMember
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.protocols.ufm import UfmClient
from hostcollector.sources.host import Host
from hostcollector.sources.infiniband import Infiniband
from hostcollector.sources.ndfc import Ndfc
from hostcollector.sources.ovn import Ovn
from hostcollector.sources.ovs import OpenVswitch
from hostcollector.sources.sriov import Sriov
from hostcollector.sources.ufm import Ufm
from hostcollector.sources.uplinks import Uplinks
from tests.fakes.authority import Authority
from tests.fakes.database import FakeDatabase, good_switch, numbers, texts, uuids
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import ETHERNET, INFINIBAND, Vf, link_message
from tests.fakes.ndfc import FakeNdfc
from tests.fakes.rest import USER, keep_password
from tests.fakes.southbound import Cloud
from tests.fakes.sysfs import INFINIBAND_CLASS, Sysfs
from tests.fakes.ufm import FIRST, SECOND, FakeUfm
from tests.fakes.uplinks import Kernel, links, state
from tests.places import HYBRID

PF, VFS, FREE = "0000:3b:00.0", ("0000:3b:00.2", "0000:3b:00.3"), "0000:3b:00.4"
IB_PF, IB_VFS = "0000:5e:00.0", ("0000:5e:00.1", "0000:5e:00.2")
SWITCHDEV_PF, SWITCHDEV_VF, REPRESENTOR = "0000:af:00.0", "0000:af:00.2", "ens5_0"
BONDED = {"ens2": (11, "0000:86:00.0"), "ens3": (12, "0000:86:00.1")}
VLANS = (2301, 2302)
"""Networks of the fabric that `FakeNdfc` describes."""
HOST = HYBRID
BUDGET = 20.0


def _guest(number: int, name: str, tenant: str) -> Guest:
    """Return a guest with an Ethernet VF, an InfiniBand VF and a vhost-user port; the first one has RDMA."""
    nics: tuple[Nic, ...] = (
        Nic(
            type="hostdev",
            mac=f"52:54:00:00:00:0{number}",
            pci_address=VFS[number - 1],
            address="0000:07:00.0",
            vlans=(VLANS[number - 1],),
        ),
        Nic(type="hostdev", pci_address=IB_VFS[number - 1], address="0000:08:00.0"),
        Nic(type="vhostuser", mac=f"52:54:00:00:01:0{number}", interface_id=f"port-{number}"),
    )
    if number == 1:
        mac = "52:54:00:00:02:01"
        nics = (*nics, Nic(type="hostdev", mac=mac, pci_address=SWITCHDEV_VF, address="0000:09:00.0"))
    uuid = f"{number:08d}-eeee-4fff-8aaa-bbbbbbbbbbbb"
    return Guest(
        domain=Domain(uuid=uuid, name=name, id=number, nics=nics, vcpus=4, vcpus_maximum=4),
        tenant=Tenant(id=tenant, name=tenant.title(), resolver="metadata"),
    )


GUESTS = {guest.domain.uuid: guest for guest in (_guest(1, "edge", "acme"), _guest(2, "router", "globex"))}


class NetworkHost:
    """The host. `work` moves data between two collections."""

    def __init__(self, collector: Collector, kernel: LinkKernel, ports: Path, rdma: dict[str, int]) -> None:
        self._collector, self._kernel, self._ports, self._rdma = collector, kernel, ports, rdma
        self._rounds = 0
        self.work()

    def settle(self) -> None:
        """Wait for the first answers of OVN, NDFC and UFM."""
        self._collector.settle(BUDGET)

    def snapshot(self) -> Snapshot:
        """Make one collection."""
        return self._collector.snapshot(BUDGET).result()

    def work(self) -> None:
        """Let every VF and port carry some more data, and drop a little."""
        self._rounds += 1
        bytes_so_far = 6_000_000 * self._rounds
        ethernet = [
            Vf(
                number=number,
                mac=bytes((0x52, 0x54, 0, 0, 0, number + 1)),
                vlan=VLANS[0] + number,
                max_rate=100,
                spoof_check=0 if number == 1 else 1,
                counters=_counters(bytes_so_far),
            )
            for number in range(3)
        ]
        infiniband = [
            Vf(number=number, guids=(int(guid, 16), int(guid, 16)), counters=_counters(bytes_so_far))
            for number, guid in enumerate((FIRST, SECOND))
        ]
        switched = [Vf(number=0, mac=bytes((0x52, 0x54, 0, 0, 2, 1)), counters=_counters(bytes_so_far))]
        self._kernel.links[4] = lambda question: _answer(question, 4, ETHERNET, switched)
        for way, unit in product(("rx", "tx"), ("bytes", "packets")):
            self._rdma[f"{way}_vport_rdma_unicast_{unit}"] = bytes_so_far // (2 if unit == "bytes" else 4096)
        self._kernel.links[2] = lambda question: _answer(question, 2, ETHERNET, ethernet)
        self._kernel.links[3] = lambda question: _answer(question, 3, INFINIBAND, infiniband)
        for name in ("port_rcv_data", "port_xmit_data", "symbol_error", "link_downed"):
            _write(self._ports / "counters" / name, str(bytes_so_far // (4 if "data" in name else 1_000_000)))
        for name in ("out_of_buffer", "out_of_sequence"):
            _write(self._ports / "hw_counters" / name, str(self._rounds))


@contextmanager
def network_host(directory: Path) -> Iterator[NetworkHost]:
    """Build the host in an empty directory, and take it down."""
    root = directory / "root"
    _cards(root)
    with ExitStack() as stack:
        kernel = stack.enter_context(LinkKernel({}))
        rdma: dict[str, int] = {}
        collector = Collector(
            _sources(stack, directory, root, kernel, rdma),
            Assembler(),
            Guests(lambda: GUESTS),
            maximum_age=0.0,
        )
        collector.start()
        stack.callback(collector.close)
        yield NetworkHost(collector, kernel, _infiniband_port(root), rdma)


def _cards(root: Path) -> None:
    sysfs = Sysfs(root)
    sysfs.pf(PF, netdev="ens1", driver="mlx5_core", ib_device="mlx5_0")
    for number, address in enumerate((*VFS, FREE)):
        sysfs.vf(PF, number, address)
    sysfs.pf(IB_PF, netdev="ib0", index=3, pci_class=INFINIBAND_CLASS, ib_device="mlx5_1")
    for number, address in enumerate(IB_VFS):
        sysfs.vf(IB_PF, number, address)
    switch = {"phys_switch_id": "aa"}
    sysfs.pf(SWITCHDEV_PF, netdev="ens5", index=4, driver="mlx5_core", phys_port_name="p0", **switch)
    sysfs.vf(SWITCHDEV_PF, 0, SWITCHDEV_VF)
    sysfs.netdev(REPRESENTOR, 5, SWITCHDEV_PF, None, phys_port_name="pf0vf0", **switch)
    for name, (index, address) in BONDED.items():
        sysfs.function(address, "ice")
        sysfs.netdev(name, index, address, None, speed="25000", duplex="full")


def _links() -> Kernel:
    up, down = (BondMember(up=works, active=works, failures=int(not works)) for works in (True, False))
    return Kernel(
        dict(
            links(
                state(2, "ens1"),
                state(3, "ib0", "ipoib"),
                state(4, "ens5"),
                state(10, "bond0", "bond"),
                state(11, "ens2", master=10)._replace(member=up),
                state(12, "ens3", master=10)._replace(member=down, carrier=False, downs=2),
            )
        )
    )


def _sources(
    stack: ExitStack, directory: Path, root: Path, kernel: LinkKernel, rdma: Mapping[str, int]
) -> list[Source]:
    """Return the sources, over databases and services that the stack ends.

    `rdma` is what the representor's driver counts, by its names.
    """
    keep_password(directory / "password")
    certificate = Authority.new(directory).server("services", "DNS:localhost")
    account: dict[str, Any] = {
        "user": USER,
        "password_file": str(directory / "password"),
        "ca_file": str(directory / "authority.pem"),
    }
    switch_database = stack.enter_context(FakeDatabase(directory / "db.sock", good_switch(_switch())))
    southbound = stack.enter_context(FakeDatabase(directory / "ovn.sock", _logical_ports().behave))
    switch = LocalSwitch(OvsSettings(remote=switch_database.remote))
    ndfc = stack.enter_context(FakeNdfc(certificate))
    ufm = UfmClient(UfmSettings(url=stack.enter_context(FakeUfm(certificate)).url, **account))
    return [
        Sriov(
            root,
            Baselines(directory / "state", root),
            RouteSocket(kernel.connect),
            partitions=Partitions((), ufm),
            statistics=lambda netdev: rdma if netdev == REPRESENTOR else {},
        ),
        OpenVswitch(switch, root),
        Ovn(OvnPorts(OvnSettings(remote=(southbound.remote,)), switch), switch),
        Infiniband(root),
        Uplinks(root, _links()),
        Ndfc(NdfcClient(NdfcSettings(url=ndfc.url, fabrics=("dc1",), **account))),
        Ufm(ufm),
        Host(HOST),
    ]


def _counters(bytes_so_far: int) -> tuple[int, ...]:
    return tuple(bytes_so_far // part for part in (1000, 800, 1, 2, 40_000, 30_000, 9000, 8000))


def _answer(question: Question, index: int, hardware_type: int, vfs: list[Vf]) -> bytes:
    return link_message(
        vfs if question.statistics else [replace(vf, counters=None) for vf in vfs],
        index=index,
        hardware_type=hardware_type,
        sequence=question.sequence,
        flags=question.flags,
    )


def _switch() -> dict[str, dict[str, dict[str, Any]]]:
    """Return a switch with a vhost-user port for each guest, the second one without a link."""
    statistics = numbers(
        rx_packets=10, rx_bytes=1000, rx_dropped=1, tx_packets=20, tx_bytes=2000, tx_dropped=9
    )
    interfaces: dict[str, dict[str, Any]] = {
        f"vhu{number}": {
            "name": f"vhu{number}",
            "type": "dpdkvhostuserclient",
            "external_ids": texts(iface_id=f"port-{number}", attached_mac=f"52:54:00:00:01:0{number}"),
            "statistics": statistics,
            "link_state": "up" if number == 1 else "down",
            "admin_state": "up",
            "ingress_policing_rate": 8000,
        }
        for number in (1, 2)
    }
    ports = uuids(*(f"port-{name}" for name in interfaces))
    quality = {"type": "egress-policer", "other_config": texts(cir="2000000", cbs="4096")}
    return {
        "QoS": {"quality": quality},
        "Open_vSwitch": {"root": {"ovs_version": "3.1.0", "external_ids": texts(system_id="chassis-1")}},
        "Bridge": {"bridge": {"name": "br-int", "ports": ports}},
        "Port": {
            f"port-{name}": {"name": name, "interfaces": ["uuid", name], "qos": ["uuid", "quality"]}
            for name in interfaces
        },
        "Interface": interfaces,
    }


def _logical_ports() -> Cloud:
    """Return OVN's database with a port for each guest, of which the second one is not up."""
    return Cloud(
        *(
            {
                "logical_port": f"port-{number}",
                "mac": ["set", [f"52:54:00:00:01:0{number} 10.0.0.{number}"]],
                "up": number == 1,
                "datapath": ["uuid", "net"],
                "chassis": ["uuid", "ch"],
                "external_ids": ["map", [["neutron:project_id", f"project-{number}"]]],
                "options": ["map", [["qos_max_rate", "80000000"]]],
            }
            for number in (1, 2)
        )
    )


def _infiniband_port(root: Path) -> Path:
    """Describe the InfiniBand card, a ConnectX-7, and return its port's directory."""
    function = root / "sys/devices/pci0000:00" / IB_PF
    device = function / "infiniband/mlx5_1"
    for file, value in {"fw_ver": "28.39.1002", "hca_type": "MT4129", "board_id": "MT_0000000838"}.items():
        _write(device / file, value)
    (device / "device").symlink_to(f"../../../{function.name}")
    link = root / "sys/class/infiniband/mlx5_1"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../devices/pci0000:00/{function.name}/infiniband/mlx5_1")
    port = device / "ports/1"
    state = {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": "400 Gb/sec (4X NDR)"}
    for file, value in {**state, "link_layer": "InfiniBand"}.items():
        _write(port / file, value)
    return port


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value + "\n")
