"""The SR-IOV topology as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Netdev:
    """A network interface of the host with its kernel index."""

    name: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalFunction:
    """A network PF. Empty text means that sysfs does not say.

    `netdevs` are the interfaces that may stand for the PF itself, likeliest first: no representors, no IPoIB
    children. `vfs` maps VF numbers to PCI addresses as the ``virtfnN`` links say, `representors` VF numbers
    to the names of the netdevs that stand for them in a switchdev e-switch.
    """

    address: str
    driver: str = ""
    infiniband: bool = False
    netdevs: tuple[Netdev, ...] = ()
    ib_device: str = ""
    vfs: Mapping[int, str] = field(default_factory=dict)
    representors: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The PF as the operator calls it: its network interface, else its PCI address."""
        return self.netdevs[0].name if self.netdevs else self.address

    @property
    def switchdev(self) -> bool:
        """Whether the card's e-switch is in switchdev mode, which shows in its representors."""
        return bool(self.representors)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualFunction:
    """One VF: its PCI address, its number and the PF that it belongs to."""

    address: str
    number: int
    pf: PhysicalFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All network PFs of the host, and their VFs by PCI address."""

    pfs: tuple[PhysicalFunction, ...] = ()
    vfs: Mapping[str, VirtualFunction] = field(default_factory=dict)

    @property
    def representors(self) -> Mapping[str, str]:
        """The PCI addresses of VFs by the names of the netdevs that stand for them in a switch."""
        return {
            netdev: pf.vfs[number]
            for pf in self.pfs
            for number, netdev in pf.representors.items()
            if number in pf.vfs
        }

    @classmethod
    def of(cls, pfs: tuple[PhysicalFunction, ...]) -> "Topology":
        """Return the topology of these PFs."""
        vfs = {
            address: VirtualFunction(address=address, number=number, pf=pf)
            for pf in pfs
            for number, address in pf.vfs.items()
        }
        return cls(pfs=pfs, vfs=vfs)
