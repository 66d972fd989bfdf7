"""What a BMC says when it knows nothing, or says in another unit, is on no page; its neighbours are."""

import pytest

from tests.simulated.gpu_host import PASSED, GpuHost
from tests.simulated.pages import report_of, values

RENDER = {("render", gpu) for gpu in PASSED[2:]}


@pytest.mark.parametrize(
    ("what", "wild", "metric"),
    [
        ("power", (4294967.295, -1.0), "power_watts"),
        ("power", (310500.0, 16777216.0), "power_watts"),
        ("power", (65535.0, 65.535), "power_watts"),
        ("temperature", (-273.15, 4294967295.0), "temperature_celsius"),
        ("memory_temperature", (255.0, -1.0), "memory_temperature_celsius"),
        ("headroom", (-273.15, 65535.0), "temperature_headroom_celsius"),
        ("memory_mib", (0, 2**32 - 1), "memory_bytes"),
    ],
)
def test_what_cannot_be_is_absent_and_noted(
    what: str, wild: tuple[float, float], metric: str, host: GpuHost
) -> None:
    """All ones in several units, milliwatts, the absolute zero, a memory of 0: of the GPUs that say so."""
    for gpu, value in zip(host.bmc.baseboard.gpus, wild, strict=False):
        setattr(gpu, what, value)
    name = f"libvirt_domain_gpu_{metric}"
    snapshot = host.settled()
    assert {key for key in values(snapshot, name) if key[1] in PASSED} == RENDER
    assert any(name in note for note in report_of(snapshot, "redfish").notes)


def test_a_wild_reading_of_a_counter_is_absent(host: GpuHost) -> None:
    """The owner's energy goes on after it from where it was."""
    gpu, seen = host.bmc.baseboard.gpus[0], []
    for energy in (1_000_000.0, 1_000_500.0, 2**64 / 1000 - 1, 1_001_000.0):
        gpu.energy = energy
        snapshot = host.settled()
        seen.append(values(snapshot, "libvirt_domain_gpu_energy_joules_total").get(("train", PASSED[0])))
    assert seen == [0, 500, None, 1000]
