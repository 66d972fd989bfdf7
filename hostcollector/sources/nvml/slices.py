"""The slices of a GPU: vGPUs, with the guests that have them, and MIG instances of the host."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.model import Guest
from hostcollector.catalogue import gpu as rows
from hostcollector.devices.owners import Owner, Owners
from hostcollector.devices.pci import Devices
from hostcollector.sources.nvml import binding
from hostcollector.sources.nvml.binding import SupportedCalls
from hostcollector.sources.nvml.readings import PERCENT, Key, encoder, memory

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
    """An active vGPU.

    - `mdev` is its mediated device; empty where the driver makes vGPUs without one.
    - `vm` is the id of its VM: a UUID if `vm_is_uuid`, else libvirt's number of the domain.
    - `gauges` are in base units.
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
    """Reads the vGPUs of GPUs. Remembers the time of each GPU's last utilisation sample."""

    def __init__(self, calls: SupportedCalls) -> None:
        self._calls = calls
        self._seen: dict[str, int] = {}

    def read(self, subject: str, handle: Any, gaps: Gaps) -> list[Vgpu] | None:
        """Return the vGPUs of a GPU; None without vGPU support. Unreadable ones are noted in `gaps`."""
        instances: Sequence[int] | None = self._calls.answer(subject, "nvmlDeviceGetActiveVgpus", handle)
        if instances is None:
            return None
        self._calls.retain(f"{subject}/vgpu", {_member(subject, instance) for instance in instances})
        busy: dict[int, dict[Key, float]] = {}
        with gaps.item(f"{subject}: the use of its vGPUs"):
            busy = self._utilization(subject, handle) if instances else {}
        vgpus = []
        for instance in instances:
            with gaps.item(_member(subject, instance)):
                vgpus.append(self._vgpu(subject, instance, busy.get(instance, {})))
        return vgpus

    def scheduler(self, subject: str, handle: Any) -> str:
        """Return the policy by which vGPUs share the GPU's time; empty where the driver does not say."""
        state = self._calls.answer(subject, "nvmlDeviceGetVgpuSchedulerState", handle)
        return _POLICIES.get(state.schedulerPolicy, "") if state is not None else ""

    def _vgpu(self, subject: str, instance: int, busy: Mapping[Key, float]) -> Vgpu:
        member = _member(subject, instance)

        def answer(function: str) -> Any:
            return self._calls.answer(member, function, instance)

        vm, kind = answer("nvmlVgpuInstanceGetVmID") or ("", 0)
        type_id = answer("nvmlVgpuInstanceGetType")
        gpu_instance = answer("nvmlVgpuInstanceGetGpuInstanceId")
        license_info = answer("nvmlVgpuInstanceGetLicenseInfo")
        backed = gpu_instance is not None and gpu_instance != binding.INVALID_GPU_INSTANCE
        return Vgpu(
            instance=instance,
            uuid=answer("nvmlVgpuInstanceGetUUID") or "",
            mdev=(answer("nvmlVgpuInstanceGetMdevUUID") or "").lower(),
            vm=vm.lower(),
            vm_is_uuid=kind == binding.VM_ID_IS_UUID,
            type_id=type_id,
            type_name=self._of_type(member, "nvmlVgpuTypeGetName", type_id) or "",
            gpu_instance=str(gpu_instance) if backed else "",
            guest_driver=answer("nvmlVgpuInstanceGetVmDriverVersion") or "",
            licensed=None if license_info is None else bool(license_info.isLicensed),
            license_state=None if license_info is None else license_info.currentState,
            gauges={**busy, **dict(self._gauges(member, instance, type_id))},
        )

    def _of_type(self, member: str, function: str, type_id: int | None) -> Any:
        return None if type_id is None else self._calls.answer(member, function, type_id)

    def _gauges(self, member: str, instance: int, type_id: int | None) -> Iterator[tuple[Key, float]]:
        size = self._of_type(member, "nvmlVgpuTypeGetFramebufferSize", type_id)
        if size is not None:
            yield (rows.MEMORY, ()), float(size)
        used = self._calls.answer(member, "nvmlVgpuInstanceGetFbUsage", instance)
        if used is not None:
            yield (rows.MEMORY_USED, ()), float(used)
        ecc = self._calls.answer(member, "nvmlVgpuInstanceGetEccMode", instance)
        if ecc is not None:
            yield (rows.ECC_ENABLED, ()), float(ecc)
        yield from encoder(self._calls.answer(member, "nvmlVgpuInstanceGetEncoderStats", instance))

    def _utilization(self, subject: str, handle: Any) -> dict[int, dict[Key, float]]:
        """Return the means of the samples since the last read, by instance; none without a new sample."""
        since = self._seen.get(subject, 0)
        samples = self._samples(subject, handle, since)
        if since and not samples:
            # The host's clock stamps them: if even the newest of all is older, it was set back.
            kept = (sample.timeStamp for sample in self._samples(subject, handle, 0))
            self._seen[subject] = max(kept, default=since)
        values: defaultdict[int, defaultdict[Key, list[int]]] = defaultdict(lambda: defaultdict(list))
        for sample in samples:
            self._seen[subject] = max(self._seen.get(subject, 0), sample.timeStamp)
            if sample.timeStamp <= since:
                continue
            for engine, member in _ENGINES.items():
                if hasattr(sample, member):
                    percent = getattr(sample, member).uiVal
                    values[sample.vgpuInstance][rows.UTILIZATION, (engine,)].append(percent)
        return {
            instance: {key: fmean(percents) / PERCENT for key, percents in engines.items()}
            for instance, engines in values.items()
        }

    def _samples(self, subject: str, handle: Any, since: int) -> Sequence[Any]:
        """Return the samples of all vGPUs after a time, in microseconds; 0 is all that the driver keeps."""
        function = "nvmlDeviceGetVgpuInstancesUtilizationInfo"
        samples = self._calls.answer(subject, function, handle, varying=since)
        if samples is None:
            # Drivers before 555 have this call, without the engines for JPEG and optical flow.
            samples = self._calls.answer(subject, "nvmlDeviceGetVgpuUtilization", handle, varying=since)
        return samples or ()


def _member(subject: str, instance: int) -> str:
    return f"{subject}/vgpu{instance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedVgpu:
    """A vGPU with its owner. `gpu` is its name on the host; `named` says whether sysfs has that name too."""

    vgpu: Vgpu
    gpu: str
    owner: Owner
    named: bool


def with_owners(
    vgpus: Sequence[Vgpu], gpu: str, devices: Devices, owners: Owners, guests: Mapping[str, Guest]
) -> list[OwnedVgpu]:
    """Return the vGPUs of the physical GPU at address `gpu` that have a known owner.

    Left out while the domain XML and NVML name different guests.
    """
    found = []
    for vgpu in vgpus:
        owner = _owner(vgpu, owners, guests)
        if owner is not None:
            vf = _vf_of(vgpu, vgpus, gpu, owner, devices, owners)
            name = vgpu.mdev if vgpu.mdev in devices.mdevs else vf
            gpu_name = name or vgpu.uuid or vgpu.mdev
            found.append(OwnedVgpu(vgpu=vgpu, gpu=gpu_name, owner=owner, named=bool(name)))
    return found


def _owner(vgpu: Vgpu, owners: Owners, guests: Mapping[str, Guest]) -> Owner | None:
    """Return the vGPU's owner by the domain XML and by NVML's VM id; None if unknown or contradictory."""
    if vgpu.mdev in owners.disputed:
        return None
    by_mdev = owners.by_device.get(vgpu.mdev) if vgpu.mdev else None
    if vgpu.vm_is_uuid:
        guest = guests.get(vgpu.vm)
    else:
        guest = next((guest for guest in guests.values() if str(guest.domain.id) == vgpu.vm), None)
    by_vm = owners.by_guest.get(guest.domain.uuid) if guest is not None else None
    if by_mdev is not None and by_vm is not None and by_mdev != by_vm:
        return None
    return by_mdev or by_vm


def _vf_of(
    vgpu: Vgpu, vgpus: Sequence[Vgpu], gpu: str, owner: Owner, devices: Devices, owners: Owners
) -> str:
    """Return the VF that is the vGPU (Linux 6.8 and later have no mdevs for it); empty if ambiguous.

    NVML does not report the VF. It is certain only if the guest has one vGPU of that type on this GPU.
    """
    twins = [other for other in vgpus if (other.vm, other.type_id) == (vgpu.vm, vgpu.type_id)]
    candidates = [
        function.address
        for function in devices.functions.values()
        if function.physical == gpu
        and function.vgpu_type
        and function.vgpu_type == vgpu.type_id
        and owners.of(function.address) == owner
    ]
    return candidates[0] if len(candidates) == len(twins) == 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigInstance:
    """A compute instance in a GPU instance; memory in bytes, None where NVML does not report it."""

    gpu_instance: str
    compute_instance: str
    model: str
    uuid: str
    memory: float | None
    memory_used: float | None


def read_mig_mode(calls: SupportedCalls, subject: str, handle: Any) -> bool | None:
    """Return whether the GPU is split into MIG instances now; None for a GPU without MIG."""
    modes = calls.answer(subject, "nvmlDeviceGetMigMode", handle)
    return None if modes is None else bool(modes[0])


def read_mig_instances(calls: SupportedCalls, subject: str, handle: Any, gaps: Gaps) -> Iterator[MigInstance]:
    """Yield the instances. One that cannot be read or does not identify itself is noted in `gaps`."""
    for index in range(calls.answer(subject, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        instance = calls.answer(subject, "nvmlDeviceGetMigDeviceHandleByIndex", handle, varying=index)
        if instance is None:  # an empty slot
            continue
        member = f"{subject}/mig{index}"
        with gaps.item(member):
            yield _mig_instance(calls, member, instance)


def _mig_instance(calls: SupportedCalls, member: str, instance: Any) -> MigInstance:
    """Return an instance. Raises `SourceUnavailableError` where it does not identify itself."""
    gpu_instance = calls.answer(member, "nvmlDeviceGetGpuInstanceId", instance)
    if gpu_instance is None:
        raise SourceUnavailableError("it does not say which instance it is")
    compute_instance = calls.answer(member, "nvmlDeviceGetComputeInstanceId", instance)
    sizes = dict(memory(calls, member, instance))
    return MigInstance(
        gpu_instance=str(gpu_instance),
        compute_instance="" if compute_instance is None else str(compute_instance),
        model=calls.answer(member, "nvmlDeviceGetName", instance) or "",
        uuid=calls.answer(member, "nvmlDeviceGetUUID", instance) or "",
        memory=sizes.get((rows.MEMORY, ())),
        memory_used=sizes.get((rows.MEMORY_USED, ())),
    )
