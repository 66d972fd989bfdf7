"""Which devices are shown, as what, and as whose."""

from pathlib import Path

import pytest

from hostcollector.base.definition import Disk, Domain
from hostcollector.base.model import Guest
from hostcollector.devices.pci import DeviceReader
from tests.fakes.pci import (
    ACCELERATOR_CLASS,
    ASPEED,
    ETHERNET_CLASS,
    MELLANOX,
    NVSWITCH_CLASS,
    SATA_CLASS,
    VGA_CLASS,
    write,
)
from tests.fakes.samples import table
from tests.unit.sources.vfio.conftest import Host, guest

A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
GPU, SECOND, PORT = "0000:3b:00.0", "0000:3c:00.0", "0000:3a:01.0"
MDEV = "83c32df7-d52e-4ec1-9668-1f3c7e4df107"


def test_next_owner_starts_at_zero(host: Host, tmp_path: Path) -> None:
    """A tenant never sees the last one's errors, also not after a restart of the collector."""
    host.tree.add(GPU, port=PORT)
    host.tree.aer(GPU)
    for _ in range(2):  # a counter's first 0 is believed when it is read again
        host.read(guest(A, GPU))
    host.tree.aer(GPU, correctable_BadTLP=40)
    name = "libvirt_domain_pci_aer_errors_total"
    assert host.read(guest(A, GPU))[name][A, GPU, "correctable"] == 40
    assert host.read(guest(B, GPU))[name][B, GPU, "correctable"] == 0
    host.tree.aer(GPU, correctable_BadTLP=42)
    host.source = host.restarted(tmp_path)
    assert host.read(guest(B, GPU))[name][B, GPU, "correctable"] == 2
    assert host.read(guest(B, GPU, run=2))[name][B, GPU, "correctable"] == 0


def test_everything_that_the_guest_was_given(host: Host) -> None:
    """NVSwitches, network cards and disks that a guest has are described as its own, as PCI devices."""
    switch, nic, disk = "0000:05:00.0", "0000:06:00.0", "0000:07:00.0"
    host.tree.add(switch, pci_class=NVSWITCH_CLASS, device="0x22a3")
    host.tree.add(nic, pci_class=ETHERNET_CLASS, vendor=MELLANOX)
    host.tree.add(disk, pci_class=SATA_CLASS, vendor="0x144d")
    found = host.read(guest(A, switch, disk, nics=(nic,)))
    kinds = {labels[1]: labels[2:4] for labels in found["libvirt_domain_pci_info"]}
    assert kinds == {
        switch: ("nvswitch", "NVIDIA"),
        nic: ("network", "Mellanox"),
        disk: ("storage", "0x144d"),
    }
    assert "libvirt_domain_gpu_info" not in found


def test_nvme_controllers_that_qemu_drives_itself(host: Host) -> None:
    """They are the guest's functions as passed-through ones are; missing ones are named."""
    controller, gone = "0000:01:00.0", "0000:02:00.0"
    host.tree.add(controller, pci_class="0x010802", vendor="0x144d")
    disk = Disk(target="vda", type="nvme", pci_addresses=(controller, gone))
    reading = host.reading(Guest(domain=Domain(uuid=A, name="a", disks=(disk,))))
    info = table(reading.samples)["libvirt_domain_pci_info"]
    assert {labels[:3] for labels in info} == {(A, controller, "storage")}
    assert any(gone in note for note in reading.notes)


def test_devices_of_the_host(host: Host) -> None:
    """The host's GPUs, accelerators and NVSwitches are the host's series; its other devices are not shown."""
    host.tree.add(GPU, driver="nvidia")
    host.tree.add(SECOND, pci_class=ACCELERATOR_CLASS, vendor="0x8086", driver="habanalabs")
    host.tree.add("0000:02:00.0", pci_class=VGA_CLASS, vendor=ASPEED, driver="ast")
    host.tree.add("0000:05:00.0", pci_class=NVSWITCH_CLASS, driver="nvidia-nvswitch")
    host.tree.add("0000:06:00.0", pci_class=ETHERNET_CLASS, driver="mlx5_core")
    found = host.read()
    modes = {labels[0]: labels[-1] for labels in found["hostcollector_host_gpu_info"]}
    assert modes == {GPU: "host", SECOND: "host", "0000:02:00.0": "host"}
    assert {labels[0] for labels in found["hostcollector_host_pci_info"]} == {*modes, "0000:05:00.0"}


def test_device_that_waits_for_a_guest(host: Host) -> None:
    """A GPU that is held for guests and has none belongs to the host, once all guests are known."""
    host.tree.add(GPU)
    assert [labels[-1] for labels in host.read()["hostcollector_host_gpu_info"]] == ["passthrough"]
    unknown = guest(B, complete=False)
    for reading, why in ((host.reading(listed=False), "not all"), (host.reading(unknown), repr(B[:4]))):
        assert reading.samples == []
        assert reading.partial
        assert any(why in note for note in reading.notes)


def test_nothing_to_doubt(host: Host) -> None:
    """Where no device is held for guests it does not matter that guests are not known yet."""
    host.tree.add(GPU, driver="nvidia")
    reading = host.reading(listed=False)
    assert (reading.notes, reading.partial) == ((), False)


def test_device_of_the_host_is_shown_before_the_guests_are_known(host: Host) -> None:
    """A GPU with a driver of the host cannot be a guest's."""
    host.tree.add(GPU, driver="nvidia")
    assert table(host.reading(listed=False).samples)["hostcollector_host_gpu_info"]


def test_disputed_device(host: Host) -> None:
    """A device that two guests' definitions name has no owner, and the notes say so."""
    host.tree.add(GPU)
    reading = host.reading(guest(A, GPU), guest(B, GPU))
    assert reading.samples == []
    assert reading.partial
    assert any(GPU in note and "more than one guest" in note for note in reading.notes)


def test_device_off_the_bus(host: Host) -> None:
    """A guest's device that is not on the bus any more is named; the others stay."""
    host.tree.add(GPU)
    host.tree.add(SECOND)
    host.read(guest(A, GPU, SECOND))
    host.tree.remove(GPU)
    reading = host.reading(guest(A, GPU, SECOND))
    assert {labels[1] for labels in table(reading.samples)["libvirt_domain_gpu_info"]} == {SECOND}
    assert reading.partial
    assert any(GPU in note and "not on the PCI bus" in note for note in reading.notes)
    assert reading.missing == 1


@pytest.mark.parametrize(
    ("type_name", "mode"),
    [("GRID A100-10C", "vgpu"), ("GRID A100-2-10C", "mig-vgpu"), ("NVIDIA A100-1-5CME", "mig-vgpu")],
)
def test_mdev(host: Host, type_name: str, mode: str) -> None:
    """A mediated device is a vGPU of its guest, named by its UUID, on the physical GPU behind its VF."""
    host.tree.add(GPU, driver="nvidia")
    host.tree.vf("0000:3b:00.4", GPU)
    host.tree.mdev(MDEV, "0000:3b:00.4", type_name)
    found = host.read(guest(A, MDEV.upper()))
    assert found["libvirt_domain_gpu_info"] == {(A, MDEV, GPU, "NVIDIA", type_name, "1", mode): 1.0}
    assert found["libvirt_domain_gpu_observable"] == {(A, MDEV, GPU, "vfio"): 1.0}
    assert "libvirt_domain_pci_info" not in found


def test_mdev_of_another_device(host: Host) -> None:
    """A mediated device of something that is no GPU is no GPU."""
    host.tree.add("0000:06:00.0", pci_class=SATA_CLASS)
    host.tree.mdev(MDEV, "0000:06:00.0", "crypto")
    assert host.read(guest(A, MDEV)) == {}


def test_sriov_vgpu(host: Host) -> None:
    """A VF with a vGPU type is a vGPU of the guest that has it; VFs without type and guest are not shown."""
    types = "ID    : vGPU Name\n1129  : NVIDIA L40S-8Q\n1130  : NVIDIA H100-1-10C"
    host.tree.add(GPU, driver="nvidia")
    host.tree.vf("0000:3b:00.4", GPU, current_vgpu_type="1130", creatable_vgpu_types="")
    host.tree.vf("0000:3b:00.5", GPU, current_vgpu_type="0", creatable_vgpu_types=types)
    host.read()
    found = host.read(guest(A, "0000:3b:00.4"))
    info = (A, "0000:3b:00.4", GPU, "NVIDIA", "NVIDIA H100-1-10C", "1", "mig-vgpu")
    assert found["libvirt_domain_gpu_info"] == {info: 1.0}
    assert {labels[0] for labels in found["hostcollector_host_gpu_info"]} == {GPU}


def test_mdev_that_is_not_there(host: Host) -> None:
    """A vGPU that the definition names and the kernel does not have is missed and named."""
    reading = host.reading(guest(A, "12345678-0000-4000-8000-00000000abcd"))
    assert (reading.missing, reading.partial) == (1, True)
    assert "mediated device of a guest not found: 12345678" in reading.notes[0]


def test_model_names(host: Host) -> None:
    """Models have the names of the system's PCI ID list, where there is one."""
    listed = "# comment\n10de  NVIDIA Corporation\n\t2330  GH100 [H100 SXM5 80GB]\n\t\t10de 16c1  sub\n"
    write(host.tree.root / "usr/share/misc/pci.ids", f"{listed}C 03  Display controller\n\t00  VGA")
    host.tree.add(GPU)
    (info,) = host.read(guest(A, GPU))["libvirt_domain_gpu_info"]
    assert info[4] == "GH100 [H100 SXM5 80GB]"


def test_no_pci(host: Host) -> None:
    """A host without PCI has nothing to show and says so."""
    reading = host.reading()
    assert (reading.samples, reading.partial) == ([], False)
    assert reading.notes == ("this host has no GPU, and no guest has a PCI device of the host",)


def test_driver_and_vgpu_type_are_read_every_time(host: Host) -> None:
    """A GPU that changes its driver is what it is now; one that leaves the bus is forgotten."""
    host.tree.add(GPU, driver="nvidia")
    reader = DeviceReader(host.tree.root)
    assert not reader.read().functions[GPU].held_for_guests
    host.tree.bind(GPU, "nvgrace-gpu-vfio-pci")
    assert reader.read().functions[GPU].held_for_guests
    host.tree.remove(GPU)
    assert reader.read().functions == {}
