"""The controller's documents to frozen values. What an entry does not say is left out, never guessed.

Part of the documents is JSON in a string, and numbers are numbers or strings, from version to version. A
failed request may be answered with status 200, and with a text or an object in place of the list.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import Gaps

LAST_VLAN = 4094
LAST_VNI = 2**24 - 1
# The keys of a failure's text.
_COMPLAINTS = ("message", "errorMessage", "error", "Error", "description", "status")
_LONGEST_COMPLAINT = 200
# Spellings of "none" beside the empty string and null.
_NONE = frozenset({"", "NA", "None", "null"})
# ``leaf1(Ethernet1/13,Ethernet1/14) tor1(Ethernet1/12)``: the switches whose ports are meant.
_SWITCH_OF_PORTS = re.compile(r"([^\s(),]+)\(")


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
    """A VLAN's network in a fabric. `vni` is the layer 2 one, `vrf_vni` the VRF's layer 3 one."""

    fabric: str
    network: str
    vni: int | None = None
    vrf: str = ""
    vrf_vni: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricVlans:
    """The networks of one fabric's VLANs, and when they were requested, in monotonic seconds."""

    vlans: tuple[tuple[int, Placement], ...]
    asked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NdfcAnswer:
    """The answer of one round.

    `vlans` has several placements for a VLAN that is not the same network on all selected switches. `notes`
    name the fabrics and entries that could not be read, `unread` is how many there are.
    """

    version: str = ""
    vlans: Mapping[int, tuple[Placement, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: int = 0


def fabric_names(document: Any, gaps: Gaps) -> list[str]:
    """Return the names of the fabrics. Raises `SourceMalformedError`, as all of these do.

    An entry of a list that cannot be read costs itself: it is noted in `gaps`.
    """
    names = (_text(entry.get("fabricName")) for entry in _entries(document, "the list of fabrics", gaps))
    return [name for name in names if name]


def networks(document: Any, gaps: Gaps) -> dict[str, Network]:
    """Return a fabric's networks by name."""
    found = {}
    for entry in _entries(document, "the list of networks", gaps):
        name = _text(entry.get("networkName"))
        template = _nested(entry.get("networkTemplateConfig"))
        vni = _number(entry.get("networkId"), LAST_VNI) or _number(template.get("segmentId"), LAST_VNI)
        if name:
            vrf = _text(entry.get("vrf")) or _text(template.get("vrfName"))
            found[name] = Network(name=name, vni=vni, vrf=vrf)
    return found


def vrf_vnis(document: Any, gaps: Gaps) -> dict[str, int]:
    """Return the layer 3 VNIs of a fabric's VRFs by their names."""
    found = {}
    for entry in _entries(document, "the list of VRFs", gaps):
        name = _text(entry.get("vrfName"))
        template = _nested(entry.get("vrfTemplateConfig"))
        vni = _number(entry.get("vrfId"), LAST_VNI) or _number(template.get("vrfSegmentId"), LAST_VNI)
        if name and vni:
            found[name] = vni
    return found


def attachments(document: Any, switches: Collection[str], gaps: Gaps) -> Iterator[Attachment]:
    """Yield what is attached to any of `switches`, or to any switch at all if there are none.

    A switch is given by its name, serial number or management address.
    """
    for entry in _entries(document, "the list of attachments", gaps):
        name = _text(entry.get("networkName"))
        with gaps.item(f"network {name!r}"):
            attached = entry.get("lanAttachList")
            for port in _entries(attached if attached is not None else [], "the attachments", gaps):
                network = _text(port.get("networkName")) or name
                vlan = _number(port.get("vlanId"), LAST_VLAN)
                if network and vlan and _is_attached(port) and _is_on(port, switches):
                    yield Attachment(network=network, vlan=vlan, fabric=_text(port.get("fabricName")))


def placements(
    fabric: str, known: Mapping[str, Network], vnis: Mapping[str, int], attached: Iterable[Attachment]
) -> Iterator[tuple[int, Placement]]:
    """Yield each VLAN with its placement; `vnis` are those of the VRFs.

    An attachment names its own fabric where it comes from a parent of several fabrics.
    """
    for attachment in attached:
        network = known.get(attachment.network)
        if network is not None:
            yield (
                attachment.vlan,
                Placement(
                    fabric=attachment.fabric or fabric,
                    network=network.name,
                    vni=network.vni,
                    vrf=network.vrf,
                    vrf_vni=vnis.get(network.vrf),
                ),
            )


def version(document: Any) -> str:
    """Return the controller's version, such as ``12.2.1.321``; empty where the document has none."""
    return _text(document.get("version")) if isinstance(document, dict) else ""


def complaint(document: Any) -> str:
    """Return a failure's text from a document, cut; empty if there is none."""
    if isinstance(document, dict):
        said = (_text(document.get(key)) for key in _COMPLAINTS)
        document = next((text for text in said if text), "")
    return document[:_LONGEST_COMPLAINT].strip() if isinstance(document, str) else ""


def _entries(document: Any, what: str, gaps: Gaps) -> Iterator[dict[str, Any]]:
    if not isinstance(document, list) or (document and not any(map(_is_object, document))):
        said = complaint(document)
        raise SourceMalformedError(f"in place of {what} came " + (f"{said!r}" if said else "something else"))
    for number, entry in enumerate(document):
        if _is_object(entry):
            yield entry
        else:
            gaps.unread(f"{what}: entry {number}", "it is no object")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _nested(value: Any) -> dict[str, Any]:
    """Return an object, also one that is written as JSON in a string; empty for any other value."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value not in _NONE else ""


def _number(value: Any, last: int) -> int | None:
    """Return a number from 1 to `last`, written as a number or as text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(last)):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= last:
        return value
    return None


def _is_attached(port: Mapping[str, Any]) -> bool:
    return port.get("isLanAttached") in (True, "true") and port.get("lanAttachState") != "NA"


def _is_on(port: Mapping[str, Any], switches: Collection[str]) -> bool:
    if not switches:
        return True
    names = {_text(port.get(key)) for key in ("switchName", "switchSerialNo", "ipAddress")}
    names.update(_SWITCH_OF_PORTS.findall(_text(port.get("portNames"))))
    return not names.isdisjoint(switches)
