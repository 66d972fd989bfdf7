"""Devices of one kind have one sequence of numbers, and a number never means another device."""

from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector.base.definition import Disk, Domain, HostDevice, Nic
from hostcollector.catalogue import gpu, interface, limits, ovs, vf
from hostcollector.guests.domain_xml import parse
from hostcollector.outputs.tenant_page.devices import Numbers, Reported, devices_of
from tests.fakes.tenants import PORT, VOLUME, TenantHost, customer, small

ACME = customer(1, "acme")
UUID = ACME.domain.uuid
XML = f"""
<domain type='kvm' id='7'><uuid>{UUID}</uuid><name>web</name><devices>
  <disk type='network'><target dev='vda'/><alias name='ua-{VOLUME}'/>
    <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>
  <disk type='file'><target dev='sda' bus='sata'/><serial>{VOLUME}</serial>
    <address type='drive' controller='0' bus='0' target='0' unit='0'/></disk>
  <interface type='hostdev'><mac address='52:54:00:00:00:01'/>
    <source><address type='pci' domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/></source>
    <virtualport><parameters interfaceid='{PORT}'/></virtualport>
    <address type='pci' domain='0x0000' bus='0x07' slot='0x00' function='0x0'/></interface>
  <hostdev mode='subsystem' type='pci'>
    <source><address domain='0x0000' bus='0x41' slot='0x00' function='0x0'/></source>
    <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0'/></hostdev>
</devices></domain>
"""


def numbers(domain: Domain, reported: Reported) -> dict[str, str]:
    """Return the numbers of a fresh life's devices by the first of their names."""
    devices, given = list(devices_of(domain, reported)), Numbers()
    given.update(devices)
    return {min(device.names): f"{device.kind}{given.of(device)}" for device in devices}


def test_the_definition_gives_identities_and_the_guests_addresses() -> None:
    """Volumes and ports have their UUIDs, and each address is the one that the guest sees."""
    found = {
        min(device.names): dict(device.about)
        for device in devices_of(parse(XML), Reported(gpus=("0000:41:00.0",)))
    }
    assert found == {
        "vda": {"volume": VOLUME, "address": "0000:04:00.0"},
        "sda": {"volume": VOLUME, "address": ""},
        "0000:3b:02.1": {"port": PORT, "address": "0000:07:00.0"},
        "0000:41:00.0": {"address": "0000:06:00.0"},
    }


def test_every_way_to_have_an_interface_is_one_sequence() -> None:
    """A tap, a VF by definition, a vhost-user port and a VF as a plain device are nic 0 to 3."""
    domain = Domain(
        uuid=UUID,
        name="web",
        nics=(
            Nic(type="bridge", target="vnet0", mac="a"),
            Nic(type="hostdev", pci_address="0000:3b:02.1", mac="b"),
            Nic(type="vhostuser", source_socket="/run/openvswitch/vhu7", mac="c"),
        ),
        host_devices=(HostDevice(type="pci", pci_address="0000:5e:00.4"),),
    )
    assert numbers(domain, Reported(vfs=("0000:3b:02.1", "0000:5e:00.4"))) == {
        "vnet0": "nic0",
        "0000:3b:02.1": "nic1",
        "vhu7": "nic2",
        "0000:5e:00.4": "nic3",
    }


def test_a_switch_port_is_known_by_its_interface_id(tmp_path: Path) -> None:
    """Where Open vSwitch has a name of its own for the port, its rows still find the interface."""
    nic = Nic(type="vhostuser", source_socket="/run/other", mac="c", interface_id=PORT)
    known = replace(ACME, domain=replace(ACME.domain, nics=(nic,)))
    labels = ("vhu9", *("",) * 5, PORT, "", "")
    shown = TenantHost(tmp_path).values(
        small(known, {ovs.PORT_INFO: {labels: 1.0}, interface.RECEIVE_BYTES: {("vhu9",): 5.0}})
    )
    assert shown["vm_network_receive_bytes_total", "acme", UUID, "0"] == 5.0


def test_interfaces_with_one_address_are_two_interfaces() -> None:
    """A definition may give two interfaces the same MAC address, as bonds in guests do."""
    nics = tuple(Nic(type="bridge", target=target, mac="52:54:00:00:00:01") for target in ("vnet0", "vnet1"))
    domain = Domain(uuid=UUID, name="web", nics=nics)
    assert numbers(domain, Reported()) == {"vnet0": "nic0", "vnet1": "nic1"}


def test_a_number_is_not_used_again() -> None:
    """A disk that is taken away keeps its number for itself; the next one gets a new number."""
    given = Numbers()

    def update(*targets: str) -> list[int]:
        disks = tuple(Disk(target=target, serial=target) for target in targets)
        given.update(devices_of(Domain(uuid=UUID, name="web", disks=disks), Reported()))
        return sorted(given.given["disk"].values())

    assert update("vda", "vdb") == [0, 1]
    assert update("vda") == [0]
    assert update("vda", "vdb") == [0, 2]
    assert update("vda", "vdb", "vdc") == [0, 2, 3]


def test_two_disks_at_one_place_are_two_disks() -> None:
    """Another volume at the same target is another disk."""
    given = Numbers()
    for serial in ("first", "second"):
        disk = Disk(target="vdb", serial=serial)
        assert given.update(devices_of(Domain(uuid=UUID, name="web", disks=(disk,)), Reported()))
    assert list(given.given["disk"].values()) == [1]


def test_a_source_that_fails_costs_no_number() -> None:
    """A GPU that no source names in one collection has its number again in the next one."""
    given, domain = Numbers(), Domain(uuid=UUID, name="web")
    both, one = Reported(gpus=("0000:41:00.0", "0000:42:00.0")), Reported(gpus=("0000:42:00.0",))
    for reported in (both, Reported(), one, both):
        given.update(devices_of(domain, reported))
        assert sorted(given.given["gpu"].values()) == [0, 1]


def test_numbers_survive_a_restart_of_the_daemon(tmp_path: Path) -> None:
    """The numbers are kept on disk with the life."""
    host = TenantHost(tmp_path)
    two = tuple(Disk(target=target, serial=target) for target in ("vda", "vdb"))
    for disks in (two, two[:1]):
        host.values(small(replace(ACME, domain=replace(ACME.domain, disks=disks)), {}))
    host.restarted()
    shown = host.values(small(replace(ACME, domain=replace(ACME.domain, disks=two)), {}))
    assert sorted(key[3] for key in shown if key[0] == "vm_disk_info") == ["0", "2"]


@pytest.mark.parametrize("second", ["transmit", "receive"])
def test_limits_of_vfs_and_taps_are_one_row(second: str, tmp_path: Path) -> None:
    """The limit of a VF is what it may transmit; the limit of a tap has its direction."""
    tap, passed = ACME.domain.nics
    shown = TenantHost(tmp_path).values(
        small(
            ACME,
            {
                limits.LIMIT: {(tap.target, second): 7.0},
                vf.TRANSMIT_LIMIT.guest: {("pf", "1", passed.pci_address): 9.0},
            },
        )
    )
    row = "vm_network_limit_bytes_per_second"
    assert {key[3:]: value for key, value in shown.items() if key[0] == row} == {
        ("0", second): 7.0,
        ("1", "transmit"): 9.0,
    }


def test_twin_vgpus_are_two_gpus(tmp_path: Path) -> None:
    """The kernel names them by their VFs and the driver by UUID: the driver's names have the figures."""
    card, twins = "0000:41:00.0", (VOLUME, PORT)
    names = ("0000:41:00.4", "0000:41:00.5", *twins)
    shown = TenantHost(tmp_path).values(
        small(
            ACME,
            {
                gpu.INFO.guest: {(name, card, "NVIDIA", "A40-8Q", "0", "vgpu"): 1.0 for name in names},
                gpu.VGPU_INFO: {(name, card, "A40-8Q", name, "", "550"): 1.0 for name in twins},
                gpu.MEMORY_USED.guest: {(name,): 5.0 for name in twins},
            },
        )
    )
    assert {labels[3] for labels in shown if labels[0] == "vm_gpu_info"} == {"0", "1"}
    assert {labels[3] for labels in shown if labels[0] == "vm_gpu_memory_used_bytes"} == {"0", "1"}


def test_a_vgpu_has_the_uuid_that_its_guest_sees(tmp_path: Path) -> None:
    """The description is joined from the rows that know a part of it."""
    mdev = "99999999-9999-4999-8999-999999999999"
    device = HostDevice(type="mdev", mdev_uuid=mdev, address="0000:08:00.0")
    known = replace(ACME, domain=replace(ACME.domain, host_devices=(device,), disks=(), nics=()))
    shown = TenantHost(tmp_path).values(
        small(
            known,
            {
                gpu.INFO.guest: {(mdev, "0000:41:00.0", "NVIDIA", "GRID A100-10C", "0", "vgpu"): 1.0},
                gpu.VGPU_INFO: {(mdev, "0000:41:00.0", "t", f"GPU-{VOLUME.upper()}", "", "550"): 1.0},
            },
        )
    )
    assert ("vm_gpu_info", "acme", UUID, "0", "GRID A100-10C", VOLUME, "0000:08:00.0") in shown
