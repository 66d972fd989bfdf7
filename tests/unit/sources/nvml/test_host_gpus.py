"""GPUs of the host, as NVML reports them."""

import time

import pytest

from tests.fakes.nvml import INVALID_ARGUMENT, NO_PERMISSION, NOT_SUPPORTED
from tests.unit.sources.nvml.conftest import NvmlHost, guest

GPU, SECOND = "0000:1b:00.0", "0001:3c:00.0"
A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
PREFIX = "hostcollector_host_gpu"


def test_gauges(host: NvmlHost) -> None:
    """What a GPU shows arrives in base units."""
    host.gpu(GPU)
    found = host.read()
    expected = {
        "power_watts": 312.5,
        "power_limit_watts": 700.0,
        "temperature_celsius": 61.0,
        "memory_temperature_celsius": 70.0,
        "memory_power_watts": 48.25,
        "temperature_headroom_celsius": -3.0,
        "sram_ecc_threshold_exceeded": 0.0,
        "memory_bytes": 80.0 * 2**30,
        "memory_used_bytes": 10.0 * 2**30,
        "ecc_enabled": 1.0,
        "row_remapping_pending": 1.0,
        "row_remapping_failed": 0.0,
        "page_retirement_pending": 0.0,
        "encoder_sessions": 0.0,
        "mig_enabled": 0.0,
        "vgpus": 0.0,
        "lost": 0.0,
    }
    assert {key: found[f"{PREFIX}_{key}"] for key in expected} == {
        key: {(GPU,): value} for key, value in expected.items()
    }


def test_gauges_by_label(host: NvmlHost) -> None:
    """Engines, clocks, spare rows and reasons for lower clocks have names."""
    host.gpu(GPU)
    found = host.read()
    assert found[f"{PREFIX}_utilization_ratio"] == {
        (GPU, "gpu"): 0.87,
        (GPU, "memory"): 0.25,
        (GPU, "encoder"): 0.05,
    }
    assert found[f"{PREFIX}_clock_hertz"] == {
        (GPU, "graphics"): 1980e6,
        (GPU, "sm"): 1981e6,
        (GPU, "memory"): 1982e6,
    }
    assert found[f"{PREFIX}_row_remapping_banks"][GPU, "max"] == 638.0
    held = {labels[1] for labels, value in found[f"{PREFIX}_clocks_held"].items() if value}
    assert held == {"sw_power_cap", "hw_thermal"}
    assert len(found[f"{PREFIX}_clocks_held"]) == 9


def test_who_it_is(host: NvmlHost) -> None:
    """Driver and GPU say who they are, by which the BMC's names can be found."""
    host.gpu(GPU)
    found = host.read()
    assert found["hostcollector_host_nvml_up"] == {(): 1.0}
    assert found["hostcollector_host_nvml_info"] == {("580.95.05", "13.580.95.05"): 1.0}
    identity = (GPU, "NVIDIA H100 80GB HBM3", "165432", f"GPU-{GPU}", "1")
    assert found[f"{PREFIX}_identity_info"] == {identity: 1.0}
    assert found[f"{PREFIX}_observable"] == {(GPU, GPU, "nvml"): 1.0}


def test_counters_start_at_zero(host: NvmlHost) -> None:
    """Counters count from the moment on at which the GPU came to the host, also past a restart."""
    device = host.gpu(GPU)
    host.nvml.counters(device, energy=5_000_000_000_000, errors=100)
    first = host.read()
    host.nvml.counters(device, energy=5_000_000_007_500, errors=103)
    host.source.close()
    host.source = host.restarted()
    then = host.read()
    counters = {name for name in first if name.endswith("_total")}
    assert all(value == 0 for name in counters for value in first[name].values())
    assert then[f"{PREFIX}_energy_joules_total"] == {(GPU,): 7.5}
    assert then[f"{PREFIX}_throttle_seconds_total"] == {(GPU, "power"): 3.0, (GPU, "thermal"): 3.0}
    assert then[f"{PREFIX}_ecc_errors_total"] == {(GPU, "corrected"): 3, (GPU, "uncorrected"): 3}
    assert len(then[f"{PREFIX}_memory_ecc_errors_total"]) == 4
    assert then[f"{PREFIX}_pcie_replays_total"] == {(GPU,): 3}
    assert then[f"{PREFIX}_remapped_rows_total"][GPU, "corrected"] == 3
    assert then[f"{PREFIX}_retired_pages_total"].keys() == {
        (GPU, "single_bit_errors"),
        (GPU, "double_bit_error"),
    }


@pytest.mark.parametrize("nvml", ["", "old"], indirect=True)
def test_nvlinks(host: NvmlHost) -> None:
    """NVLinks are up or down, and what went over them is counted in bytes, on new drivers and on old ones."""
    device = host.gpu(GPU)
    host.nvml.library.fake_links(device, 3)
    host.nvml.counters(device, nvlink_kib=2**33)
    host.read()
    host.nvml.counters(device, nvlink_kib=2**33 + 6, errors=2)
    found = host.read()
    assert found[f"{PREFIX}_nvlink_up"] == {(GPU, "0"): 1.0, (GPU, "1"): 0.0, (GPU, "2"): 1.0}
    # A new driver reports each link's bytes, an old one those of all: here two links are up.
    bytes_told = found[f"{PREFIX}_nvlink_receive_bytes_total"][GPU,]
    assert bytes_told in (2 * 6 * 1024, 6 * 1024)
    assert found[f"{PREFIX}_nvlink_transmit_bytes_total"] == {(GPU,): bytes_told}
    errors = {(GPU, kind): 2 for kind in ("crc_flit", "crc_data", "replay", "recovery")}
    assert found[f"{PREFIX}_nvlink_errors_total"] == errors


def test_nvlinks_that_were_up_are_expected(host: NvmlHost) -> None:
    """A link that has been up since the GPU came to its owner stays expected; one that never was is not."""
    device = host.gpu(GPU)
    host.nvml.library.fake_links(device, 3)
    assert host.read()[f"{PREFIX}_nvlinks_expected"] == {(GPU,): 2}
    host.nvml.library.fake_links(device, 1)
    found = host.read()
    assert found[f"{PREFIX}_nvlink_up"] == {(GPU, "0"): 1.0}
    assert found[f"{PREFIX}_nvlinks_expected"] == {(GPU,): 2}


def test_sram_that_had_too_many_errors(host: NvmlHost) -> None:
    """The driver's own verdict: such a GPU is to be replaced."""
    host.nvml.counters(host.gpu(GPU), errors=1001)
    assert host.read()[f"{PREFIX}_sram_ecc_threshold_exceeded"] == {(GPU,): 1.0}


@pytest.mark.parametrize("present", [{0, 2, 5}, {3}, {0, 17}, {1, 30}, set()])
def test_nvlinks_with_holes(host: NvmlHost, present: set[int]) -> None:
    """A link that a GPU does not have hides none of those behind it, and their bytes are summed."""
    device = host.gpu(GPU)
    host.nvml.library.fake_link_set(device, sum(1 << link for link in present))
    host.nvml.counters(device, nvlink_kib=2**20)
    host.read()
    host.nvml.counters(device, nvlink_kib=2**20 + 1)
    found = host.read()
    assert found.get(f"{PREFIX}_nvlink_up", {}).keys() == {(GPU, str(link)) for link in present}
    if up := present - {1}:
        assert found[f"{PREFIX}_nvlink_receive_bytes_total"] == {(GPU,): 1024 * len(up)}


@pytest.mark.parametrize("nvml", ["old"], indirect=True)
def test_old_driver(host: NvmlHost) -> None:
    """Where symbols are missing their older forms serve, and nothing else is lost."""
    host.gpu(GPU)
    found = host.read()
    assert found[f"{PREFIX}_memory_used_bytes"] == {(GPU,): 12.0 * 2**30}
    assert found[f"{PREFIX}_clocks_held"][GPU, "sw_power_cap"] == 1.0
    assert found[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}
    newer = ("temperature_headroom_celsius", "sram_ecc_threshold_exceeded", "memory_power_watts")
    assert not {f"{PREFIX}_{name}" for name in newer} & found.keys()


def test_names_that_fill_their_buffers(host: NvmlHost) -> None:
    """Names as long as their buffers arrive whole."""
    host.tree.add(GPU, driver="nvidia")
    host.nvml.device(GPU, name="N" * 95, serial="S" * 29)
    ((_, model, serial, *_),) = host.read()[f"{PREFIX}_identity_info"]
    assert (model, serial) == ("N" * 95, "S" * 29)


def test_mig(host: NvmlHost) -> None:
    """A GPU that is split shows its instances; what it then does not answer is missing, not zero."""
    device = host.gpu(GPU)
    assert (GPU, "gpu") in host.read()[f"{PREFIX}_utilization_ratio"]
    host.nvml.mig(device, on=True)
    split = host.read()
    instance = (GPU, "3", "0")
    assert split[f"{PREFIX}_mig_enabled"] == {(GPU,): 1.0}
    assert split[f"{PREFIX}_mig_info"] == {(*instance, "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "MIG-5a8f"): 1.0}
    assert split[f"{PREFIX}_mig_memory_bytes"] == {instance: 80.0 * 2**30}
    assert (GPU, "gpu") not in split[f"{PREFIX}_utilization_ratio"]
    host.nvml.mig(device, on=False)
    whole = host.read()
    assert f"{PREFIX}_mig_info" not in whole
    assert whole[f"{PREFIX}_utilization_ratio"][GPU, "gpu"] == 0.87


def test_every_call_is_probed_once(host: NvmlHost) -> None:
    """An unsupported call costs the GPU's own series only, and is not made again."""
    first, second = host.gpu(GPU), host.gpu(SECOND)
    host.nvml.fail("nvmlDeviceGetPowerUsage", NOT_SUPPORTED, first)
    found = [host.read() for _ in range(3)][-1]
    assert found[f"{PREFIX}_power_watts"] == {(SECOND,): 312.5}
    assert found[f"{PREFIX}_temperature_celsius"].keys() == {(GPU,), (SECOND,)}
    assert host.nvml.calls("nvmlDeviceGetPowerUsage", first) == 1
    assert host.nvml.calls("nvmlDeviceGetPowerUsage", second) == 3


@pytest.mark.parametrize("code", [NOT_SUPPORTED, INVALID_ARGUMENT, NO_PERMISSION])
@pytest.mark.parametrize(
    ("function", "row"),
    [
        ("nvmlDeviceGetPowerUsage", "power_watts"),
        ("nvmlDeviceGetMemoryInfo_v2", "memory_used_bytes"),
        ("nvmlDeviceGetTotalEnergyConsumption", "energy_joules_total"),
        ("nvmlDeviceGetActiveVgpus", "vgpus"),
        ("nvmlDeviceGetFieldValues", "memory_temperature_celsius"),
        ("nvmlDeviceRegisterEvents", "xid_events_total"),
        ("nvmlEventSetCreate", "xid_events_total"),
    ],
)
def test_what_was_not_supported_for_a_moment_comes_back(
    host: NvmlHost, code: int, function: str, row: str
) -> None:
    """A refusal is believed for some minutes and no longer; the source need not be started again."""
    host.gpu(GPU)
    host.nvml.fail(function, code)
    host.read()
    host.nvml.repair()
    host.clock.now += 301.0
    assert host.read()[f"{PREFIX}_{row}"]


def test_xid_events(host: NvmlHost) -> None:
    """Errors that the driver reports are counted by GPU and code."""
    host.gpu(GPU)
    second = host.gpu(SECOND)
    assert host.read()[f"{PREFIX}_xid_events_total"] == {(GPU,): 0, (SECOND,): 0}
    host.nvml.xid(second, 79)
    # The listener waits for events for half a second at a time; the test's own time limit ends this loop.
    while not (found := host.read())[f"{PREFIX}_xid_events_total"][SECOND,]:
        time.sleep(0.01)
    assert found[f"{PREFIX}_xid_events_by_code_total"] == {(SECOND, "79"): 1}
    assert found[f"{PREFIX}_xid_events_total"][GPU,] == 0


def test_passed_through_gpu_is_not_observable(host: NvmlHost) -> None:
    """That NVML does not see a guest's GPU is said of that guest's GPU."""
    host.gpu(GPU)
    host.tree.add(SECOND)
    found = host.read(guest(A, SECOND))
    assert found["libvirt_domain_gpu_observable"] == {(A, SECOND, SECOND, "nvml"): 0.0}
    assert found[f"{PREFIX}_observable"] == {(GPU, GPU, "nvml"): 1.0}


def test_gpu_that_goes_from_guest_to_guest(host: NvmlHost) -> None:
    """A guest's GPU that NVML sees is the guest's series, and each owner's counters start at 0."""
    device = host.gpu(GPU)
    name = "libvirt_domain_gpu_energy_joules_total"
    host.nvml.counters(device, energy=9_000_000)
    assert host.read(guest(A, GPU))[name] == {(A, GPU): 0.0}
    host.nvml.counters(device, energy=9_500_000)
    assert host.read(guest(A, GPU))[name] == {(A, GPU): 500.0}
    assert host.read(guest(B, GPU))[name] == {(B, GPU): 0.0}
    host.nvml.counters(device, energy=9_600_000)
    assert host.read(guest(B, GPU))[name] == {(B, GPU): 100.0}


def test_host_does_not_see_what_a_guest_did(host: NvmlHost) -> None:
    """A GPU that was away with a guest starts at 0 when it comes back to the host."""
    device = host.gpu(GPU)
    host.nvml.counters(device, errors=5)
    host.read()
    host.tree.bind(GPU, "vfio-pci")
    assert f"{PREFIX}_ecc_errors_total" not in host.read(guest(A, GPU))
    host.nvml.counters(device, errors=500)
    host.tree.bind(GPU, "nvidia")
    assert host.read()[f"{PREFIX}_ecc_errors_total"][GPU, "corrected"] == 0
