"""What goes wrong with the BMC, with NVML or with one GPU costs the series that depend on it, and no more."""

import time

from hostcollector.base.errors import Reason
from hostcollector.base.model import Snapshot, SourceState
from tests.fakes.bmc.baseboard import ENVIRONMENT
from tests.simulated.gpu_host import MIG, PASSED, SPLIT, GpuHost, wait_until
from tests.simulated.pages import report_of, series_of, values

POWER, OBSERVABLE = "libvirt_domain_gpu_power_watts", "libvirt_domain_gpu_observable"
HOST_POWER = "hostcollector_host_gpu_power_watts"


def names(snapshot: Snapshot, source: str) -> set[str]:
    """Return the metrics of a page that are rows of a source."""
    return {
        family.metric.name for family in snapshot.families if family.metric.source == source and family.series
    }


def test_a_bmc_that_is_unplugged(host: GpuHost) -> None:
    """Its values end when they are old, and it is said why; all the rest stays, and all returns by itself."""
    before = host.settled()
    host.bmc.unplugged = True
    wait_until(lambda: host.client.current()[2] != "")
    host.skipped += 60.0
    page = host.snapshot()
    assert not values(page, POWER)
    assert set(values(page, OBSERVABLE, source="redfish").values()) == {0.0}
    report = report_of(page, "redfish")
    assert report.state is SourceState.PARTIAL
    assert "connection broke off" in report.notes[0]
    assert names(page, "vfio") == names(before, "vfio")
    assert values(page, HOST_POWER).keys() == {("", gpu) for gpu in (*SPLIT, MIG)}
    host.bmc.unplugged = False
    wait_until(lambda: values(host.snapshot(), POWER) == values(before, POWER))


def test_a_call_of_nvml_that_hangs(host: GpuHost) -> None:
    """The collection ends at its budget with everything else; when the call returns all is there again."""
    before = host.settled()
    host.nvml.hang("nvmlDeviceGetPowerUsage")
    started = time.monotonic()
    hung = host.snapshot(2.0)
    assert time.monotonic() - started < 20.0  # and not the minute that the call may take
    later = host.snapshot(2.0)
    host.nvml.hang("")
    assert [report_of(page, "nvml").reason for page in (hung, later)] == [Reason.TIMEOUT, Reason.BUSY]
    for page in (hung, later):
        assert not values(page, HOST_POWER).keys() & {("", gpu) for gpu in (*SPLIT, MIG)}
        assert values(page, POWER) == values(before, POWER)
        assert names(page, "vfio") == names(before, "vfio")
    wait_until(lambda: report_of(host.snapshot(), "nvml").state is not SourceState.FAILED)
    assert values(host.snapshot(), HOST_POWER) == values(before, HOST_POWER)


def test_a_gpu_that_is_lost(host: GpuHost) -> None:
    """A guest's GPU that the BMC gets no answer from loses its readings only, and gets them back."""
    before = host.settled()
    lost = host.bmc.baseboard.gpus[1]
    lost.lost = True
    host.heard()
    page = host.snapshot()
    assert values(page, POWER).keys() == values(before, POWER).keys() - {("train", PASSED[1])}
    observable = values(page, OBSERVABLE, source="redfish")
    assert {gpu: value for (_, gpu), value in observable.items()} == {
        gpu: float(gpu != PASSED[1]) for gpu in PASSED
    }
    lost.lost = False
    host.heard()
    assert values(host.snapshot(), POWER) == values(before, POWER)


def test_a_gpu_of_the_host_that_is_lost(host: GpuHost) -> None:
    """One that falls off the bus under NVIDIA's driver costs its own series and is said to be lost."""
    before = host.settled()
    host.nvml.lose(0)
    page = host.snapshot()
    assert values(page, HOST_POWER).keys() == values(before, HOST_POWER).keys() - {("", SPLIT[0])}
    assert values(page, "hostcollector_host_gpu_lost")["", SPLIT[0]] == 1.0
    host.nvml.lose(0, lost=False)
    assert values(host.snapshot(), HOST_POWER) == values(before, HOST_POWER)


def test_a_report_that_fails(host: GpuHost) -> None:
    """One report that the BMC cannot make costs what is in it, never an old value, and is named."""
    host.settled()
    host.bmc.answers(ENVIRONMENT, 500)
    host.heard()
    page = host.snapshot()
    assert not values(page, POWER)
    assert set(values(page, OBSERVABLE, source="redfish").values()) == {1.0}
    assert any("PlatformEnvironment" in note for note in report_of(page, "redfish").notes)
    assert [one for one in series_of(page) if one.name == "libvirt_domain_gpu_throttle_seconds_total"]
    host.bmc.misbehave.clear()
    host.heard()
    assert values(host.snapshot(), POWER)
