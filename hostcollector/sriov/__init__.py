"""Which network cards are split into VFs, which VF is which, and whose it is: sysfs only, no counters."""

from hostcollector.sriov.owners import NOBODY, Owner, Owners, find_owners
from hostcollector.sriov.reading import TopologyReader
from hostcollector.sriov.values import Netdev, PhysicalFunction, Topology, VirtualFunction

__all__ = [
    "NOBODY",
    "Netdev",
    "Owner",
    "Owners",
    "PhysicalFunction",
    "Topology",
    "TopologyReader",
    "VirtualFunction",
    "find_owners",
]
