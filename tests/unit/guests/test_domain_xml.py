"""The live domain XML becomes a `Domain`, and nothing that a tenant can put there breaks it."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.base.definition import Bandwidth, Disk, DiskLimits, HostDevice, MemoryBacking, Nic
from hostcollector.base.errors import DomainXmlError
from hostcollector.guests.domain_xml import parse
from hostcollector.guests.tenancy import from_own_metadata
from tests.places import DOMAIN_XML

FIXTURE = DOMAIN_XML
SMALLEST = "<domain><name>{name}</name><uuid>1b4e28ba-2fa1-11d2-883f-b9a761bde3fb</uuid>{rest}</domain>"


def test_a_whole_domain_is_read() -> None:
    """Every part of the fixture arrives in the field where the sources look for it."""
    domain = parse(FIXTURE.read_text())
    assert (domain.name, domain.id, domain.title) == ("instance-0000002a", 7, "Web & co")
    assert (domain.virt_type, domain.os_type, domain.arch, domain.machine) == (
        "kvm",
        "hvm",
        "x86_64",
        "pc-q35-7.2",
    )
    assert (domain.vcpus, domain.vcpus_maximum) == (2, 4)
    assert (domain.memory_bytes, domain.current_memory_bytes) == (4 * 2**30, 2 * 2**30)
    assert domain.vcpu_pins == {0: "2-3", 1: "4,6"}
    assert (domain.numa_mode, domain.numa_nodes) == ("strict", "1")
    assert (domain.vcpu_cpus, domain.memory_backing) == ("", MemoryBacking())
    assert (domain.balloon_model, domain.balloon_period_seconds) == ("virtio", 10)
    assert domain.complete


@pytest.mark.parametrize(
    ("inside", "withheld"),
    [
        ("<size unit='GiB'>8</size><requested unit='GiB'>2</requested><current unit='GiB'>2</current>", 6),
        ("<size unit='GiB'>8</size><requested unit='GiB'>2</requested><current unit='GiB'>5</current>", 3),
        ("<size unit='GiB'>8</size><requested unit='GiB'>0</requested><current unit='GiB'>0</current>", 8),
        ("<size unit='GiB'>8</size><requested unit='GiB'>4</requested>", 4),
        ("<size unit='GiB'>8</size><requested unit='GiB'>9</requested>", 0),
        ("<size unit='GiB'>8</size>", 0),
        ("<requested unit='GiB'>2</requested>", 0),
        ("<size unit='parsec'>8</size><requested unit='GiB'>2</requested>", 0),
    ],
)
def test_memory_that_virtio_mem_withholds(inside: str, withheld: int) -> None:
    """What is neither requested nor in use; a guest that gives nothing back has it. A DIMM is all there."""
    device = "<memory model='{}'><target>{}</target></memory>"
    devices = f"<devices>{device.format('virtio-mem', inside)}{device.format('dimm', inside)}</devices>"
    domain = parse(SMALLEST.format(name="web", rest=devices))
    assert domain.withheld_bytes == withheld * 2**30


def test_disks_are_read_with_their_limits() -> None:
    """A file, a Ceph volume with limits and an empty CD-ROM drive keep what distinguishes them."""
    first, second, third = parse(FIXTURE.read_text()).disks
    assert first == Disk(
        target="vda",
        type="file",
        alias="virtio-disk0",
        serial="vol-1",
        bus="virtio",
        source="/var/lib/images/a.qcow2",
        driver="qemu",
        format="qcow2",
        cache="none",
        discard="unmap",
    )
    assert (second.protocol, second.source) == ("rbd", "pool/volume-2")
    assert second.limits == DiskLimits(values={"total_bytes_sec": 104857600, "read_iops_sec": 500})
    assert (third.device, third.source, third.limits) == ("cdrom", "", None)


def test_interfaces_are_read_with_what_joins_them_to_the_host() -> None:
    """A tap on an OVS port, and a passed-through VF by the PCI address of the host."""
    tap, function = parse(FIXTURE.read_text()).nics
    assert tap == Nic(
        type="bridge",
        target="tap3",
        mac="fa:16:3e:00:00:01",
        model="virtio",
        alias="net0",
        bridge="br-int",
        interface_id="8f0e5a3c-0000-4000-8000-000000000001",
        vlans=(42,),
        mtu=9000,
    )
    assert (function.type, function.pci_address) == ("hostdev", "0000:3b:00.2")


def test_a_bandwidth_is_in_bytes_by_the_guests_direction() -> None:
    """Rates are in units of 1,000 bytes, bursts in units of 1,024; what is 0, odd or absurd is not set."""
    rest = (
        "<devices><interface><bandwidth><inbound average='1000' peak='2000' burst='64' floor='500'/>"
        "<outbound average='128' peak='0' burst='x'/></bandwidth></interface><interface/></devices>"
    )
    limited, free = parse(SMALLEST.format(name="a", rest=rest)).nics
    assert limited.inbound == Bandwidth(average=1_000_000, peak=2_000_000, burst=65536, floor=500_000)
    assert limited.outbound == Bandwidth(average=128_000)
    assert (free.inbound, free.outbound) == (None, None)


def test_host_devices_are_read() -> None:
    """A passed-through GPU has its PCI address, a mediated device its UUID."""
    gpu, mediated = parse(FIXTURE.read_text()).host_devices
    assert gpu == HostDevice(type="pci", alias="hostdev0", pci_address="0000:ca:00.0")
    assert mediated.mdev_uuid == "c2177883-f1bb-47f0-914d-32a22e3a8804"


def throttled(disks: str, *groups: str) -> list[DiskLimits | None]:
    """Return the limits of disks in a definition with these throttle groups."""
    listed = "".join(f"<throttlegroup>{group}</throttlegroup>" for group in groups)
    rest = f"<throttlegroups>{listed}</throttlegroups><devices>{disks}</devices>"
    return [disk.limits for disk in parse(SMALLEST.format(name="a", rest=rest)).disks]


DISK = "<disk><target dev='vda'/>{}</disk>"
FILTERS = DISK.format("<throttlefilters>{}</throttlefilters>")
FAST = (
    "<group_name>fast</group_name><total_iops_sec>1000</total_iops_sec>"
    "<total_iops_sec_max>9000</total_iops_sec_max>"
)
SLOW = (
    "<group_name>slow</group_name><total_iops_sec>200</total_iops_sec><write_bytes_sec>65536</write_bytes_sec>"
    "<total_iops_sec_max>400</total_iops_sec_max><total_iops_sec_max_length>30</total_iops_sec_max_length>"
)


@pytest.mark.parametrize("filters", ["slow", "slow fast", "fast slow", "fast nowhere slow"])
def test_a_disk_is_limited_by_the_tightest_of_its_throttle_groups(filters: str) -> None:
    """Requests pass all filters in turn; a burst belongs to the limit that it exceeds."""
    named = filters.split()
    disk = FILTERS.format("".join(f"<throttlefilter group='{name}'/>" for name in named))
    (limits,) = throttled(disk, FAST, SLOW)
    assert limits is not None
    assert limits.groups == tuple(named)
    assert limits.values == {
        "total_iops_sec": 200,
        "total_iops_sec_max": 400,
        "total_iops_sec_max_length": 30,
        "write_bytes_sec": 65536,
    }


def test_disks_in_one_group_share_its_budget() -> None:
    """Both kinds of groups are shown; a group without limits, and one that is not there, limit nothing."""
    own = DISK.format("<iotune><read_iops_sec>5</read_iops_sec><group_name>old</group_name></iotune>")
    empty = FILTERS.format("<throttlefilter group='empty'/>")
    absent = FILTERS.format("<throttlefilter group='absent'/>")
    free = DISK.format("<throttlefilters/>")
    assert throttled(own + empty + absent + free, "<group_name>empty</group_name>", FAST) == [
        DiskLimits(values={"read_iops_sec": 5}, groups=("old",)),
        DiskLimits(values={}, groups=("empty",)),
        DiskLimits(values={}, groups=("absent",)),
        None,
    ]


NVME = (
    "<source type='pci' managed='yes' namespace='1'>"
    "<address domain='0x0000' bus='{}' slot='0x00' function='0x0'/></source>"
)


@pytest.mark.parametrize(
    ("disk", "field", "expected"),
    [
        (NVME.format("0x01"), "pci_addresses", ("0000:01:00.0",)),
        (
            f"<backingStore>{NVME.format('0x02')}</backingStore><mirror>{NVME.format('0x03')}</mirror>",
            "pci_addresses",
            ("0000:02:00.0", "0000:03:00.0"),
        ),
        ("<source dev='/dev/sda'/><address type='pci' bus='0x04' slot='0x00'/>", "pci_addresses", ()),
        ("<source pool='fast' volume='v1'/>", "source", "fast/v1"),
        ("<source volume='v1'/>", "source", "v1"),
        ("<source type='unix' path='/run/vhost-blk.sock'/>", "source", "/run/vhost-blk.sock"),
        ("<source dev='/dev/vhost-vdpa-0'/>", "source", "/dev/vhost-vdpa-0"),
    ],
)
def test_disks_say_where_they_come_from(disk: str, field: str, expected: object) -> None:
    """An NVMe controller by address, a volume with its pool; a disk's own place in the guest is none."""
    rest = f"<devices><disk><target dev='vda'/>{disk}</disk></devices>"
    (read,) = parse(SMALLEST.format(name="a", rest=rest)).disks
    assert getattr(read, field) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("domain='0x0000' bus='0x3b' slot='0x1f' function='0x7'", "0000:3b:1f.7"),
        ("bus='0x3b' slot='0x00'", "0000:3b:00.0"),
        ("domain='0x10000' bus='1' slot='2' function='1'", "10000:01:02.1"),
        ("type='drive' controller='0' bus='0' target='0' unit='0'", ""),
        ("bus='0' target='0' unit='0'", ""),
        ("bus='1' device='2'", ""),
        ("bus='x' slot='0'", ""),
        ("bus='-1' slot='0'", ""),
        ("bus='0x100' slot='0'", ""),
        ("bus='1' slot='0x20'", ""),
        ("bus='1' slot='0' function='8'", ""),
        ("bus='1' slot='0' domain='" + "9" * 5000 + "'", ""),
    ],
)
def test_pci_addresses_are_written_as_the_kernel_does(address: str, expected: str) -> None:
    """What libvirt may leave out is 0; the addresses of SCSI and USB devices are none."""
    rest = f"<devices><hostdev type='pci'><source><address {address}/></source></hostdev></devices>"
    (device,) = parse(SMALLEST.format(name="a", rest=rest)).host_devices
    assert device.pci_address == expected


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", ()),
        ("<iothreads>3</iothreads>", (1, 2, 3)),
        ("<iothreadids><iothread id='123456'/></iothreadids>", (123456,)),
        ("<iothreads>3</iothreads><iothreadids><iothread id='2'/></iothreadids>", (1, 2, 3)),
        ("<iothreads>2</iothreads><iothreadids><iothread id='9'/><iothread id='x'/></iothreadids>", (1, 9)),
        ("<iothreads>-1</iothreads>", ()),
    ],
)
def test_iothreads_are_known_by_their_ids(rest: str, expected: tuple[int, ...]) -> None:
    """Those without an id of their own have the lowest free ones, as libvirt gives them."""
    assert parse(SMALLEST.format(name="a", rest=rest)).iothreads == expected


@pytest.mark.parametrize(
    ("name", "state", "expected"),
    [
        ("org.qemu.guest_agent.0", "connected", True),
        ("org.qemu.guest_agent.0", "disconnected", False),
        ("org.qemu.guest_agent.0", "", None),
        ("org.qemu.guest_agent.0", "odd", None),
        ("com.redhat.spice.0", "connected", None),
    ],
)
def test_the_agent_is_connected_if_its_channel_is(name: str, state: str, expected: bool | None) -> None:  # noqa: FBT001
    """Other channels, and states that libvirt does not have, say nothing about the agent."""
    rest = (
        "<devices><channel type='unix'><target type='virtio' name='other.0' state='connected'/></channel>"
        f"<channel type='unix'><target type='virtio' name='{name}' state='{state}'/></channel></devices>"
    )
    assert parse(SMALLEST.format(name="a", rest=rest)).agent_connected is expected


@pytest.mark.parametrize(
    "name", ["trail ", " lead", "\N{NO-BREAK SPACE}nbsp", "em\N{EM QUAD}", "a\tb ", " ", "a\u200b", "a  b"]
)
def test_a_name_is_taken_as_it_is(name: str) -> None:
    """Blanks belong to it: without them it would be another guest's."""
    assert parse(SMALLEST.format(name=name, rest="")).name == name


def test_text_between_metadata_elements_belongs_to_none_of_them() -> None:
    """Each element is a document of its own, whatever follows it."""
    xml = (
        "<domain><name>a</name><uuid>7ad9c5a4-6b4f-4d6e-9a53-d07b4b8a3d55</uuid><metadata>"
        '<tenant xmlns="urn:hostcollector:domain:1" id="acme"/>stray<other/>more</metadata></domain>'
    )
    for element in parse(xml).metadata:
        assert ET.fromstring(element.xml).tail is None
    tenant = from_own_metadata(parse(xml))
    assert tenant is not None
    assert tenant.id == "acme"


def test_metadata_elements_are_kept_whole() -> None:
    """Each child of the metadata keeps its namespace, name and XML for the resolvers."""
    own, nova = parse(FIXTURE.read_text()).metadata
    assert (own.namespace, own.name) == ("urn:hostcollector:domain:1", "tenant")
    assert nova.namespace == "http://openstack.org/xmlns/libvirt/nova/1.1"
    assert "Globex" in nova.xml


@pytest.mark.parametrize(
    ("rest", "field", "expected"),
    [
        ("<memory unit='MiB'>64</memory>", "memory_bytes", 64 * 2**20),
        ("<memory unit='parsec'>64</memory>", "memory_bytes", None),
        (f"<memory>{10**400}</memory>", "memory_bytes", None),
        ("<memory>-1</memory>", "memory_bytes", None),
        ("<vcpu>many</vcpu>", "vcpus", None),
        ("<devices><disk><source/></disk></devices>", "disks", ()),
        ("<devices><hostdev><source/></hostdev></devices>", "host_devices", (HostDevice(type=""),)),
    ],
)
def test_what_is_absurd_or_missing_is_unknown(rest: str, field: str, expected: object) -> None:
    """A number that cannot be, or a device without its parts, costs that detail only."""
    assert getattr(parse(SMALLEST.format(name="a", rest=rest)), field) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<domain>",
        "<network><name>a</name><uuid>b</uuid></network>",
        "<domain><name>a</name></domain>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><domain><name>&a;</name><uuid>b</uuid></domain>",
        "\x00",
    ],
)
def test_what_is_no_domain_is_refused_with_the_typed_error(text: str) -> None:
    """Broken XML, other documents and document types raise `DomainXmlError`, nothing else."""
    with pytest.raises(DomainXmlError):
        parse(text)


@given(st.text())
def test_no_text_raises_anything_but_the_typed_error(text: str) -> None:
    """Whatever is in place of a domain's XML, the inventory can handle the outcome."""
    try:
        domain = parse(text)
    except DomainXmlError:
        return
    assert domain.name


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "Z", "S")), max_size=40), st.integers())
def test_hostile_details_do_not_cost_the_guest(title: str, number: int) -> None:
    """Any title and any number still give a domain with its name and UUID."""
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    rest = f"<title>{escaped}</title><vcpu current='{number}'>{number}</vcpu><memory>{number}</memory>"
    domain = parse(SMALLEST.format(name="guest", rest=rest))
    assert domain.name == "guest"
    assert domain.vcpus is None or domain.vcpus == number


ITEMS = {
    "disk": ("target", "source", "driver", "serial", "iotune", "throttlefilters"),
    "interface": ("target", "source", "mac", "model", "vlan", "mtu", "virtualport"),
    "hostdev": ("source",),
}
TEXTS = st.one_of(
    st.integers().map(str),
    st.sampled_from(["", "pci", "0x1g", "nan", "\N{ARABIC-INDIC DIGIT ONE}"]),
    st.text(max_size=5),
)


@given(st.sampled_from(sorted(ITEMS)), st.data())
def test_one_bad_device_costs_itself_only(kind: str, data: st.DataObject) -> None:
    """Whatever one device's parts say, the good ones beside it and the guest are read."""
    bad = ET.Element(kind, {"type": data.draw(TEXTS), "device": data.draw(TEXTS)})
    for part in ITEMS[kind]:
        attributes = {
            name: data.draw(TEXTS) for name in ("dev", "address", "type", "bus", "slot", "size", "pool")
        }
        element = ET.SubElement(bad, part, attributes)
        element.text = data.draw(TEXTS)
        ET.SubElement(element, "address", attributes).text = data.draw(TEXTS)
        ET.SubElement(element, "total_iops_sec", attributes).text = data.draw(TEXTS)
    good = (
        "<disk><target dev='vdg'/></disk><interface type='bridge'><target dev='vnetg'/></interface>"
        "<hostdev type='pci'><source><address bus='0x3b' slot='0'/></source></hostdev>"
    )
    # As in a real definition, which has no characters that XML cannot have.
    text = "".join(filter(str.isprintable, ET.tostring(bad, encoding="unicode")))
    read = parse(SMALLEST.format(name="a", rest=f"<devices>{text}{good}</devices>"))
    assert "vdg" in [disk.target for disk in read.disks]
    assert "vnetg" in [nic.target for nic in read.nics]
    assert "0000:3b:00.0" in [device.pci_address for device in read.host_devices]


BASE = "<backingStore type='file'><source file='/base'/><backingStore/></backingStore>"
UNENDED = "<backingStore type='file'><source file='/base'/></backingStore>"


@pytest.mark.parametrize(
    ("chain", "images"),
    [
        ("", None),
        ("<backingStore/>", 0),
        (BASE, 1),
        (f"<backingStore type='block'><source dev='/dev/a'/>{BASE}</backingStore>", 2),
        (UNENDED, None),
    ],
)
def test_the_backing_chain_is_counted_to_its_end(chain: str, images: int | None) -> None:
    """The images under a disk's own; unknown where libvirt has not looked at the end of the chain."""
    disk = f"<devices><disk type='file'>{chain}<target dev='vda'/></disk></devices>"
    assert parse(SMALLEST.format(name="a", rest=disk)).disks[0].backing_images == images


@pytest.mark.parametrize(
    ("inside", "backing"),
    [
        ("<hugepages/>", MemoryBacking(huge_page_sizes=(0,))),
        (
            """<hugepages><page size='2048' unit='KiB' nodeset='0'/><page size='1' unit='G'/>
            <page size='2' unit='M'/></hugepages><source type='memfd'/><access mode='shared'/><locked/>""",
            MemoryBacking(huge_page_sizes=(2**21, 2**30), source="memfd", access="shared", locked=True),
        ),
        ("<hugepages><page size='many'/></hugepages>", MemoryBacking(huge_page_sizes=(0,))),
    ],
)
def test_the_backing_of_memory_is_read(inside: str, backing: MemoryBacking) -> None:
    """Sizes of huge pages in bytes, each once; a size that is no number is as good as none."""
    rest = f"<memoryBacking>{inside}</memoryBacking><vcpu cpuset='0-3'>2</vcpu>"
    domain = parse(SMALLEST.format(name="a", rest=rest))
    assert domain.memory_backing == backing
    assert domain.vcpu_cpus == "0-3"
