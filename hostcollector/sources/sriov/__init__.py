"""The `sriov` source: counters and configuration of SR-IOV virtual functions, joined to the guests that own them.

libvirt shows nothing of a passed-through VF's traffic; the card counts it, and the PF's netlink tells. Each
PF is asked once per collection. The counters outlive their owners, so everybody is shown the difference to
what they stood at when the VF became theirs.
"""

from collections.abc import Iterator
from pathlib import Path

from hostcollector.baselines import Baselines
from hostcollector.catalogue import vf as rows
from hostcollector.errors import SourceError
from hostcollector.model import Sample
from hostcollector.sources.base import Reading, Request
from hostcollector.sources.sriov.card import Card, CounterReader, notes
from hostcollector.sources.sriov.lists import VfLists, Way
from hostcollector.sources.sriov.owners import Owner, Owners, find_owners
from hostcollector.sources.sriov.route_socket import RouteSocket
from hostcollector.sources.sriov.series import Described, samples_of
from hostcollector.sources.sriov.vendor_files import VendorFiles
from hostcollector.sriov import PhysicalFunction, Topology, TopologyReader

__all__ = ["Sriov"]

DEVICE = "vf/"
"""What the names of VFs begin with among the baselines."""


class Sriov:
    """Reads the VFs of the host under `root`. `route` is replaced where no kernel is to be asked."""

    name = "sriov"

    def __init__(self, root: Path, baselines: Baselines, route: RouteSocket | None = None) -> None:
        self._reader = TopologyReader(root)
        self._files = VendorFiles(root)
        self._lists = VfLists(route or RouteSocket())
        self._baselines = baselines
        self._topology: Topology | None = None

    def read(self, request: Request) -> Reading:
        """Return the series of all VFs. What a PF does not tell is missing and named in the notes."""
        topology = self._current_topology()
        if not topology.pfs:
            return Reading(samples=(), notes=("no network card here can be split into VFs (SR-IOV)",))
        owners = find_owners(request.guests, topology, self._reader, all_listed=request.guests_listed)
        samples: list[Sample] = []
        remarks: list[str] = []
        partial = False
        self._lists.begin()
        for pf in topology.pfs:
            card = self._card(pf, request.deadline)
            counters = CounterReader(card, self._files)
            samples.extend(_card_samples(card))
            owned = 0
            for number, address in pf.vfs.items():
                owner = owners.of(address)
                if owner is not None:
                    owned += bool(owner.uuid)
                    samples.extend(self._vf(card, counters, number, address, owner))
            remarks.extend(notes(card, counters, owned))
            partial = partial or bool(pf.vfs and card.truncated)
        self._baselines.flush()
        remarks.extend(_doubts(owners, topology))
        remarks.extend(self._baselines.problems)
        return Reading(samples=samples, notes=tuple(remarks), partial=partial)

    def close(self) -> None:
        """Close the netlink socket."""
        self._lists.close()

    def _current_topology(self) -> Topology:
        topology = self._reader.read()
        if topology is not self._topology:
            self._topology = topology
            self._lists.forget()
            if topology.pfs:
                self._baselines.retain(DEVICE, {DEVICE + address for address in topology.vfs})
        return topology

    def _card(self, pf: PhysicalFunction, deadline: float) -> Card:
        if not pf.vfs:
            return Card(pf, pf.name, None)
        if not pf.netdevs:
            return Card(pf, pf.name, None, "it has no network interface on the host")
        try:
            found = self._lists.read(pf, deadline)
        except SourceError as error:
            return Card(pf, pf.name, None, str(error))
        if found is None:
            return Card(pf, pf.name, None, "the driver lists no VFs")
        netdev, listed = found
        return Card(pf, netdev.name, listed, without_statistics=self._lists.way(netdev) is Way.WITHOUT_STATISTICS)

    def _vf(
        self, card: Card, reader: CounterReader, number: int, address: str, owner: Owner
    ) -> Iterator[Sample]:
        origin, raw = reader.counters(number)
        pf = card.pf
        return samples_of(
            Described(
                labels=(card.name, str(number), address),
                owner=owner,
                listed=card.listed(number),
                ipoib=card.ipoib,
                counters=self._relative(DEVICE + address, owner.stay, origin, raw),
                guids=reader.guids(number),
                driver=self._reader.driver(address),
                pf_driver=pf.driver,
                pf_address=pf.address,
                ib_device=pf.ib_device,
            )
        )
