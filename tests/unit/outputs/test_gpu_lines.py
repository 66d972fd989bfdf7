"""What `diagnose` says of each GPU."""

from pathlib import Path

import pytest

from hostcollector.base.definition import Domain, HostDevice
from hostcollector.base.model import Guest, Report, Sample, Snapshot, SourceState, Tenant
from hostcollector.base.source import Request
from hostcollector.catalogue import bmc, gpu
from hostcollector.collection.assemble import Assembler
from hostcollector.devices.baselines import Baselines
from hostcollector.outputs.diagnose import lines as diagnose
from hostcollector.outputs.diagnose.gpus import gpu_lines, written
from hostcollector.sources.vfio import Vfio
from tests.fakes.pci import PciTree

UUID = "11111111-1111-4111-8111-111111111111"
GPU, FREE, OURS = "0000:3b:00.0", "0000:3c:00.0", "0000:3d:00.0"

KNOWN = Sample(bmc.GPU_INFO, 1.0, (GPU, "GPU_SXM_1", "", GPU, "map", "", "", "", ""))


def page(path: Path, *more: Sample) -> Snapshot:
    """Return the page of a host with a guest's GPU, a free one and one of the host; `more` from elsewhere."""
    tree = PciTree(path)
    tree.add(GPU)
    tree.aer(GPU)
    tree.add(FREE)
    tree.add(OURS, driver="nvidia")
    tree.aer(OURS)
    passed = (HostDevice(type="pci", pci_address=GPU),)
    member = Guest(
        domain=Domain(uuid=UUID, name="train", id=1, host_devices=passed), tenant=Tenant(id="acme")
    )
    request = Request(guests={UUID: member}, deadline=0.0, taken_at=0.0)
    found = Vfio(path, Baselines(path / "state", path, patience=30)).read(request)
    report = Report(source="vfio", state=SourceState.OK, samples=(*found.samples, *more))
    return Assembler().assemble(
        taken_at=0.0, guests={UUID: member}, reports=[report], own=(), facts={"libvirt_uri": "qemu:///system"}
    )


def test_lines(tmp_path: Path) -> None:
    """Each GPU has its address, driver and owner, who sees it, and what to do about what is missing."""
    assert list(written(gpu_lines(page(tmp_path)))) == [
        f"  {GPU}  NVIDIA 0x2330 (passthrough, driver vfio-pci)  guest train of acme  seen by vfio",
        "    - only the BMC knows its power, temperature and ECC errors: set redfish.url",
        f"  {FREE}  NVIDIA 0x2330 (passthrough, driver vfio-pci)  no guest  seen by vfio",
        "    - only the BMC knows its power, temperature and ECC errors: set redfish.url",
        "    - no PCIe error counters: the firmware keeps error handling to itself (no native AER)",
        f"  {OURS}  NVIDIA 0x2330 (host, driver nvidia)  no guest  seen by vfio",
        "    - NVIDIA's driver does not report it: see the notes of the source nvml",
    ]


def test_nothing_is_missing(tmp_path: Path) -> None:
    """A GPU that all sources see has no advice."""
    seen = [
        Sample(gpu.OBSERVABLE.guest, 1.0, (GPU, GPU, "redfish"), UUID),
        Sample(gpu.OBSERVABLE.host, 1.0, (OURS, OURS, "nvml")),
    ]
    by_name = {line.name: line for line in gpu_lines(page(tmp_path, *seen))}
    assert (by_name[GPU].fixes, by_name[GPU].seen_by) == ((), ("redfish", "vfio"))
    assert (by_name[OURS].fixes, by_name[OURS].seen_by) == ((), ("nvml", "vfio"))


@pytest.mark.parametrize(
    ("shown", "fix"),
    [
        ((), "set redfish.url"),
        ((Sample(bmc.REDFISH_UP, 0.0),), "does not answer"),
        ((Sample(bmc.REDFISH_UP, 1.0),), "redfish.gpu_map_file"),
        ((Sample(bmc.REDFISH_UP, 1.0), KNOWN), "may need a reset"),
    ],
)
def test_what_the_bmc_lacks(tmp_path: Path, shown: tuple[Sample, ...], fix: str) -> None:
    """A passed-through GPU that the BMC does not report has the advice that fits."""
    by_name = {line.name: line for line in gpu_lines(page(tmp_path, *shown))}
    (said,) = by_name[GPU].fixes
    assert fix in said


def test_diagnose_has_them(tmp_path: Path) -> None:
    """The report for a person has a section of GPUs where there are any."""
    text = list(diagnose.lines(page(tmp_path)))
    assert text[text.index("GPUs:") + 1].startswith(f"  {GPU}")
