"""One domain XML: what the reader says of it, against a plain account of its elements.

Both are turned into the same sentences; what only one of them says was lost, or invented.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from hostcollector.base.definition import Disk, Domain, Nic
from hostcollector.base.errors import DomainXmlError
from hostcollector.guests.domain_xml import parse

Groups = Mapping[str | None, ET.Element]

READ = frozenset({"disk", "interface", "hostdev", "memballoon"})
"""Devices that have a reading."""

_SOURCES = ("file", "dev", "name", "dir", "volume", "path")
_UNITS = {"": 2**10, "b": 1, "bytes": 1, "KB": 10**3, "k": 2**10, "KiB": 2**10, "MB": 10**6, "M": 2**20}
_UNITS |= {"MiB": 2**20, "GB": 10**9, "G": 2**30, "GiB": 2**30, "TB": 10**12, "T": 2**40, "TiB": 2**40}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of one file."""

    lost: tuple[str, ...] = ()
    """What the file says and the reader does not."""

    invented: tuple[str, ...] = ()
    """What the reader says and the file does not."""

    unread: tuple[str, ...] = ()
    """Kinds of devices that have no reading at all."""

    remarks: tuple[str, ...] = ()
    """What the reader itself says that it left out."""


def compare(text: str) -> Comparison | None:
    """Compare both accounts of a file; None where the plain one says that it is no domain."""
    root = _root(text)
    if root is None or root.tag != "domain":
        return None
    shown = Counter(_plain(root))
    try:
        domain = parse(text)
    except DomainXmlError as error:
        return Comparison(lost=(f"everything: {error}",))
    read = Counter(_read(domain))
    devices = {element.tag for element in root.iterfind("devices/*")}
    unread = {f"<{tag}>" for tag in devices - READ - {"emulator"}}
    limited = {"<bandwidth> of an interface" for _ in root.iterfind("devices/interface/bandwidth")}
    return Comparison(
        lost=tuple(sorted((shown - read).elements())),
        invented=tuple(sorted((read - shown).elements())),
        unread=tuple(sorted(unread | limited)),
        remarks=domain.remarks,
    )


def _root(text: str) -> ET.Element | None:
    """Return the root, without its metadata where an ordinary parser cannot read that."""
    for attempt in (text, re.sub(r"<metadata>.*</metadata>", "", text, flags=re.DOTALL)):
        try:
            return ET.fromstring(attempt)
        except (ET.ParseError, ValueError):
            continue
    return None


def _plain(root: ET.Element) -> Iterator[str]:
    yield f"name {(root.findtext('name') or '')!r}"
    yield f"uuid {(root.findtext('uuid') or '').strip()}"
    memory = root.find("memory")
    if memory is not None:
        yield f"memory {_whole(memory.text) * _UNITS.get(memory.get('unit', ''), 0)}"
    if (vcpu := root.find("vcpu")) is not None:
        yield f"vCPUs {vcpu.get('current') or (vcpu.text or '').strip()} of {(vcpu.text or '').strip()}"
    for pin in root.iterfind("cputune/vcpupin"):
        yield f"vCPU {pin.get('vcpu')} on {pin.get('cpuset')}"
    if threads := (root.findtext("iothreads") or "").strip():
        yield f"iothreads {threads}"
    for element in root.iterfind("devices/memballoon"):
        yield f"balloon {element.get('model')}"
    groups = {it.findtext("group_name"): it for it in root.iterfind("throttlegroups/throttlegroup")}
    for disk in root.iterfind("devices/disk"):
        yield from _plain_disk(disk, groups)
    for nic in root.iterfind("devices/interface"):
        yield from _plain_nic(nic)
    for device in root.iterfind("devices/hostdev"):
        place = _place(device.find("source/address")) or (device.find("source/address") is not None)
        yield f"hostdev {device.get('type')}: {place if isinstance(place, str) else _mdev(device)}"


def _plain_disk(disk: ET.Element, groups: Groups) -> Iterator[str]:
    target, source, driver = (disk.find(name) for name in ("target", "source", "driver"))
    name = f"disk {target.get('dev') if target is not None else None}"
    yield f"{name}: {disk.get('type', '')} {disk.get('device', 'disk')}"
    yield from _given(name, {"bus": target, "protocol": source, "cache": driver, "discard": driver})
    if source is not None:
        for key in _SOURCES:
            if source.get(key):
                pool = f"{source.get('pool')}/" if source.get("volume") else ""
                yield f"{name}: source {pool}{source.get(key)}"
                break
    if serial := (disk.findtext("serial") or "").strip():
        yield f"{name}: serial {serial}"
    for limit, value in _limits(disk, groups).items():
        yield f"{name}: {limit} {value}"


def _limits(disk: ET.Element, groups: Groups) -> dict[str, int]:
    """Return the limits of a disk and of the groups that it is in, the least of each kind."""
    least: dict[str, int] = {}
    filters = [groups.get(it.get("group")) for it in disk.iterfind("throttlefilters/throttlefilter")]
    for place in [disk.find("iotune"), *filters]:
        for limit in place if place is not None else ():
            if value := _whole(limit.text):
                least[limit.tag] = min(value, least.get(limit.tag, value))
    return least


def _whole(text: str | None) -> int:
    """Return a number as it is written, 0 for what is none."""
    digits = (text or "").strip()
    return int(digits) if digits.isdigit() else 0


def _plain_nic(nic: ET.Element) -> Iterator[str]:
    mac, target, source = (nic.find(name) for name in ("mac", "target", "source"))
    name = f"interface {mac.get('address') if mac is not None else ''}"
    yield f"{name}: {nic.get('type')}"
    yield from _given(name, {"dev": target, "bridge": source, "network": source, "portgroup": source})
    for tag in nic.iterfind("vlan/tag"):
        yield f"{name}: VLAN {tag.get('id')}"
    for parameters in nic.iterfind("virtualport/parameters"):
        yield from _given(name, {"interfaceid": parameters})
    for mtu in nic.iterfind("mtu"):
        yield f"{name}: MTU {mtu.get('size')}"
    if place := _place(nic.find("source/address")):
        yield f"{name}: {place}"


def _given(name: str, attributes: dict[str, ET.Element | None]) -> Iterator[str]:
    for key, element in attributes.items():
        if element is not None and element.get(key):
            yield f"{name}: {key} {element.get(key)}"


def _place(address: ET.Element | None) -> str:
    if address is None or address.get("type", "pci") != "pci" or not address.get("slot"):
        return ""
    parts = [int(address.get(key, "0"), 0) for key in ("domain", "bus", "slot", "function")]
    return "{:04x}:{:02x}:{:02x}.{:x}".format(*parts)


def _mdev(device: ET.Element) -> str:
    address = device.find("source/address")
    return address.get("uuid", "") if address is not None else ""


def _read(domain: Domain) -> Iterator[str]:
    yield f"name {domain.name!r}"
    yield f"uuid {domain.uuid}"
    if domain.memory_bytes is not None:
        yield f"memory {domain.memory_bytes}"
    if domain.vcpus is not None:
        yield f"vCPUs {domain.vcpus} of {domain.vcpus_maximum}"
    for vcpu, cpus in domain.vcpu_pins.items():
        yield f"vCPU {vcpu} on {cpus}"
    if domain.iothreads:
        yield f"iothreads {len(domain.iothreads)}"
    if domain.balloon_model:
        yield f"balloon {domain.balloon_model}"
    for disk in domain.disks:
        yield from _read_disk(disk)
    for nic in domain.nics:
        yield from _read_nic(nic)
    for device in domain.host_devices:
        yield f"hostdev {device.type}: {device.pci_address or device.mdev_uuid}"


def _read_disk(disk: Disk) -> Iterator[str]:
    name = f"disk {disk.target}"
    yield f"{name}: {disk.type} {disk.device}"
    known = {"bus": disk.bus, "protocol": disk.protocol, "cache": disk.cache, "discard": disk.discard}
    known |= {"source": disk.source, "serial": disk.serial}
    yield from (f"{name}: {key} {value}" for key, value in known.items() if value)
    if disk.limits is not None:
        yield from (f"{name}: {key} {value}" for key, value in disk.limits.values.items())


def _read_nic(nic: Nic) -> Iterator[str]:
    name = f"interface {nic.mac}"
    yield f"{name}: {nic.type}"
    known = {"dev": nic.target, "bridge": nic.bridge, "network": nic.network, "portgroup": nic.portgroup}
    known["interfaceid"] = nic.interface_id
    yield from (f"{name}: {key} {value}" for key, value in known.items() if value)
    yield from (f"{name}: VLAN {vlan}" for vlan in nic.vlans)
    if nic.mtu is not None:
        yield f"{name}: MTU {nic.mtu}"
    if nic.pci_address:
        yield f"{name}: {nic.pci_address}"
