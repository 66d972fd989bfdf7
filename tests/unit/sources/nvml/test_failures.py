"""What is lost, and what is not, when NVML, its driver or a GPU fails."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hostcollector.base.errors import Reason
from hostcollector.base.model import SourceState
from hostcollector.collection.assemble import Assembler
from hostcollector.collection.collector import Collector, Guests
from hostcollector.devices.baselines import Baselines
from hostcollector.sources.nvml import Nvml, binding
from hostcollector.sources.vfio import Vfio
from tests.fakes.nvml import DRIVER_NOT_LOADED, NO_PERMISSION, NOT_SUPPORTED, UNKNOWN, FakeNvml, loaded
from tests.fakes.samples import table
from tests.unit.sources.nvml.conftest import NvmlHost, guest

GPU, SECOND = "0000:1b:00.0", "0000:2b:00.0"
A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
PREFIX = "hostcollector_host_gpu"


def test_no_library(host: NvmlHost) -> None:
    """A machine without the library is in a state that has a note; its GPUs are said to be out of sight."""
    host.gpu(GPU)
    with loaded(None):
        reading = host.reading()
    found = table(reading.samples)
    assert found["hostcollector_host_nvml_up"] == {(): 0.0}
    assert found[f"{PREFIX}_observable"] == {(GPU, GPU, "nvml"): 0.0}
    assert not reading.partial
    assert any("not available" in note and "Not Found" in note for note in reading.notes)


def test_driver_not_loaded(host: NvmlHost) -> None:
    """A driver that is not loaded is a fact; NVML is opened after a pause, and all series are there."""
    host.gpu(GPU)
    host.nvml.fail("nvmlInitWithFlags", DRIVER_NOT_LOADED)
    assert host.read()["hostcollector_host_nvml_up"] == {(): 0.0}
    assert host.read()["hostcollector_host_nvml_up"] == {(): 0.0}
    assert host.nvml.calls("nvmlInitWithFlags") == 1
    host.nvml.repair()
    host.clock.now += 10.0
    assert host.read()[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}


def test_library_is_left_alone_without_its_gpus(host: NvmlHost) -> None:
    """Where no GPU has NVIDIA's driver the library is not opened: opening it could load the driver."""
    host.tree.add(GPU)
    reading = host.reading(guest(A, GPU))
    assert table(reading.samples)["libvirt_domain_gpu_observable"] == {(A, GPU, GPU, "nvml"): 0.0}
    assert host.nvml.calls("nvmlInitWithFlags") == 0
    assert not reading.partial


def test_start_that_fails_half_way(host: NvmlHost) -> None:
    """A start that fails after the library was opened closes it again."""
    host.gpu(GPU)
    host.nvml.fail("nvmlDeviceGetCount_v2", UNKNOWN)
    assert host.read()["hostcollector_host_nvml_up"] == {(): 0.0}
    assert host.nvml.opened == 0


def test_versions_that_are_not_reported(host: NvmlHost) -> None:
    """A driver that does not say its version serves all the same."""
    host.gpu(GPU)
    host.nvml.fail("nvmlSystemGetDriverVersion", UNKNOWN)
    found = host.read()
    assert found["hostcollector_host_nvml_info"] == {("", "13.580.95.05"): 1.0}
    assert found[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}


def test_lost_gpu(host: NvmlHost) -> None:
    """A GPU that falls off the bus loses its own series only, says so, and comes back by itself."""
    host.gpu(GPU)
    second = host.gpu(SECOND)
    host.read()
    host.nvml.lose(second)
    reading = host.reading()
    found = table(reading.samples)
    assert found[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}
    assert found[f"{PREFIX}_lost"] == {(GPU,): 0.0, (SECOND,): 1.0}
    assert found[f"{PREFIX}_observable"] == {(GPU, GPU, "nvml"): 1.0, (SECOND, SECOND, "nvml"): 0.0}
    assert reading.partial
    assert any(SECOND in note and "reset" in note for note in reading.notes)
    host.nvml.lose(second, lost=False)
    assert host.read()[f"{PREFIX}_power_watts"].keys() == {(GPU,), (SECOND,)}


def test_gpu_that_is_lost_from_the_start(host: NvmlHost) -> None:
    """A GPU that does not answer when the library is opened is found once it does."""
    host.gpu(GPU)
    second = host.gpu(SECOND)
    host.nvml.lose(second)
    found = host.read()
    assert found[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}
    assert found[f"{PREFIX}_observable"][SECOND, SECOND, "nvml"] == 0.0
    reading = host.reading()
    assert (reading.missing, reading.partial) == (1, True)
    assert any(f"not found: {SECOND} (GPU is lost" in note for note in reading.notes)
    host.nvml.lose(second, lost=False)
    host.clock.now += 61.0
    host.read()
    assert host.read()[f"{PREFIX}_power_watts"].keys() == {(GPU,), (SECOND,)}


@pytest.mark.parametrize("function", ["nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetHandleByIndex_v2"])
def test_gpu_that_the_driver_does_not_tell(host: NvmlHost, function: str) -> None:
    """A GPU with NVIDIA's driver that NVML does not list is missed and named; the other one is whole."""
    host.gpu(GPU)
    host.nvml.fail(function, UNKNOWN, host.gpu(SECOND))
    reading = host.reading()
    assert table(reading.samples)[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}
    assert (reading.missing, reading.partial) == (1, True)
    assert any(f"GPU with NVIDIA's driver not found: {SECOND}" in note for note in reading.notes)


def test_gpu_that_the_driver_does_not_count(host: NvmlHost) -> None:
    """A GPU that is bound to the driver and is in no list of it is missed too."""
    host.gpu(GPU)
    host.tree.add(SECOND, driver="nvidia")
    reading = host.reading()
    assert reading.missing == 1
    assert any(f"{SECOND} (its driver does not list it)" in note for note in reading.notes)


def test_mig_instance_that_does_not_say_which_it_is(host: NvmlHost) -> None:
    """It is counted and named, and the GPU's other series stay."""
    device = host.gpu(GPU)
    host.nvml.mig(device, on=True)
    host.nvml.fail("nvmlDeviceGetGpuInstanceId", UNKNOWN)
    reading = host.reading()
    assert table(reading.samples)[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}
    assert reading.missing == 1
    assert any(note.startswith(f"{GPU}/mig2 cannot be read") for note in reading.notes)


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("nvmlDeviceGetEncoderStats", (1, 2)),
        ("nvmlDeviceGetEccMode", ()),
        ("nvmlDeviceGetMemoryInfo", "much"),
        ("nvmlDeviceGetRemappedRows", 7),
        ("nvmlDeviceGetPowerUsage", "310.5 W"),
        ("nvmlDeviceGetActiveVgpus", 3),
        ("nvmlDeviceGetMigMode", 1),
        ("nvmlDeviceGetFieldValues", [None]),
    ],
)
def test_answer_of_another_kind_costs_itself(host: NvmlHost, function: str, answer: object) -> None:
    """A binding that does not fit to its driver: the rest of the GPU and the other GPU are shown."""
    first = host.gpu(GPU)
    host.gpu(SECOND)
    whole = {labels[0] for labels in host.read()[f"{PREFIX}_memory_used_bytes"]}
    handle = binding.call("nvmlDeviceGetHandleByIndex", first)

    def call(name: str, *arguments: Any) -> Any:
        odd = name == function and binding.handle_key(arguments[0]) == binding.handle_key(handle)
        return answer if odd else binding.call(name, *arguments)

    host.source.close()
    host.source = host.restarted(call)
    reading = host.reading()
    host.source.close()
    found = table(reading.samples)
    assert whole == {GPU, SECOND}
    for row in ("memory_used_bytes", "power_watts", "temperature_celsius", "energy_joules_total"):
        assert (SECOND,) in found[f"{PREFIX}_{row}"]
    assert (GPU,) in found[f"{PREFIX}_temperature_celsius"]
    assert (GPU,) in found[f"{PREFIX}_energy_joules_total"]
    assert reading.partial
    assert reading.missing in (1, 2)
    assert reading.notes[0].startswith(GPU)


def test_driver_that_goes_away(host: NvmlHost) -> None:
    """A driver that is unloaded under the collector is a state, and all returns with it."""
    host.gpu(GPU)
    host.read()
    host.nvml.fail("nvmlDeviceGetPowerUsage", DRIVER_NOT_LOADED)
    reading = host.reading()
    assert any("went away" in note for note in reading.notes)
    assert host.read()["hostcollector_host_nvml_up"] == {(): 0.0}
    host.nvml.repair()
    host.clock.now += 10.0
    assert host.read()[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}


def test_gpus_that_change_their_driver(host: NvmlHost) -> None:
    """The library is opened anew when the GPUs with NVIDIA's driver change, and never more than once."""
    host.gpu(GPU)
    host.read()
    host.gpu(SECOND)
    assert host.read()[f"{PREFIX}_power_watts"].keys() == {(GPU,), (SECOND,)}
    assert (host.nvml.calls("nvmlInitWithFlags"), host.nvml.opened) == (2, 1)
    for address in (GPU, SECOND):
        host.tree.bind(address, "vfio-pci")
    assert host.read()["hostcollector_host_nvml_up"] == {(): 0.0}
    assert host.nvml.opened == 0


def test_moment_without_an_answer(host: NvmlHost) -> None:
    """A call that failed is made again at the next read; a denied one is not."""
    host.gpu(GPU)
    host.nvml.fail("nvmlDeviceGetPowerUsage", UNKNOWN)
    host.nvml.fail("nvmlDeviceGetPcieReplayCounter", NO_PERMISSION)
    found = host.read()
    assert f"{PREFIX}_power_watts" not in found
    assert f"{PREFIX}_pcie_replays_total" not in found
    host.nvml.repair()
    found = host.read()
    assert found[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}
    assert f"{PREFIX}_pcie_replays_total" not in found


def test_driver_without_events(host: NvmlHost) -> None:
    """Where errors are not reported their series are missing, and nothing else is."""
    host.gpu(GPU)
    host.nvml.fail("nvmlEventSetCreate")
    found = host.read()
    assert f"{PREFIX}_xid_events_total" not in found
    assert found[f"{PREFIX}_power_watts"] == {(GPU,): 312.5}


def test_gpu_without_events(host: NvmlHost) -> None:
    """A GPU that reports no errors has no count of them; 0 would be a lie."""
    first = host.gpu(GPU)
    host.gpu(SECOND)
    host.nvml.fail("nvmlDeviceRegisterEvents", NOT_SUPPORTED, first)
    assert host.read()[f"{PREFIX}_xid_events_total"] == {(SECOND,): 0}


def test_library_that_does_not_let_go(host: NvmlHost) -> None:
    """A library whose wait for events never returns is not closed under it; all returns when it does."""
    host.gpu(GPU)
    host.read()
    host.nvml.hang("nvmlEventSetWait_v2")
    while not host.nvml.hung:
        time.sleep(0.001)
    host.gpu(SECOND)
    reading = host.reading()
    assert table(reading.samples)["hostcollector_host_nvml_up"] == {(): 0.0}
    assert any("stuck" in note for note in reading.notes)
    assert host.nvml.opened == 1
    host.nvml.hang("")
    assert host.read()[f"{PREFIX}_power_watts"].keys() == {(GPU,), (SECOND,)}


def test_nothing_grows(host: NvmlHost) -> None:
    """Reading often, and opening often, leaves no threads behind."""
    host.gpu(GPU)
    host.read()
    before = threading.active_count()
    for turn in range(6):
        host.tree.bind(GPU, "vfio-pci" if turn % 2 else "nvidia")
        host.read()
    host.tree.bind(GPU, "nvidia")
    host.read()
    assert threading.active_count() == before
    assert host.nvml.opened == 1


def test_hung_library_costs_its_source_only(nvml: FakeNvml, tmp_path: Path) -> None:
    """While a call of NVML hangs the page has everything else and says what is missing; then all returns."""
    host = NvmlHost(tmp_path, nvml)
    host.gpu(GPU)
    host.tree.add(SECOND)
    baselines = Baselines(tmp_path / "state", host.tree.root, patience=30)
    member = guest(A, SECOND)
    collector = Collector(
        [Nvml(host.tree.root, baselines), Vfio(host.tree.root, baselines)],
        Assembler(),
        Guests(lambda: {A: member}),
        maximum_age=0.0,
    )
    try:
        nvml.hang("nvmlDeviceGetPowerUsage")
        collector._budget = 0.5
        hung = [collector.snapshot().result() for _ in range(2)]
        collector._budget = 30.0
        nvml.hang("")
        well = collector.snapshot().result()
        while well.reports[0].state is SourceState.FAILED:
            well = collector.snapshot().result()
    finally:
        nvml.hang("")
        collector.close()
        while nvml.opened:  # it is closed in its own thread, which must not meet the next test's library
            time.sleep(0.001)
    for page, reason in zip(hung, (Reason.TIMEOUT, Reason.BUSY), strict=True):
        of_nvml, of_vfio = page.reports
        assert (of_nvml.state, of_nvml.reason) == (SourceState.FAILED, reason)
        assert of_vfio.state is SourceState.OK
        assert "libvirt_domain_gpu_info" in {family.metric.name for family in page.families}
    names = {family.metric.name for family in well.families}
    assert f"{PREFIX}_power_watts" in names
