"""The vGPUs that are active on a GPU, as the host's driver tells them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hostcollector.base.gaps import Gaps
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.asking import Asker
from hostcollector.sources.nvml.readout import PERCENT, Key, encoder

_ENGINES = {
    "gpu": "smUtil",
    "memory": "memUtil",
    "encoder": "encUtil",
    "decoder": "decUtil",
    "jpeg": "jpgUtil",
    "ofa": "ofaUtil",
}
_POLICIES = {1: "best_effort", 2: "equal_share", 3: "fixed_share"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vgpu:
    """An active vGPU. `mdev` is empty where the driver makes vGPUs without mediated devices.

    `vm` is the id of the VM that has it, a UUID or libvirt's number of the domain. `gauges` have base units.
    """

    instance: int
    uuid: str
    mdev: str
    vm: str
    vm_is_uuid: bool
    type_id: int | None
    type_name: str
    gpu_instance: str
    guest_driver: str
    licensed: bool | None
    license_state: int | None
    gauges: Mapping[Key, float]


class VgpuReader:
    """Reads the vGPUs of GPUs; keeps until when their utilisation was read."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._seen: dict[str, int] = {}

    def read(self, subject: str, handle: Any, gaps: Gaps) -> list[Vgpu] | None:
        """Return the vGPUs of a GPU; None for one that has none to give. `gaps` get the unreadable ones."""
        instances: Sequence[int] | None = self._asker.ask(subject, "nvmlDeviceGetActiveVgpus", handle)
        if instances is None:
            return None
        self._asker.retain(f"{subject}/vgpu", {_member(subject, instance) for instance in instances})
        busy: dict[int, dict[Key, float]] = {}
        with gaps.item(f"{subject}: the use of its vGPUs"):
            busy = self._utilization(subject, handle) if instances else {}
        vgpus = []
        for instance in instances:
            with gaps.item(_member(subject, instance)):
                vgpus.append(self._vgpu(subject, instance, busy.get(instance, {})))
        return vgpus

    def scheduler(self, subject: str, handle: Any) -> str:
        """Return how the GPU's time is shared out; empty where it is not told."""
        state = self._asker.ask(subject, "nvmlDeviceGetVgpuSchedulerState", handle)
        return _POLICIES.get(state.schedulerPolicy, "") if state is not None else ""

    def _vgpu(self, subject: str, instance: int, busy: Mapping[Key, float]) -> Vgpu:
        member = _member(subject, instance)

        def ask(function: str) -> Any:
            return self._asker.ask(member, function, instance)

        vm, kind = ask("nvmlVgpuInstanceGetVmID") or ("", 0)
        type_id = ask("nvmlVgpuInstanceGetType")
        gpu_instance = ask("nvmlVgpuInstanceGetGpuInstanceId")
        license_info = ask("nvmlVgpuInstanceGetLicenseInfo")
        backed = gpu_instance is not None and gpu_instance != binding.INVALID_GPU_INSTANCE
        return Vgpu(
            instance=instance,
            uuid=ask("nvmlVgpuInstanceGetUUID") or "",
            mdev=(ask("nvmlVgpuInstanceGetMdevUUID") or "").lower(),
            vm=vm.lower(),
            vm_is_uuid=kind == binding.VM_ID_IS_UUID,
            type_id=type_id,
            type_name=self._of_type(member, "nvmlVgpuTypeGetName", type_id) or "",
            gpu_instance=str(gpu_instance) if backed else "",
            guest_driver=ask("nvmlVgpuInstanceGetVmDriverVersion") or "",
            licensed=None if license_info is None else bool(license_info.isLicensed),
            license_state=None if license_info is None else license_info.currentState,
            gauges={**busy, **dict(self._gauges(member, instance, type_id))},
        )

    def _of_type(self, member: str, function: str, type_id: int | None) -> Any:
        return None if type_id is None else self._asker.ask(member, function, type_id)

    def _gauges(self, member: str, instance: int, type_id: int | None) -> Iterator[tuple[Key, float]]:
        size = self._of_type(member, "nvmlVgpuTypeGetFramebufferSize", type_id)
        if size is not None:
            yield ("memory_bytes", ()), float(size)
        used = self._asker.ask(member, "nvmlVgpuInstanceGetFbUsage", instance)
        if used is not None:
            yield ("memory_used_bytes", ()), float(used)
        ecc = self._asker.ask(member, "nvmlVgpuInstanceGetEccMode", instance)
        if ecc is not None:
            yield ("ecc_enabled", ()), float(ecc)
        yield from encoder(self._asker.ask(member, "nvmlVgpuInstanceGetEncoderStats", instance))

    def _utilization(self, subject: str, handle: Any) -> dict[int, dict[Key, float]]:
        """Return the means of the samples since the last read, by instance; none without a new sample."""
        since = self._seen.get(subject, 0)
        samples = self._asker.ask(subject, "nvmlDeviceGetVgpuInstancesUtilizationInfo", handle, varying=since)
        if samples is None:
            # What drivers before 555 have, without the engines for JPEG and optical flow.
            samples = self._asker.ask(subject, "nvmlDeviceGetVgpuUtilization", handle, varying=since)
        values: defaultdict[int, defaultdict[Key, list[int]]] = defaultdict(lambda: defaultdict(list))
        for sample in samples or ():
            self._seen[subject] = max(self._seen.get(subject, 0), sample.timeStamp)
            if sample.timeStamp <= since:
                continue
            for engine, member in _ENGINES.items():
                if hasattr(sample, member):
                    percent = getattr(sample, member).uiVal
                    values[sample.vgpuInstance]["utilization_ratio", (engine,)].append(percent)
        return {
            instance: {key: fmean(percents) / PERCENT for key, percents in engines.items()}
            for instance, engines in values.items()
        }


def _member(subject: str, instance: int) -> str:
    return f"{subject}/vgpu{instance}"
