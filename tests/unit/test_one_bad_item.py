"""One bad item in a list that others give costs itself only: every parser keeps its good neighbours.

Whatever is in place of an item is generated, at any place of the list.
"""

from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.gaps import Gaps
from hostcollector.devices.switch import WATCH, read_switch
from hostcollector.guests import domain_xml
from hostcollector.protocols import ufm
from hostcollector.protocols.ndfc import answers as ndfc
from hostcollector.protocols.ovsdb.replica import Replica, updated
from hostcollector.protocols.ovsdb.row import ColumnKind
from hostcollector.protocols.redfish.readings import read_report

Reader = Callable[[list[Any]], set[str]]
"""Takes the items of a list and returns the names of those that it has read."""

GOOD = ("one", "two", "three")

_KEYS = st.sampled_from(
    (
        *("name", "networkName", "fabricName", "vrfName", "networkId", "lanAttachList", "vlanId"),
        *("partition", "guids", "guid", "membership", "MetricProperty", "MetricValue", "Timestamp"),
        *("external_ids", "statistics", "ofport", "mtu", "options"),
    )
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
"""JSON that may or may not be an item."""


def _fabrics(items: list[Any]) -> set[str]:
    return set(ndfc.fabric_names(items, Gaps()))


def _networks(items: list[Any]) -> set[str]:
    return set(ndfc.networks(items, Gaps()))


def _vrfs(items: list[Any]) -> set[str]:
    return set(ndfc.vrf_vnis(items, Gaps()))


def _attachments(items: list[Any]) -> set[str]:
    return {it.network for it in ndfc.attachments(items, (), Gaps())}


def _members(items: list[Any]) -> set[str]:
    answer = ufm.read_partitions({"0x1": {"partition": "acme", "guids": items}})
    return {guid[-2:] for guid in answer.members}


def _partitions(items: list[Any]) -> set[str]:
    answer = ufm.read_partitions({f"0x{number + 1:x}": item for number, item in enumerate(items)})
    return {member.name for members in answer.members.values() for member in members}


def _values(items: list[Any]) -> set[str]:
    return set(read_report({"MetricValues": items}, now=2e9, patience=300.0).entries)


def _switch_ports(items: list[Any]) -> set[str]:
    kinds = {table: dict.fromkeys(columns, ColumnKind.ATOM) for table, columns in WATCH.columns.items()}
    kinds["Interface"] |= {"external_ids": ColumnKind.MAP, "statistics": ColumnKind.MAP}
    rows: dict[str, Any] = {f"row-{number}": {"insert": item} for number, item in enumerate(items)}
    return {port.name for port in read_switch(updated(Replica(), {"Interface": rows}, kinds, 0.0)).ports}


def _attached(name: str) -> dict[str, Any]:
    port = {"networkName": name, "vlanId": 7, "isLanAttached": True, "lanAttachState": "DEPLOYED"}
    return {"networkName": name, "lanAttachList": [port]}


def _guid(name: str) -> str:
    return f"0c42a10300abcd{GOOD.index(name):02x}"


LISTS: Mapping[str, tuple[Reader, Callable[[str], Any], Callable[[str], str]]] = {
    "fabrics": (_fabrics, lambda name: {"fabricName": name}, str),
    "networks": (_networks, lambda name: {"networkName": name, "networkId": 30001}, str),
    "VRFs": (_vrfs, lambda name: {"vrfName": name, "vrfId": 50001}, str),
    "attachments": (_attachments, _attached, str),
    "members": (
        _members,
        lambda name: {"guid": _guid(name), "membership": "full"},
        lambda it: _guid(it)[-2:],
    ),
    "partitions": (
        _partitions,
        lambda name: {"partition": name, "guids": [{"guid": _guid(name), "membership": "full"}]},
        str,
    ),
    "metric values": (_values, lambda name: {"MetricProperty": name, "MetricValue": "1"}, str),
    "switch ports": (_switch_ports, lambda name: {"name": name}, str),
}
"""Of each list its reader, what makes a good item, and what the reader calls it."""


@pytest.mark.parametrize("kind", LISTS)
@given(bad=ANYTHING, place=st.integers(0, len(GOOD)))
def test_a_bad_item_of_a_service_costs_itself_only(kind: str, bad: object, place: int) -> None:
    """The good items around it are read as if it were not there."""
    read, good, called = LISTS[kind]
    items = [good(name) for name in GOOD]
    assert read(items) == {called(name) for name in GOOD}
    items.insert(place, bad)
    assert read(items) >= {called(name) for name in GOOD}


_WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z")), max_size=12)
_TAGS = st.sampled_from(("source", "target", "address", "driver", "iotune", "mac", "vlan", "alias", "mtu"))
_NAMES = st.sampled_from(("dev", "type", "bus", "slot", "function", "domain", "file", "id", "size", "uuid"))


def _element(tag: str, attributes: Mapping[str, str], inner: str = "") -> str:
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag}{written}>{inner}</{tag}>"


_INNER = st.lists(st.tuples(_TAGS, st.dictionaries(_NAMES, _WORDS, max_size=4)), max_size=5)


@given(
    kind=st.sampled_from(("disk", "interface", "hostdev")),
    attributes=st.dictionaries(_NAMES, _WORDS, max_size=3),
    inner=_INNER,
    place=st.integers(0, 3),
)
def test_a_bad_device_of_a_definition_costs_itself_only(
    kind: str, attributes: dict[str, str], inner: list[tuple[str, dict[str, str]]], place: int
) -> None:
    """The other disks, interfaces and passed-through devices are read as if it were not there."""
    devices = [
        "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk>",
        "<interface type='bridge'><mac address='52:54:00:00:00:01'/><target dev='tap1'/></interface>",
        "<hostdev type='pci'><source><address bus='0x3b' slot='0' function='2'/></source></hostdev>",
    ]
    devices.insert(place, _element(kind, attributes, "".join(_element(*it) for it in inner)))
    domain = domain_xml.parse(
        f"<domain><name>a</name><uuid>b</uuid><devices>{''.join(devices)}</devices></domain>"
    )
    assert ("vda", "/a") in [(disk.target, disk.source) for disk in domain.disks]
    assert ("tap1", "52:54:00:00:00:01") in [(nic.target, nic.mac) for nic in domain.nics]
    assert "0000:3b:00.2" in [device.pci_address for device in domain.host_devices]
