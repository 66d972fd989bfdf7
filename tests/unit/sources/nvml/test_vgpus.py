"""vGPUs as the host's driver reports them, joined to the guests that have them."""

import pytest

from tests.fakes.nvml import ID_KIND, NOT_SUPPORTED
from tests.unit.sources.nvml.conftest import NvmlHost, guest

GPU, VF, OTHER_VF = "0000:1b:00.0", "0000:1b:00.4", "0000:1b:00.5"
A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
MDEV, OTHER_MDEV = "83c32df7-d52e-4ec1-9668-1f3c7e4df107", "c9c4ccd2-8c4b-4f3b-9d7d-3d2d3c1b0a01"
GUEST = "libvirt_domain_gpu"


def test_frame_buffer_above_four_gibibytes(host: NvmlHost) -> None:
    """Use and size of a vGPU's memory come through whole, above 4 GiB as well."""
    device = host.gpu(GPU)
    host.tree.mdev(MDEV, GPU, "GRID A100-20C")
    host.nvml.vgpu(device, 1, A, mdev=MDEV, used=10 * 2**30 + 5, size=20 * 2**30)
    found = host.read(guest(A, MDEV))
    assert found[f"{GUEST}_memory_used_bytes"] == {(A, MDEV): 10 * 2**30 + 5}
    assert found[f"{GUEST}_memory_bytes"] == {(A, MDEV): 20 * 2**30}


def test_series_of_a_vgpu(host: NvmlHost) -> None:
    """Encoder, licence, ECC and what the vGPU is are its guest's series, in base units."""
    device = host.gpu(GPU)
    host.tree.mdev(MDEV, GPU, "GRID A100-10C")
    host.nvml.vgpu(device, 1, A.upper(), mdev=MDEV.upper())
    found = host.read(guest(A, MDEV))
    expected = {
        "encoder_sessions": 2.0,
        "encoder_frames_per_second": 60.0,
        "encoder_latency_seconds": 0.0015,
        "ecc_enabled": 1.0,
        "vgpu_licensed": 1.0,
        "vgpu_license_state_id": 5,
    }
    assert {key: found[f"{GUEST}_{key}"] for key in expected} == {
        key: {(A, MDEV): value} for key, value in expected.items()
    }
    about = (GPU, "NVIDIA H100-10C", "vgpu-00000001", "", "570.1")
    assert found[f"{GUEST}_vgpu_info"] == {(A, MDEV, *about): 1.0}
    assert found[f"{GUEST}_observable"] == {(A, MDEV, GPU, "nvml"): 1.0}
    assert f"{GUEST}_info" not in found
    assert found["hostcollector_host_gpu_vgpus"] == {(GPU,): 1.0}
    assert found["hostcollector_host_gpu_vgpu_scheduler_info"] == {(GPU, "equal_share"): 1.0}


@pytest.mark.parametrize("nvml", ["", "old"], indirect=True)
def test_utilization_since_the_last_read(host: NvmlHost) -> None:
    """Each sample is shown once; without a new one there is no value."""
    device = host.gpu(GPU)
    host.tree.mdev(MDEV, GPU, "GRID A100-10C")
    host.nvml.vgpu(device, 1, A, mdev=MDEV)
    host.nvml.sample(1, 1_000_000, 40)
    name = f"{GUEST}_utilization_ratio"
    first = host.read(guest(A, MDEV))[name]
    assert (first[A, MDEV, "gpu"], first[A, MDEV, "memory"]) == (0.4, 0.1)
    assert name not in host.read(guest(A, MDEV))
    host.nvml.sample(1, 2_000_000, 90)
    assert host.read(guest(A, MDEV))[name][A, MDEV, "gpu"] == 0.9


@pytest.mark.parametrize("nvml", ["", "old"], indirect=True)
@pytest.mark.parametrize("before", [9_000_000, 2**64 - 1])
def test_utilization_after_the_clock_was_set_back(host: NvmlHost, before: int) -> None:
    """The host's clock stamps the samples: the first ones after the step are passed over, and no more."""
    device = host.gpu(GPU)
    host.tree.mdev(MDEV, GPU, "GRID A100-10C")
    host.nvml.vgpu(device, 1, A, mdev=MDEV)
    name = f"{GUEST}_utilization_ratio"
    found = []
    for stamp, busy in ((before, 40), (1_000_000, 50), (1_000_000, 50), (2_000_000, 90)):
        host.nvml.sample(1, stamp, busy)
        found.append(host.read(guest(A, MDEV)).get(name, {}).get((A, MDEV, "gpu")))
    assert found == [0.4, None, None, 0.9]


def test_engines_of_new_drivers(host: NvmlHost) -> None:
    """A new driver reports the use of the engines for JPEG and optical flow too."""
    device = host.gpu(GPU)
    host.tree.mdev(MDEV, GPU, "GRID A100-10C")
    host.nvml.vgpu(device, 1, A, mdev=MDEV)
    host.nvml.sample(1, 1, 40)
    engines = {labels[2] for labels in host.read(guest(A, MDEV))[f"{GUEST}_utilization_ratio"]}
    assert engines == {"gpu", "memory", "encoder", "decoder", "jpeg", "ofa"}


def test_sriov_vgpu(host: NvmlHost) -> None:
    """Without mdevs the VM's id leads to the guest and its one VF of that type to the name."""
    device = host.gpu(GPU)
    host.tree.vf(VF, GPU, current_vgpu_type="10")
    host.tree.vf(OTHER_VF, GPU, current_vgpu_type="11")
    host.nvml.vgpu(device, 1, A, type_id=10, used=1)
    host.nvml.vgpu(device, 2, A, type_id=11, used=2)
    found = host.read(guest(A, VF, OTHER_VF))
    assert found[f"{GUEST}_memory_used_bytes"] == {(A, VF): 1, (A, OTHER_VF): 2}
    assert f"{GUEST}_info" not in found


def test_twins_are_not_guessed(host: NvmlHost) -> None:
    """Two vGPUs of one type in one guest cannot be distinguished by VF: they keep the driver's names."""
    device = host.gpu(GPU)
    for number, vf in enumerate((VF, OTHER_VF), 1):
        host.tree.vf(vf, GPU, current_vgpu_type="10")
        host.nvml.vgpu(device, number, A, type_id=10, used=number)
    found = host.read(guest(A, VF, OTHER_VF))
    names = {(A, "vgpu-00000001"): 1, (A, "vgpu-00000002"): 2}
    assert found[f"{GUEST}_memory_used_bytes"] == names
    assert {labels[:2] for labels in found[f"{GUEST}_info"]} == names.keys()
    assert host.reading(guest(A, VF, OTHER_VF)).missing == 0
    observable = {labels[1]: value for labels, value in found[f"{GUEST}_observable"].items()}
    assert observable == {"vgpu-00000001": 1.0, "vgpu-00000002": 1.0, VF: 0.0, OTHER_VF: 0.0}


def test_a_vgpu_that_the_driver_does_not_tell_is_missed(host: NvmlHost) -> None:
    """The definition promises two VFs, and the driver knows of one vGPU: one is missing, by name."""
    device = host.gpu(GPU)
    for vf in (VF, OTHER_VF):
        host.tree.vf(vf, GPU, current_vgpu_type="10")
    host.nvml.vgpu(device, 1, A, type_id=10)
    assert host.reading(guest(A, VF)).missing == 0
    reading = host.reading(guest(A, VF, OTHER_VF))
    assert (reading.missing, reading.partial) == (1, True)
    assert any(note.startswith("vGPU not found: ") for note in reading.notes)


def test_vm_by_libvirts_number(host: NvmlHost) -> None:
    """A VM that is named by libvirt's number of the domain is found too."""
    device = host.gpu(GPU)
    host.nvml.vgpu(device, 1, "7", kind=ID_KIND, used=5)
    found = host.read(guest(A, run=3), guest(B, run=7))
    assert found[f"{GUEST}_memory_used_bytes"] == {(B, "vgpu-00000001"): 5}


def test_mig_backed_vgpu(host: NvmlHost) -> None:
    """A vGPU with a MIG instance of its own says which, and what it is when sysfs cannot."""
    device = host.gpu(GPU)
    host.nvml.vgpu(device, 1, A, gpu_instance=3)
    found = host.read(guest(A))
    ((*_, gpu_instance, _driver),) = found[f"{GUEST}_vgpu_info"]
    assert gpu_instance == "3"
    ((*_, mode),) = found[f"{GUEST}_info"]
    assert mode == "mig-vgpu"


def test_vgpus_of_strangers(host: NvmlHost) -> None:
    """A vGPU of an unknown VM has no series, and the notes say that it is left out."""
    device = host.gpu(GPU)
    host.nvml.vgpu(device, 1, B)
    reading = host.reading(guest(A))
    assert not [sample for sample in reading.samples if sample.uuid]
    assert reading.partial
    assert any("1 of 1 vGPUs" in note for note in reading.notes)


def test_conflicting_owners(host: NvmlHost) -> None:
    """A vGPU that the definitions give to one guest and the driver to another one is shown to neither."""
    device = host.gpu(GPU)
    host.tree.mdev(MDEV, GPU, "GRID A100-10C")
    host.nvml.vgpu(device, 1, B, mdev=MDEV, used=9)
    found = host.read(guest(A, MDEV), guest(B))
    assert f"{GUEST}_memory_used_bytes" not in found
    assert found[f"{GUEST}_observable"] == {(A, MDEV, GPU, "nvml"): 0.0}


def test_six_vgpus_of_three_guests(host: NvmlHost) -> None:
    """Each vGPU's series are its guest's, on two GPUs with three guests."""
    devices = [host.gpu(GPU), host.gpu("0000:2b:00.0", serial="2")]
    uuids = [f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc"]
    mdevs = {uuid: [f"{number}{uuid[1:]}" for number in "12"] for uuid in uuids}
    for number, uuid in enumerate(uuids):
        for which, device in enumerate(devices):
            mdev = mdevs[uuid][which]
            host.tree.mdev(mdev, (GPU, "0000:2b:00.0")[which], "GRID A100-10C")
            host.nvml.vgpu(device, 10 * number + which, uuid, mdev=mdev, used=10 * number + which)
    found = host.read(*(guest(uuid, *mdevs[uuid]) for uuid in uuids))
    assert found[f"{GUEST}_memory_used_bytes"] == {
        (uuid, mdevs[uuid][which]): 10 * number + which
        for number, uuid in enumerate(uuids)
        for which in range(2)
    }


def test_missing_call_of_a_vgpu(host: NvmlHost) -> None:
    """A vGPU's call that the driver does not have costs its own series only and is not repeated."""
    device = host.gpu(GPU)
    host.nvml.vgpu(device, 1, A, used=3)
    host.nvml.fail("nvmlVgpuInstanceGetLicenseInfo_v2", NOT_SUPPORTED)
    found = [host.read(guest(A)) for _ in range(3)][-1]
    assert f"{GUEST}_vgpu_licensed" not in found
    assert found[f"{GUEST}_memory_used_bytes"] == {(A, "vgpu-00000001"): 3}
    assert host.nvml.calls("nvmlVgpuInstanceGetLicenseInfo_v2", device) == 1
