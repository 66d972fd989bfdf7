"""Reads a live domain XML into a `Domain`; pure text work, no libvirt.

The XML comes from libvirt, but names, titles, serials and metadata inside it come from tenants. Whatever is
missing, odd or absurd costs that detail only; what is no XML at all raises `DomainXmlError`.
"""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from hostcollector.errors import DomainXmlError
from hostcollector.model import Disk, DiskLimits, Domain, HostDevice, MetadataElement, Nic

# libvirt stores such numbers in 64 bits; anything larger is not a number that we could show as a fact.
LARGEST_NUMBER = 2**63 - 1

_MEMORY_UNITS = {
    "b": 1,
    "bytes": 1,
    "KB": 10**3,
    "k": 2**10,
    "KiB": 2**10,
    "MB": 10**6,
    "M": 2**20,
    "MiB": 2**20,
    "GB": 10**9,
    "G": 2**30,
    "GiB": 2**30,
    "TB": 10**12,
    "T": 2**40,
    "TiB": 2**40,
}
# Where a disk's `<source>` says what it is, by the disk's type (libvirt: formatdomain, "disk").
_SOURCE_ATTRIBUTES = ("file", "dev", "name", "dir", "volume", "path")


def parse(text: str) -> Domain:
    """Return the domain that the live XML `text` describes. Raises `DomainXmlError`."""
    if "<!DOCTYPE" in text:
        raise DomainXmlError("a domain XML has no document type; refused")
    try:
        root = ET.fromstring(text)  # noqa: S314 - see above
    except (ET.ParseError, ValueError) as error:
        raise DomainXmlError(f"not XML: {error}") from error
    uuid, name = _text(root, "uuid"), _text(root, "name")
    if root.tag != "domain" or not uuid or not name:
        raise DomainXmlError("not a domain with a UUID and a name")
    vcpu = root.find("vcpu")
    maximum = _number(vcpu.text if vcpu is not None else None)
    current = _number(vcpu.get("current") if vcpu is not None else None)
    machine = root.find("os/type")
    return Domain(
        uuid=uuid,
        name=name,
        id=_number(root.get("id")) or -1,
        title=_text(root, "title"),
        virt_type=root.get("type", ""),
        os_type=_text(root, "os/type"),
        arch=machine.get("arch", "") if machine is not None else "",
        machine=machine.get("machine", "") if machine is not None else "",
        vcpus=maximum if current is None else current,
        vcpus_maximum=maximum,
        memory_bytes=_memory(root.find("memory")),
        current_memory_bytes=_memory(root.find("currentMemory")),
        disks=tuple(_disks(root)),
        nics=tuple(_nic(element) for element in root.iterfind("devices/interface")),
        host_devices=tuple(_host_devices(root)),
        vcpu_pins=_pins(root),
        numa_nodes=_attribute(root, "numatune/memory", "nodeset"),
        balloon_model=_attribute(root, "devices/memballoon", "model"),
        balloon_period_seconds=_number(_attribute(root, "devices/memballoon/stats", "period")),
        metadata=tuple(_metadata(root)),
    )


def _pins(root: ET.Element) -> dict[int, str]:
    pins = {_number(pin.get("vcpu")): pin.get("cpuset", "") for pin in root.iterfind("cputune/vcpupin")}
    return {vcpu: cpus for vcpu, cpus in pins.items() if vcpu is not None}


def _disks(root: ET.Element) -> Iterator[Disk]:
    for element in root.iterfind("devices/disk"):
        target = _attribute(element, "target", "dev")
        if not target:
            continue
        source = element.find("source")
        driver = element.find("driver")
        option = driver.attrib if driver is not None else {}
        yield Disk(
            target=target,
            type=element.get("type", ""),
            device=element.get("device", "disk"),
            alias=_attribute(element, "alias", "name"),
            serial=_text(element, "serial"),
            bus=_attribute(element, "target", "bus"),
            source=_source(source),
            protocol=source.get("protocol", "") if source is not None else "",
            driver=option.get("name", ""),
            format=option.get("type", ""),
            cache=option.get("cache", ""),
            discard=option.get("discard", ""),
            limits=_limits(element.find("iotune")),
        )


def _source(source: ET.Element | None) -> str:
    if source is None:
        return ""
    return next((source.get(key, "") for key in _SOURCE_ATTRIBUTES if source.get(key)), "")


def _limits(iotune: ET.Element | None) -> DiskLimits | None:
    if iotune is None:
        return None
    values = {child.tag: _number(child.text) for child in iotune}
    return DiskLimits(values={key: value for key, value in values.items() if value})


def _nic(element: ET.Element) -> Nic:
    source = element.find("source")
    origin = source.attrib if source is not None else {}
    parameters = element.find("virtualport/parameters")
    port = parameters.attrib if parameters is not None else {}
    vlans = (_number(tag.get("id")) for tag in element.iterfind("vlan/tag"))
    return Nic(
        type=element.get("type", ""),
        target=_attribute(element, "target", "dev"),
        mac=_attribute(element, "mac", "address"),
        model=_attribute(element, "model", "type"),
        alias=_attribute(element, "alias", "name"),
        bridge=origin.get("bridge", ""),
        network=origin.get("network", ""),
        portgroup=origin.get("portgroup", ""),
        source_device=origin.get("dev", ""),
        source_mode=origin.get("mode", ""),
        source_socket=origin.get("path", ""),
        interface_id=port.get("interfaceid", ""),
        profile_id=port.get("profileid", ""),
        vlans=tuple(vlan for vlan in vlans if vlan is not None),
        mtu=_number(_attribute(element, "mtu", "size")),
        pci_address=_pci_address(element.find("source/address")),
    )


def _host_devices(root: ET.Element) -> Iterator[HostDevice]:
    for element in root.iterfind("devices/hostdev"):
        address = element.find("source/address")
        yield HostDevice(
            type=element.get("type", ""),
            alias=_attribute(element, "alias", "name"),
            pci_address=_pci_address(address),
            mdev_uuid=address.get("uuid", "") if address is not None else "",
        )


def _pci_address(address: ET.Element | None) -> str:
    """Return ``0000:3b:00.2`` for a PCI `<address>`, or nothing."""
    if address is None or address.get("type", "pci") != "pci":
        return ""
    try:
        domain, bus, slot, function = (
            int(address.get(key, ""), 0) for key in ("domain", "bus", "slot", "function")
        )
    except ValueError:
        return ""
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _metadata(root: ET.Element) -> Iterator[MetadataElement]:
    for element in root.iterfind("metadata/*"):
        element.tail = None  # text behind it is not its own, and would spoil the document that it becomes
        namespace, _, name = element.tag.rpartition("}")
        yield MetadataElement(
            namespace=namespace.lstrip("{"), name=name, xml=ET.tostring(element, encoding="unicode")
        )


def _text(element: ET.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _attribute(element: ET.Element, path: str, name: str) -> str:
    found = element.find(path)
    return found.get(name, "") if found is not None else ""


def _number(text: str | None) -> int | None:
    """Return a plausible non-negative integer, or None."""
    try:
        number = int(text or "")
    except ValueError:
        return None
    return number if 0 <= number <= LARGEST_NUMBER else None


def _memory(element: ET.Element | None) -> int | None:
    if element is None or (amount := _number((element.text or "").strip())) is None:
        return None
    size = amount * _MEMORY_UNITS.get(element.get("unit", "KiB"), 0)
    return size if 0 < size <= LARGEST_NUMBER else None
