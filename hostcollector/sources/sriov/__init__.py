"""The `sriov` source: traffic and configuration of virtual functions, joined to the guests that own them.

libvirt has no traffic of passed-through VFs. The card counts it, and the kernel lists it with the PF, by one
netlink request per PF and collection. The counters survive a change of owner, so each owner is shown the
difference to the counters at the moment it got the VF.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hostcollector.base.definition import Nic
from hostcollector.base.errors import SourceError
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest, Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import vf as rows
from hostcollector.catalogue.possible import fastest
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.owners import OwnerFinder, Owners
from hostcollector.devices.partitions import Partitions
from hostcollector.devices.sriov import PhysicalFunction, Topology, TopologyReader
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.kernel import ethtool
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.sources.sriov.card import Card, CounterReader, VfLists, note
from hostcollector.sources.sriov.memberships import Memberships
from hostcollector.sources.sriov.series import COUNTERS, Described, samples_of
from hostcollector.sources.sriov.vendor_files import Statistics, VendorFiles

DEVICE = "vf/"
"""The prefix of VFs' names in the record of baselines."""


class Sriov(Source):
    """Reads the VFs of the host under `root`. Tests replace `route`, the netlink socket, and `statistics`."""

    name = "sriov"

    def __init__(
        self,
        root: Path,
        baselines: Baselines,
        route: RouteSocket | None = None,
        partitions: Partitions | None = None,
        processes: QemuProcesses | None = None,
        clock: Clock = time.monotonic,
        statistics: Statistics = ethtool.statistics,
    ) -> None:
        self._reader = TopologyReader(root)
        self._owners = OwnerFinder(processes, self._reader)
        self._files = VendorFiles(root, statistics)
        self._lists = VfLists(route or RouteSocket(), clock)
        self._baselines = baselines
        self._memberships = Memberships(partitions or Partitions())
        self._topology: Topology | None = None
        self._from_netlink: set[str] = set()

    def read(self, request: Request) -> Reading:
        """Return the series of all VFs. Missing parts of a PF are named in the notes."""
        topology = self._current_topology()
        gaps = Gaps()
        self._miss(request, gaps)
        if not topology.pfs:
            gaps.fact("no network card of this host can be split into VFs (SR-IOV)")
            return Reading(samples=(), notes=gaps.notes, partial=bool(gaps), missing=gaps.count)
        owners = self._owners.find(request.guests, all_listed=request.guests_listed)
        self._lists.begin()
        samples: list[Sample] = []
        vfs: list[Described] = []
        for pf in topology.pfs:
            with gaps.item(f"network card {pf.address}"):
                card = self._card(pf, request.deadline)
                counters = CounterReader(card, self._files, self._from_netlink, gaps)
                samples += _card_samples(card)
                vfs += self._card_vfs(card, counters, owners, request, gaps)
                owned = sum(address in owners.by_device for address in pf.vfs.values())
                note(card, counters, owned, gaps)
        for vf in vfs:
            with gaps.item(f"VF {vf.labels[2]}"):
                samples += samples_of(vf)
        with gaps.item("the partitions of VFs"):
            samples += self._memberships.samples(vfs)
            self._memberships.note(vfs, gaps)
        self._baselines.flush()
        for doubt in (*_doubts(owners, topology), *self._baselines.problems):
            gaps.note(doubt)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=gaps.count)

    def close(self) -> None:
        """Close the netlink socket."""
        self._lists.close()

    def _current_topology(self) -> Topology:
        topology = self._reader.read()
        if topology is not self._topology:
            self._topology = topology
            self._lists.forget()
            self._from_netlink.clear()
            self._memberships.follow(topology.vfs)
            if topology.pfs:
                self._baselines.retain(DEVICE, {DEVICE + address for address in topology.vfs})
        return topology

    def _miss(self, request: Request, gaps: Gaps) -> None:
        """Note the guests' passed-through network functions that are not on the PCI bus."""
        for guest in request.guests.values():
            for nic in guest.domain.nics:
                if nic.type == "hostdev" and nic.pci_address and not self._reader.exists(nic.pci_address):
                    gaps.missing("network function", f"{nic.pci_address} of guest {guest.domain.name!r}")

    def _card(self, pf: PhysicalFunction, deadline: float) -> Card:
        """Read one PF's VF list; a PF that does not answer costs its own VFs only."""
        if not pf.vfs:
            return Card(pf, pf.name, None)
        if not pf.netdevs:
            return Card(pf, pf.name, None, "it has no network interface on the host", by_nature=True)
        try:
            found = self._lists.read(pf, deadline)
        except SourceError as error:
            return Card(pf, pf.name, None, str(error))
        if found is None:
            return Card(pf, pf.name, None, "the driver lists no VFs", by_nature=True)
        netdev, listed = found
        return Card(pf, netdev.name, listed, too_many=self._lists.leaves_out_counters(netdev))

    def _card_vfs(
        self, card: Card, reader: CounterReader, owners: Owners, request: Request, gaps: Gaps
    ) -> Iterator[Described]:
        """Yield the card's VFs; note guests' VFs that lack counters although their driver counts."""
        pf = card.pf
        for number, address in pf.vfs.items():
            owner = owners.of(address)
            if owner is None:
                continue
            with gaps.item(f"VF {address}"):
                origin, raw = reader.counters(number)
                if owner.uuid and card.counts and not raw:
                    name = request.guests[owner.uuid].domain.name
                    gaps.missing("counters of the VF", f"{address} of guest {name!r}")
                yield Described(
                    labels=(card.name, str(number), address),
                    owner=owner,
                    mac=owners.macs.get(address, ""),
                    nic=_nic(request.guests.get(owner.uuid), address),
                    switchdev=pf.switchdev,
                    listed=card.listed(number),
                    ipoib=card.ipoib,
                    counters=self._relative(DEVICE + address, owner.stay, origin, raw, reader.rdma(number)),
                    guids=reader.guids(number),
                    driver=self._reader.driver(address),
                    pf_driver=pf.driver,
                    pf_address=pf.address,
                    ib_device=pf.ib_device,
                )

    def _relative(
        self, device: str, stay: str, origin: str, raw: Mapping[str, int], rdma: Mapping[str, int]
    ) -> Mapping[str, float]:
        """Return the counters since the owner's start; each origin of `raw` has its own baselines."""
        # Also without counters: the change of owner is recorded.
        counters = {**{origin + name: raw[name] for name in raw}, **rdma}
        speeds = {key: fastest(COUNTERS[key.removeprefix(origin)].guest) for key in counters}
        values = self._baselines.relative(device, stay, counters, speeds)
        return {name.removeprefix(origin): value for name, value in values.items()}


def _nic(guest: Guest | None, address: str) -> Nic | None:
    """Return the guest's interface with this VF."""
    nics = guest.domain.nics if guest is not None else ()
    return next((nic for nic in nics if nic.pci_address == address), None)


def _card_samples(card: Card) -> Iterator[Sample]:
    pf = card.pf
    labels = (card.name, pf.address)
    yield Sample(rows.PF_INFO, 1.0, (*labels, pf.driver, pf.ib_device))
    yield Sample(rows.PF_VFS, len(pf.vfs), labels)
    if pf.vfs:
        yield Sample(rows.PF_COUNTERS_SUPPORTED, float(bool(card.fields)), labels)
        yield Sample(rows.VF_INFO_TRUNCATED, float(card.truncated), labels)


def _doubts(owners: Owners, topology: Topology) -> Iterator[str]:
    """Yield the reasons for VFs that are left out."""
    if not owners.complete:
        yield f"{owners.why_open()}: VFs in no known guest's XML are left out: such a guest may own them"
    for address in sorted(owners.disputed & topology.vfs.keys()):
        yield f"VF {owners.dispute(address)}"
