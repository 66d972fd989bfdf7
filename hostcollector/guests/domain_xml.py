"""Reads a live domain XML into a `Domain`; pure text work, no libvirt.

The XML comes from libvirt, but names, titles, serials and metadata inside it come from tenants. A
missing, odd or absurd detail costs itself only, and so does foreign metadata. Text that is no XML raises
`DomainXmlError`.
"""

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

from hostcollector.base.definition import Bandwidth, Disk, DiskLimits, Domain, HostDevice, MemoryBacking, Nic
from hostcollector.base.errors import DomainXmlError
from hostcollector.guests import metadata as domain_metadata

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
# What can be limited, each with a burst and how long that may last (libvirt: formatdomain, "iotune").
_LIMITED = tuple(
    f"{direction}_{what}_sec" for what in ("bytes", "iops") for direction in ("total", "read", "write")
)
# An interface's rates are in units of 1,000 bytes, its bursts in units of 1,024 (libvirt: formatnetwork).
_BYTES_OF_A_RATE, _BYTES_OF_A_BURST = 1000, 1024
# The parts of a PCI address, and what each is below (kernel: include/linux/pci.h).
_PCI_PARTS = {"domain": 2**32, "bus": 2**8, "slot": 2**5, "function": 2**3}
# The port that QEMU's guest agent opens (libvirt: formatdomain, "channel").
_AGENT_CHANNEL = "org.qemu.guest_agent.0"
# More than any host has CPUs: a definition that says more is not believed.
_MOST_IOTHREADS = 4096


def parse(text: str) -> Domain:
    """Return the domain that the live XML `text` describes. Raises `DomainXmlError`."""
    metadata = domain_metadata.split(text)
    root = _parsed(metadata.definition)
    # A name is taken as it is: blanks around it belong to it, and another guest may have it without them.
    uuid, name = _text(root, "uuid"), root.findtext("name") or ""
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
        withheld_bytes=_withheld(root),
        current_memory_bytes=_memory(root.find("currentMemory")),
        disks=tuple(_disks(root)),
        nics=tuple(_nic(element) for element in root.iterfind("devices/interface")),
        host_devices=tuple(_host_devices(root)),
        vcpu_pins=_pins(root),
        vcpu_cpus=_attribute(root, "vcpu", "cpuset"),
        numa_nodes=_attribute(root, "numatune/memory", "nodeset"),
        numa_mode=_attribute(root, "numatune/memory", "mode"),
        memory_backing=_memory_backing(root),
        balloon_model=_attribute(root, "devices/memballoon", "model"),
        balloon_period_seconds=_number(_attribute(root, "devices/memballoon/stats", "period")),
        iothreads=_iothreads(root),
        agent_connected=_agent_connected(root),
        metadata=metadata.elements,
        remarks=metadata.remarks,
    )


def _parsed(text: str) -> ET.Element:
    # libvirt writes no comments and no CDATA outside of the metadata: this can only be a document type.
    if "<!DOCTYPE" in text:
        raise DomainXmlError("a domain XML has no document type; refused")
    try:
        return ET.fromstring(text)  # noqa: S314 - see above
    except (ET.ParseError, ValueError) as error:
        raise DomainXmlError(f"not XML: {error}") from error


def _iothreads(root: ET.Element) -> tuple[int, ...]:
    """Return the ids of QEMU's iothreads: those that are named, and the lowest free ones for the others."""
    named = [_number(thread.get("id")) for thread in root.iterfind("iothreadids/iothread")]
    ids = {number for number in named if number}
    count = min(_number(_text(root, "iothreads")) or 0, _MOST_IOTHREADS)
    free = (number for number in range(1, _MOST_IOTHREADS + len(ids) + 1) if number not in ids)
    while len(ids) < count:
        ids.add(next(free))
    return tuple(sorted(ids))


def _agent_connected(root: ET.Element) -> bool | None:
    """Return the state of the guest agent's channel; None without one, or where libvirt does not say."""
    state = _attribute(root, f"devices/channel/target[@name='{_AGENT_CHANNEL}']", "state")
    return {"connected": True, "disconnected": False}.get(state)


def _memory_backing(root: ET.Element) -> MemoryBacking:
    backing = root.find("memoryBacking")
    if backing is None:
        return MemoryBacking()
    pages = [_scaled(page.get("size"), page.get("unit")) for page in backing.iterfind("hugepages/page")]
    sizes = dict.fromkeys(size for size in pages if size)
    return MemoryBacking(
        huge_page_sizes=() if backing.find("hugepages") is None else tuple(sizes) or (0,),
        source=_attribute(backing, "source", "type"),
        access=_attribute(backing, "access", "mode"),
        locked=backing.find("locked") is not None,
    )


def _pins(root: ET.Element) -> dict[int, str]:
    pins = {_number(pin.get("vcpu")): pin.get("cpuset", "") for pin in root.iterfind("cputune/vcpupin")}
    return {vcpu: cpus for vcpu, cpus in pins.items() if vcpu is not None}


def _disks(root: ET.Element) -> Iterator[Disk]:
    groups = {
        _text(group, "group_name"): _limit_values(group)
        for group in root.iterfind("throttlegroups/throttlegroup")
    }
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
            limits=_limits(element, groups),
            pci_addresses=tuple(_driven_functions(element)),
            backing_images=_backing_images(element),
            mirror=_attribute(element, "mirror", "job"),
            address=_pci_address(element.find("address")),
        )


def _source(source: ET.Element | None) -> str:
    if source is None:
        return ""
    found = next((source.get(key, "") for key in _SOURCE_ATTRIBUTES if source.get(key)), "")
    # Volumes of different pools have the same names.
    return f"{source.get('pool')}/{found}" if source.get("pool") and source.get("volume") else found


def _backing_images(disk: ET.Element) -> int | None:
    """Return how many images lie under the disk's own; None where libvirt does not say.

    The last `<backingStore>` of a chain that libvirt knows to its end is empty.
    """
    image, depth = disk.find("backingStore"), 0
    while image is not None and (image.get("type") or image.find("source") is not None):
        depth += 1
        image = image.find("backingStore")
    return None if image is None else depth


def _driven_functions(disk: ET.Element) -> Iterator[str]:
    """Yield the NVMe controllers that QEMU drives itself for a disk, its backing files and its mirror."""
    for source in disk.iter("source"):
        if source.get("type") == "pci" and (address := _pci_address(source.find("address"))):
            yield address


def _limits(disk: ET.Element, groups: Mapping[str, Mapping[str, int]]) -> DiskLimits | None:
    """Return a disk's own limits and those of the groups that it is in, the tightest of each kind.

    A group's budget is shared by all disks that are in it.
    """
    iotune = disk.find("iotune")
    named = [element.get("group", "") for element in disk.iterfind("throttlefilters/*")]
    if iotune is not None:
        named.append(_text(iotune, "group_name"))
    elif not named:
        return None
    own = [_limit_values(iotune)] if iotune is not None else []
    sets = [*own, *(groups[name] for name in named if name in groups)]
    values: dict[str, int] = {}
    for key in _LIMITED:
        burst = f"{key}_max"
        setting = [limits for limits in sets if key in limits or burst in limits]
        if setting:
            tightest = min(setting, key=lambda limits: limits.get(key) or limits[burst])
            parts = (key, burst, f"{burst}_length")
            values |= {part: tightest[part] for part in parts if part in tightest}
    sizes = [limits["size_iops_sec"] for limits in sets if "size_iops_sec" in limits]
    if sizes:
        values["size_iops_sec"] = sizes[0]
    return DiskLimits(values=values, groups=tuple(dict.fromkeys(name for name in named if name)))


def _limit_values(element: ET.Element) -> dict[str, int]:
    """Return the limits that are set; 0 is none."""
    values = ((child.tag, _number(child.text)) for child in element)
    return {key: value for key, value in values if value}


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
        address=_pci_address(element.find("address")),
        trusts_guest=element.get("trustGuestRxFilters") == "yes",
        inbound=_bandwidth(element.find("bandwidth/inbound")),
        outbound=_bandwidth(element.find("bandwidth/outbound")),
    )


def _bandwidth(element: ET.Element | None) -> Bandwidth | None:
    """Return the bandwidth of one direction; a number of 0 is not set."""
    if element is None:
        return None
    rates = {name: _number(element.get(name)) for name in ("average", "peak", "burst", "floor")}
    units = {"burst": _BYTES_OF_A_BURST}
    return Bandwidth(
        **{name: rate * units.get(name, _BYTES_OF_A_RATE) for name, rate in rates.items() if rate}
    )


def _host_devices(root: ET.Element) -> Iterator[HostDevice]:
    for element in root.iterfind("devices/hostdev"):
        address = element.find("source/address")
        yield HostDevice(
            type=element.get("type", ""),
            alias=_attribute(element, "alias", "name"),
            pci_address=_pci_address(address),
            mdev_uuid=address.get("uuid", "") if address is not None else "",
            address=_pci_address(element.find("address")),
        )


def _pci_address(address: ET.Element | None) -> str:
    """Return ``0000:3b:00.2`` for a PCI `<address>`, or nothing. As for libvirt, what is left out is 0."""
    if address is None or address.get("type", "pci") != "pci" or address.get("slot") is None:
        return ""
    try:
        numbers = [int(address.get(key, "0"), 0) for key in _PCI_PARTS]
    except ValueError:
        return ""
    if any(not 0 <= number < most for number, most in zip(numbers, _PCI_PARTS.values(), strict=True)):
        return ""
    domain, bus, slot, function = numbers
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


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
    return None if element is None else _scaled((element.text or "").strip(), element.get("unit"))


def _withheld(root: ET.Element) -> int:
    """Return what of the virtio-mem devices' sizes is neither requested for the guest nor plugged in.

    `<memory>` of the domain has these devices with their full sizes (libvirt: formatdomain, "memory").
    """
    withheld = 0
    for target in root.iterfind("devices/memory[@model='virtio-mem']/target"):
        size, requested, current = (_memory(target.find(part)) for part in ("size", "requested", "current"))
        if size is not None and target.find("requested") is not None:
            withheld += max(0, size - max(requested or 0, current or 0))
    return withheld


def _scaled(amount: str | None, unit: str | None) -> int | None:
    """Return the bytes of an amount in libvirt's `unit`, KiB where there is none."""
    number = _number(amount)
    size = (number or 0) * _MEMORY_UNITS.get(unit or "KiB", 0)
    return size if 0 < size <= LARGEST_NUMBER else None
