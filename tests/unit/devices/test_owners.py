"""One answer to whose a device is, for everything that can be handed to a guest."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from hostcollector.base.definition import Disk, Domain, HostDevice, Nic
from hostcollector.base.model import Guest
from hostcollector.devices.baselines import Baselines, same_stay
from hostcollector.devices.owners import HOST_OWNER, Owner, OwnerFinder, Owners
from hostcollector.guests.domain_xml import parse
from hostcollector.guests.processes import QemuProcesses
from tests.fakes.guests import A, B
from tests.fakes.procfs import Procfs

GPU, FREE, VF = "0000:3b:00.0", "0000:3c:00.0", "0000:5e:00.2"
MDEV = "83c32df7-d52e-4ec1-9668-1f3c7e4df107"


def guest(uuid: str = A, *devices: str, run: int = 7, complete: bool = True) -> Guest:
    """Return a guest that was given PCI functions."""
    passed = tuple(HostDevice(type="pci", pci_address=device) for device in devices)
    return Guest(domain=Domain(uuid=uuid, name=uuid[:4], id=run, host_devices=passed, complete=complete))


def found(*guests: Guest, listed: bool = True, processes: QemuProcesses | None = None) -> Owners:
    """Return the owners where these guests run."""
    return OwnerFinder(processes, Board()).find({it.domain.uuid: it for it in guests}, all_listed=listed)


class Board:
    """Replaces the host's topology: one VF, by the name of its interface and of its vDPA device."""

    def netdev_address(self, name: str) -> str:
        """Return the VF of its interface."""
        return VF if name == "ens1v0" else ""

    def vdpa_address(self, device: str) -> str:
        """Return the VF of its vDPA device."""
        return VF if device == "/dev/vhost-vdpa-0" else ""


@pytest.mark.parametrize(
    ("parts", "device", "mac"),
    [
        ({"host_devices": (HostDevice(type="pci", pci_address=GPU),)}, GPU, ""),
        ({"host_devices": (HostDevice(type="mdev", mdev_uuid=MDEV.upper()),)}, MDEV, ""),
        ({"nics": (Nic(type="hostdev", pci_address=VF, mac="52:54:00:AA:00:01"),)}, VF, "52:54:00:aa:00:01"),
        ({"nics": (Nic(type="vdpa", source_device="/dev/vhost-vdpa-0", mac="52:54:00:aa:00:01"),)}, VF, ""),
        ({"nics": (Nic(type="direct", source_device="ens1v0", source_mode="passthrough"),)}, VF, ""),
        ({"disks": (Disk(target="vda", type="nvme", pci_addresses=(GPU,)),)}, GPU, ""),
        ({"disks": (Disk(target="vda", type="vhostvdpa", source="/dev/vhost-vdpa-0"),)}, VF, ""),
    ],
)
def test_whatever_a_definition_passes_through_is_the_guests(
    parts: Mapping[str, object], device: str, mac: str
) -> None:
    """GPUs, mediated devices, VFs in each of their guises, and NVMe controllers that QEMU drives itself."""
    domain = replace(Domain(uuid=A, name="a", id=7), **parts)  # type: ignore[arg-type]
    owners = found(Guest(domain=domain))
    assert owners.of(device) == Owner(uuid=A, stay=f"{A}/7")
    assert owners.macs.get(device, "") == mac
    assert owners.functions == ((device,) if ":" in device else ())


@pytest.mark.parametrize(
    "nic",
    [
        Nic(type="direct", source_device="ens1v0", source_mode="bridge"),
        Nic(type="direct", source_device="ens2", source_mode="passthrough"),
        Nic(type="bridge", source_device="ens1v0"),
        Nic(type="vdpa", source_device="/dev/vhost-vdpa-1"),
    ],
)
def test_what_is_shared_or_unknown_is_no_claim(nic: Nic) -> None:
    """A macvtap that shares its lower device, and names that lead nowhere."""
    owners = found(Guest(domain=Domain(uuid=A, name="a", nics=(nic,))))
    assert owners.of(VF) is HOST_OWNER
    assert not owners.by_device


def test_an_nvme_disk_of_a_real_definition_is_claimed() -> None:
    """With the function in the form that the kernel writes it in."""
    disk = (
        "<disk type='nvme' device='disk'><source type='pci' managed='yes' namespace='1'>"
        "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>"
        "<target dev='vde' bus='virtio'/></disk>"
    )
    xml = f"<domain id='3'><name>a</name><uuid>{A}</uuid><devices>{disk}</devices></domain>"
    assert found(Guest(domain=parse(xml))).of("0000:01:00.0") == Owner(uuid=A, stay=f"{A}/3")


def test_a_device_that_two_guests_claim_is_neithers() -> None:
    """However they claim it; one that a guest claims twice is its own."""
    twice = replace(
        guest(A, GPU).domain, nics=(Nic(type="hostdev", pci_address=GPU, mac="52:54:00:00:00:01"),)
    )
    owners = found(Guest(domain=twice), guest(B, FREE))
    assert owners.of(GPU) == Owner(uuid=A, stay=f"{A}/7")
    assert owners.macs == {GPU: "52:54:00:00:00:01"}
    disk = Disk(target="vda", pci_addresses=(GPU,))
    rival = Guest(domain=Domain(uuid=B, name="b", disks=(disk,)))
    owners = found(Guest(domain=twice), rival)
    assert owners.of(GPU) is None
    assert owners.of(GPU, held=False) is None
    assert GPU in owners.dispute(GPU)


def test_a_free_device_is_the_hosts_only_where_all_definitions_are_known() -> None:
    """The reason names the guest whose definition is missing: it may own the device."""
    assert found(guest(A, GPU)).of(FREE) is HOST_OWNER
    unread = found(guest(A, GPU), guest(B, complete=False))
    assert unread.of(FREE) is None
    assert unread.why_open() == f"the XML of 1 guest ({B[:4]!r}) cannot be read"
    early = found(guest(A, GPU), listed=False)
    assert early.of(FREE) is None
    assert early.why_open() == "not all guests are listed yet"
    for owners in (unread, early):
        assert owners.of(FREE, held=False) is HOST_OWNER
        assert owners.of(GPU) == Owner(uuid=A, stay=f"{A}/7")


def test_many_unread_guests_are_counted() -> None:
    """The sentence stays short."""
    many = [guest(f"{n:04}{A[4:]}", complete=False) for n in range(50)]
    assert found(*many).why_open() == (
        "the XML of 50 guests ('0000', '0001', '0002', '0003' and 46 more) cannot be read"
    )


@pytest.fixture
def proc(tmp_path: Path) -> Procfs:
    """Give a host on which nothing but process 1 runs."""
    return Procfs(tmp_path)


def test_a_stay_is_known_by_the_start_of_the_qemu(proc: Procfs) -> None:
    """Libvirt's ids begin anew with its daemon: the same guest with the same id is another stay."""
    with_gpu = guest(A, GPU)
    guests = {A: with_gpu}
    processes = QemuProcesses(proc.root)
    stays = []
    for start in (100, 200):
        proc.qemu(50, A, A[:4], starttime=start)
        processes.find(guests)
        owner = found(with_gpu, processes=processes).of(GPU)
        assert owner is not None
        stays.append(owner.stay)
        proc.end(50)
        processes.find(guests)
    assert stays == [f"{A}/7/100", f"{A}/7/200"]
    assert not same_stay(*stays)
    assert found(with_gpu, processes=processes).of(GPU) == Owner(uuid=A, stay=f"{A}/7")


def test_start_times_are_those_of_processes_that_still_run(proc: Procfs) -> None:
    """What was found before and ended since is not known to be this run's."""
    processes = QemuProcesses(proc.root)
    proc.qemu(50, A, "web", starttime=100)
    known = {A: Guest(domain=Domain(uuid=A, name="web"))}
    processes.find(known)
    assert processes.started([A, B]) == {A: 100}
    proc.end(50)
    proc.qemu(50, A, "web", starttime=300)
    assert processes.started([A]) == {}


def test_start_times_wait_for_the_look_at_processes(proc: Procfs) -> None:
    """Sources of one collection run beside each other: the first one does not go without."""
    processes = QemuProcesses(proc.root)
    proc.qemu(50, A, "web", starttime=100)
    processes.find({})
    looker = Thread(target=processes.find, args=({A: Guest(domain=Domain(uuid=A, name="web"))},))
    looker.start()
    assert processes.started([A]) == {A: 100}
    looker.join()


def test_where_no_source_looks_for_processes_none_is_waited_for_twice(proc: Procfs) -> None:
    """The start is not known then, and the owner is known by libvirt's id alone."""
    processes = QemuProcesses(proc.root)
    proc.qemu(50, A, "web", starttime=100)
    for _ in range(1000):  # longer than a test may take, were each of them patient
        assert processes.started([A]) == {}


@pytest.mark.parametrize(
    ("known", "now", "same"),
    [
        ("u/5", "u/5", True),
        ("u/5", "u/5/100", True),
        ("u/5/100", "u/5", True),
        ("u/5/100", "u/5/200", False),
        ("u/5", "u/51", False),
        ("u/5", "", False),
        ("", "u/5", False),
        ("", "", True),
    ],
)
def test_a_stay_that_is_known_better_is_the_same(known: str, now: str, same: bool) -> None:  # noqa: FBT001
    """Not to know the start makes no new owner; another start does."""
    assert same_stay(known, now) is same


def test_counters_go_on_when_the_start_becomes_known(tmp_path: Path) -> None:
    """Also after a restart of the collector. While it is not known they are left out: it may be another."""

    def reading(stay: str, raw: int) -> float | None:
        baselines = Baselines(tmp_path / "state", tmp_path, patience=30)
        values = baselines.relative("pci/x", stay, {"errors": raw})
        baselines.flush()
        return values.get("errors")

    stays = ["u/5", "u/5/100", "u/5", "u/5/100", "u/5/200"]
    assert [reading(stay, 10 + n) for n, stay in enumerate(stays)] == [0, 1, None, 3, 0]
