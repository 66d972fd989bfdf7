"""The MIG instances that a GPU of the host is split into."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.sources.nvml.asking import Asker
from hostcollector.sources.nvml.readout import memory


@dataclass(frozen=True, slots=True, kw_only=True)
class MigInstance:
    """A compute instance in a GPU instance; memory in bytes, None where it is not told."""

    gpu_instance: str
    compute_instance: str
    model: str
    uuid: str
    memory: float | None
    memory_used: float | None


def read_mig_mode(asker: Asker, subject: str, handle: Any) -> bool | None:
    """Return whether the GPU is split now; None for one that cannot be."""
    modes = asker.ask(subject, "nvmlDeviceGetMigMode", handle)
    return None if modes is None else bool(modes[0])


def read_mig_instances(asker: Asker, subject: str, handle: Any, gaps: Gaps) -> Iterator[MigInstance]:
    """Yield the instances; slots without one answer that they are not found.

    One that does not say which it is, or that cannot be read, is noted in `gaps`.
    """
    for index in range(asker.ask(subject, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        instance = asker.ask(subject, "nvmlDeviceGetMigDeviceHandleByIndex", handle, varying=index)
        if instance is None:
            continue
        member = f"{subject}/mig{index}"
        with gaps.item(member):
            yield _read(asker, member, instance)


def _read(asker: Asker, member: str, instance: Any) -> MigInstance:
    """Return an instance. Raises `SourceUnavailableError` where it does not say which it is."""
    gpu_instance = asker.ask(member, "nvmlDeviceGetGpuInstanceId", instance)
    if gpu_instance is None:
        raise SourceUnavailableError("it does not say which instance it is")
    compute_instance = asker.ask(member, "nvmlDeviceGetComputeInstanceId", instance)
    sizes = dict(memory(asker, member, instance))
    return MigInstance(
        gpu_instance=str(gpu_instance),
        compute_instance="" if compute_instance is None else str(compute_instance),
        model=asker.ask(member, "nvmlDeviceGetName", instance) or "",
        uuid=asker.ask(member, "nvmlDeviceGetUUID", instance) or "",
        memory=sizes.get(("memory_bytes", ())),
        memory_used=sizes.get(("memory_used_bytes", ())),
    )
