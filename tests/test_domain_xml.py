"""The live domain XML becomes a `Domain`, and nothing that a tenant can put there breaks it."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcollector.domain_xml import parse
from hostcollector.errors import DomainXmlError
from hostcollector.model import Disk, DiskLimits, HostDevice, Nic
from hostcollector.tenancy import from_own_metadata

FIXTURE = Path(__file__).parent / "fixtures" / "domain.xml"
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
    assert domain.numa_nodes == "1"
    assert (domain.balloon_model, domain.balloon_period_seconds) == ("virtio", 10)
    assert domain.complete


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


def test_host_devices_are_read() -> None:
    """A passed-through GPU has its PCI address, a mediated device its UUID."""
    gpu, mediated = parse(FIXTURE.read_text()).host_devices
    assert gpu == HostDevice(type="pci", alias="hostdev0", pci_address="0000:ca:00.0")
    assert mediated.mdev_uuid == "c2177883-f1bb-47f0-914d-32a22e3a8804"


def test_text_between_metadata_elements_belongs_to_none_of_them() -> None:
    """Each element is a document of its own, whatever somebody wrote behind it."""
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
    """Whatever stands where a domain's XML should, the inventory can handle the outcome."""
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
