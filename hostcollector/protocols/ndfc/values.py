"""What the controller knows, as far as it is of use on a hypervisor: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network of a fabric. `vni` is its layer 2 VNI; `vrf` is empty for a network without routing."""

    name: str
    vni: int | None = None
    vrf: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A network on a leaf switch, in the VLAN that it has there, which may be another one elsewhere."""

    network: str
    vlan: int
    fabric: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a VLAN is: a network of a fabric. `vni` is the layer 2 one, `vrf_vni` the VRF's layer 3 one."""

    fabric: str
    network: str
    vni: int | None = None
    vrf: str = ""
    vrf_vni: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What the VLANs of one fabric are, and when that was asked, in seconds on the monotonic clock."""

    vlans: tuple[tuple[int, Placement], ...]
    asked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything that one round of questions gave.

    `vlans` has more than one placement for a VLAN that is not the same network on all the switches that were
    looked at. `notes` name the fabrics and entries that could not be read, `unread` is how many those are.
    """

    version: str = ""
    vlans: Mapping[int, tuple[Placement, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: int = 0
