"""Which network cards are split into VFs, and which VF is which: sysfs only, no counters."""

from hostcollector.sriov.reading import TopologyReader
from hostcollector.sriov.values import Netdev, PhysicalFunction, Topology, VirtualFunction

__all__ = [
    "Netdev",
    "PhysicalFunction",
    "Topology",
    "TopologyReader",
    "VirtualFunction",
]
