"""A host whose guests' network is all hardware: a card with VFs, a switch with ports, an InfiniBand port.

Read by the real sources from a tree for sysfs, crafted kernel messages and a database of Open vSwitch. Two
guests of two tenants own a VF and a switch port each; a third VF is free; one VF breaks a rule of isolation.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hostcollector.base.model import Domain, Guest, Nic, Snapshot, Tenant
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector
from hostcollector.config.settings import OvsSettings
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.switch import LocalSwitch
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.sources.host import Host
from hostcollector.sources.infiniband import Infiniband
from hostcollector.sources.ovs import OpenVswitch
from hostcollector.sources.sriov import Sriov
from tests.fakes.database import FakeDatabase, good_switch, numbers, texts, uuids
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import Vf, link_message
from tests.fakes.sysfs import Sysfs
from tests.places import HYBRID

PF, VFS, FREE = "0000:3b:00.0", ("0000:3b:00.2", "0000:3b:00.3"), "0000:3b:00.4"
HOST = HYBRID
BUDGET = 20.0


def _guest(number: int, name: str, tenant: str) -> Guest:
    vf = Nic(type="hostdev", mac=f"52:54:00:00:00:0{number}", pci_address=VFS[number - 1])
    port = Nic(type="vhostuser", mac=f"52:54:00:00:01:0{number}", interface_id=f"port-{number}")
    uuid = f"{number:08d}-eeee-4fff-8aaa-bbbbbbbbbbbb"
    return Guest(
        domain=Domain(uuid=uuid, name=name, id=number, nics=(vf, port), vcpus=4, vcpus_maximum=4),
        tenant=Tenant(id=tenant, name=tenant.title(), resolver="metadata"),
    )


GUESTS = {guest.domain.uuid: guest for guest in (_guest(1, "edge", "acme"), _guest(2, "router", "globex"))}


class NetworkHost:
    """The host. `work` moves data between two collections."""

    def __init__(self, collector: Collector, kernel: LinkKernel, ports: Path) -> None:
        self._collector, self._kernel, self._ports = collector, kernel, ports
        self._rounds = 0
        self.work()

    def snapshot(self) -> Snapshot:
        """Make one collection."""
        return self._collector.snapshot(BUDGET).result()

    def work(self) -> None:
        """Let every VF and port carry some more data, and drop a little."""
        self._rounds += 1
        bytes_so_far = 6_000_000 * self._rounds
        vfs = [
            Vf(
                number=number,
                mac=bytes((0x52, 0x54, 0, 0, 0, number + 1)),
                vlan=100 + number,
                max_rate=100,
                spoof_check=0 if number == 1 else 1,
                counters=tuple(
                    bytes_so_far // part for part in (1000, 800, 1, 2, 40_000, 30_000, 9000, 8000)
                ),
            )
            for number in range(3)
        ]

        def answer(question: Question) -> bytes:
            asked = vfs if question.statistics else [replace(vf, counters=None) for vf in vfs]
            return link_message(asked, sequence=question.sequence, flags=question.flags)

        self._kernel.links[2] = answer
        for name in ("port_rcv_data", "port_xmit_data", "symbol_error", "link_downed"):
            _write(self._ports / "counters" / name, str(bytes_so_far // (4 if "data" in name else 1_000_000)))
        for name in ("out_of_buffer", "out_of_sequence"):
            _write(self._ports / "hw_counters" / name, str(self._rounds))


@contextmanager
def network_host(directory: Path) -> Iterator[NetworkHost]:
    """Build the host in an empty directory, and take it down."""
    sysfs = Sysfs(directory / "root")
    sysfs.pf(PF, netdev="ens1", driver="mlx5_core", ib_device="mlx5_0")
    for number, address in enumerate((*VFS, FREE)):
        sysfs.vf(PF, number, address)
    with ExitStack() as stack:
        kernel = stack.enter_context(LinkKernel({}))
        switch = stack.enter_context(FakeDatabase(directory / "db.sock", good_switch(_switch())))
        open_vswitch = OpenVswitch(LocalSwitch(OvsSettings(remote=switch.remote)), sysfs.root)
        baselines = Baselines(directory / "state", sysfs.root)
        sources = (
            Sriov(sysfs.root, baselines, RouteSocket(kernel.connect)),
            open_vswitch,
            Infiniband(sysfs.root),
            Host(HOST),
        )
        collector = Collector(sources, Assembler(), guests=lambda: GUESTS, maximum_age=0.0)
        collector.start()
        stack.callback(collector.close)
        yield NetworkHost(collector, kernel, _infiniband(sysfs.root))


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
        }
        for number in (1, 2)
    }
    ports = uuids(*(f"port-{name}" for name in interfaces))
    return {
        "Open_vSwitch": {"root": {"ovs_version": "3.1.0", "external_ids": texts(system_id="chassis-1")}},
        "Bridge": {"bridge": {"name": "br-int", "ports": ports}},
        "Port": {f"port-{name}": {"name": name, "interfaces": ["uuid", name]} for name in interfaces},
        "Interface": interfaces,
    }


def _infiniband(root: Path) -> Path:
    """Add a ConnectX-7 with one port and return the port's directory."""
    function = root / "sys/devices/pci0000:00/0000:5e:00.0"
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
