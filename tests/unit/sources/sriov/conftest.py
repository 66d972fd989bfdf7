"""A host with one card, its kernel, and the collector's source on it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request
from hostcollector.devices.baselines import Baselines
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.sources.sriov import Sriov
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import Vf, link_message
from tests.fakes.sysfs import Sysfs

PF, FIRST, SECOND, THIRD = "0000:3b:00.0", "0000:3b:00.2", "0000:3b:00.3", "0000:3b:00.4"
MAC = "52:54:00:00:00:01"
A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
Labels = tuple[str, ...]


@dataclass(slots=True)
class Host:
    """A host with one card at first, its kernel, and the collector's source on it."""

    sysfs: Sysfs
    kernel: LinkKernel
    baselines: Baselines
    source: Sriov
    vfs: dict[int, list[Vf]] = field(default_factory=dict)
    hardware_type: int = 1

    def tell(self, *vfs: Vf, index: int = 2, count: int | None = None) -> None:
        """Let the kernel list these VFs of the card with this index from now on."""

        def answer(question: Question) -> bytes:
            asked = vfs if question.statistics else [replace(vf, counters=None) for vf in vfs]
            return link_message(
                asked,
                count=count,
                index=index,
                hardware_type=self.hardware_type,
                sequence=question.sequence,
                flags=question.flags,
            )

        self.kernel.links[index] = answer

    def read(self, *guests: Guest, listed: bool = True) -> Reading:
        """Make a collection."""
        by_uuid = {guest.domain.uuid: guest for guest in guests}
        deadline = time.monotonic() + 10
        return self.source.read(
            Request(guests=by_uuid, deadline=deadline, taken_at=0.0, guests_listed=listed)
        )

    def restart(self, processes: QemuProcesses | None = None) -> None:
        """Make a new source on the same host, with what the old one left on disk."""
        self.baselines = Baselines(self.sysfs.root / "state", self.sysfs.root, patience=30)
        route = RouteSocket(self.kernel.connect)
        self.source = Sriov(
            self.sysfs.root, self.baselines, route, processes=processes, statistics=no_statistics
        )


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Give a host without cards and a kernel that knows no links."""
    with LinkKernel({}) as kernel:
        baselines = Baselines(tmp_path / "state", tmp_path, patience=30)
        source = Sriov(tmp_path, baselines, RouteSocket(kernel.connect), statistics=no_statistics)
        yield Host(Sysfs(tmp_path), kernel, baselines, source)


def add_card(host: Host, driver: str = "mlx5_core") -> None:
    """Add a card with two VFs."""
    host.sysfs.pf(PF, netdev="ens1", driver=driver, ib_device="mlx5_0")
    host.sysfs.vf(PF, 0, FIRST)
    host.sysfs.vf(PF, 1, SECOND)


def no_statistics(_netdev: str) -> dict[str, int]:
    """Return what a driver without statistics of its own has; this machine may have an eth0 too."""
    return {}


def add_switchdev_card(host: Host) -> None:
    """Add a card with two VFs in switchdev mode."""
    host.sysfs.pf(PF, netdev="ens1", phys_port_name="p0", phys_switch_id="aa")
    host.sysfs.vf(PF, 0, FIRST)
    host.sysfs.vf(PF, 1, SECOND)


def guest_with(uuid: str, *addresses: str, run: int = 1, mac: str = MAC) -> Guest:
    """Return a guest with VFs."""
    nics = tuple(Nic(type="hostdev", mac=mac, pci_address=address) for address in addresses)
    return Guest(domain=Domain(uuid=uuid, name=uuid[0], id=run, nics=nics))


def vf_of(number: int, total: int = 0, **about: int) -> Vf:
    """Return a VF whose counters, in the kernel's order, are total+0 ... total+7 (or all 0)."""
    counters = tuple(total + value for value in range(8)) if total else (0,) * 8
    return replace(Vf(number=number, counters=counters), **about)  # type: ignore[arg-type]


def series_of(reading: Reading, name: str) -> dict[tuple[str, Labels], object]:
    """Return the values of a family by owner and labels."""
    return {
        (sample.uuid, sample.labels): sample.value for sample in reading.samples if sample.metric.name == name
    }


def by_vf(reading: Reading, name: str) -> dict[str, object]:
    """Return the values of a family by VF number."""
    return {labels[1]: value for (_, labels), value in series_of(reading, name).items()}


def traffic_of(reading: Reading, prefix: str = "libvirt_domain_vf") -> dict[str, dict[str, object]]:
    """Return the counters that can be believed by name and VF number."""
    names = {sample.metric.name for sample in reading.samples if sample.value == sample.value}
    return {
        name.removeprefix(f"{prefix}_").removesuffix("_total"): by_vf(reading, name)
        for name in names
        if name.startswith(prefix) and name.endswith("_total")
    }


def owned_by(reading: Reading, uuid: str) -> list[Sample]:
    """Return the samples of a guest."""
    return [sample for sample in reading.samples if sample.uuid == uuid]
