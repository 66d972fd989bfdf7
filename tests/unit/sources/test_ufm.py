"""The `ufm` source, and how a guest's page shows what the manager said."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, Nic
from hostcollector.base.model import Guest, Sample, Snapshot, Tenant
from hostcollector.base.source import Request, Source
from hostcollector.catalogue import network as rows
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector, Guests
from hostcollector.config.services import UfmSettings
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.partitions import Partitions
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.protocols.ufm import UfmClient
from hostcollector.sources.sriov import Sriov
from hostcollector.sources.ufm import Ufm
from tests.fakes.authority import Authority
from tests.fakes.link_kernel import LinkKernel, Question
from tests.fakes.link_messages import INFINIBAND, Vf, link_message
from tests.fakes.rest import USER, keep_password
from tests.fakes.sysfs import INFINIBAND_CLASS, Sysfs
from tests.fakes.ufm import FIRST, PKEYS, SECOND, FakeUfm, partition, port
from tests.unit.protocols.rest.polling import LIMITS, PATIENCE, wait_until

REQUEST = Request(guests={}, deadline=0.0, taken_at=0.0)
PF, VFS = "0000:3b:00.0", ("0000:3b:00.2", "0000:3b:00.3")
PKEY_INFO = "libvirt_domain_vf_pkey_info"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[FakeUfm]:
    """Return a manager with a good certificate, whose authority is in `tmp_path`."""
    keep_password(tmp_path / "password")
    with FakeUfm(Authority.new(tmp_path).server("manager", "DNS:localhost")) as fake:
        yield fake


@pytest.fixture
def client(manager: FakeUfm, tmp_path: Path) -> UfmClient:
    """Return a client that asks every second."""
    settings = UfmSettings(
        url=manager.url,
        user=USER,
        password_file=str(tmp_path / "password"),
        ca_file=str(tmp_path / "authority.pem"),
        interval_seconds=1,
    )
    return UfmClient(settings, limits=LIMITS)


def test_without_configuration_it_is_off() -> None:
    """No manager, no series, no complaint; settling and closing do nothing."""
    source = Ufm(None)
    source.start()
    source.settle(60.0)
    reading = source.read(REQUEST)
    source.close()
    assert (reading.samples, reading.notes, reading.partial) == ((), (), False)
    assert reading.off == "ufm.url is not set"


def test_the_manager_is_described_with_its_age(client: UfmClient, manager: FakeUfm) -> None:
    """After a failure the last good answer is kept, older, and the reading says so."""
    source = Ufm(client)
    source.start()
    source.settle(PATIENCE)
    well = source.read(REQUEST)
    manager.answers(PKEYS, 503)
    wait_until(lambda: source.read(REQUEST).partial)
    troubled = source.read(REQUEST)
    source.close()
    for reading in (well, troubled):
        assert Sample(rows.UFM_INFO, 1.0, ("6.19.3",)) in reading.samples
        assert Sample(rows.UFM_PARTITIONS, 3) in reading.samples
        assert [sample.value for sample in reading.samples if sample.metric is rows.UFM_AGE] != []
    assert (well.notes, well.partial) == ((), False)
    assert "busy" in troubled.notes[0]


class Fabric:
    """A host with an InfiniBand card of two VFs, guests of two tenants, and a collector."""

    def __init__(self, root: Path, kernel: LinkKernel, client: UfmClient) -> None:
        sysfs = Sysfs(root)
        sysfs.pf(PF, netdev="ib0", pci_class=INFINIBAND_CLASS, ib_device="mlx5_0")
        for number, address in enumerate(VFS):
            sysfs.vf(PF, number, address)
        kernel.links[2] = self._answer
        self.ports = [FIRST, SECOND]
        self.owners = ["acme", "globex"]
        sources: list[Source] = [
            Sriov(
                root,
                Baselines(root / "state", root, patience=30),
                RouteSocket(kernel.connect),
                Partitions((), client),
            ),
            Ufm(client),
        ]
        self.collector = Collector(sources, Assembler(), Guests(self._guests), maximum_age=0.0)
        self.collector.start()

    def memberships(self) -> set[tuple[str, ...]]:
        """Collect, and return tenant, VF, P_Key, membership, partition and origin of what the page shows."""
        snapshot: Snapshot = self.collector.snapshot(PATIENCE).result(PATIENCE)
        families = {family.metric.name: family for family in snapshot.families}
        if PKEY_INFO not in families:
            return set()
        names = families[PKEY_INFO].metric.label_names
        wanted = [names.index(name) for name in ("tenant", "vf", "pkey", "membership", "partition", "origin")]
        return {tuple(labels[at] for at in wanted) for labels in families[PKEY_INFO].series}

    def _guests(self) -> dict[str, Guest]:
        guests = {}
        for owner, address in zip(self.owners, VFS, strict=True):
            if owner:
                domain = Domain(uuid=owner, name=owner, nics=(Nic(type="hostdev", pci_address=address),))
                guests[owner] = Guest(domain=domain, tenant=Tenant(id=owner))
        return guests

    def _answer(self, question: Question) -> bytes:
        vfs = [
            replace(Vf(number=number), guids=(int(guid, 16), int(guid, 16)))
            for number, guid in enumerate(self.ports)
        ]
        return link_message(vfs, index=2, hardware_type=INFINIBAND, sequence=question.sequence)


@pytest.fixture
def fabric(tmp_path: Path, client: UfmClient) -> Iterator[Fabric]:
    """Return the host after the manager's first answer."""
    with LinkKernel({}) as kernel:
        found = Fabric(tmp_path, kernel, client)
        found.collector.settle(PATIENCE)
        yield found
        found.collector.close()


def test_each_tenant_sees_its_own_partitions(fabric: Fabric) -> None:
    """A guest's VF has the partitions of its own port GUID, as full or limited member, and no others."""
    default = ("0x7fff", "limited", "management", "ufm")
    assert fabric.memberships() == {
        ("acme", "0", *default),
        ("acme", "0", "0x0001", "full", "acme", "ufm"),
        ("globex", "1", *default),
        ("globex", "1", "0x0002", "full", "globex", "ufm"),
    }


def test_the_next_owner_is_not_shown_the_last_ones_partitions(
    fabric: Fabric, manager: FakeUfm, client: UfmClient
) -> None:
    """Until the manager was asked again, nothing is known of a VF that has another owner now."""
    assert ("acme", "0", "0x0001", "full", "acme", "ufm") in fabric.memberships()
    manager.answers(PKEYS, 503)
    wait_until(lambda: client.current()[2] != "")
    fabric.owners = ["initech", "globex"]
    assert {labels[0] for labels in fabric.memberships()} == {"globex"}
    manager.documents[PKEYS]["0x1"] = partition("initech", port(FIRST))
    del manager.misbehave[PKEYS]
    shown = ("initech", "0", "0x0001", "full", "initech", "ufm")
    wait_until(lambda: shown in fabric.memberships())


def test_a_guest_that_was_away_is_shown_its_own_again(
    fabric: Fabric, manager: FakeUfm, client: UfmClient
) -> None:
    """No other guest had the VF meanwhile: what was said of it is still about the same guest."""
    before = fabric.memberships()
    manager.answers(PKEYS, 503)
    wait_until(lambda: client.current()[2] != "")
    fabric.owners = ["", "globex"]
    assert {labels[0] for labels in fabric.memberships()} == {"globex"}
    fabric.owners = ["acme", "globex"]
    assert fabric.memberships() == before


def test_a_guest_on_a_vf_that_was_free_waits_for_the_next_answer(
    fabric: Fabric, manager: FakeUfm, client: UfmClient
) -> None:
    """Whose the partitions of a free VF were is not known either."""
    fabric.owners = ["", "globex"]
    fabric.memberships()
    manager.answers(PKEYS, 503)
    wait_until(lambda: client.current()[2] != "")
    fabric.owners = ["initech", "globex"]
    assert {labels[0] for labels in fabric.memberships()} == {"globex"}


def test_a_guid_of_two_vfs_is_unassigned(fabric: Fabric) -> None:
    """Whose partitions it has cannot be said; the note names the GUID."""
    fabric.ports = [FIRST, FIRST]
    assert fabric.memberships() == set()
    snapshot = fabric.collector.snapshot(PATIENCE).result(PATIENCE)
    (notes,) = (report.notes for report in snapshot.reports if report.source == "sriov")
    assert any("0c:42:a1:03:00:ab:cd:01 is set for more than one VF" in note for note in notes)


def test_a_free_vf_shows_no_partition(fabric: Fabric) -> None:
    """Memberships are the owners'; those without an owner are not shown."""
    fabric.owners = ["", ""]
    assert fabric.memberships() == set()
