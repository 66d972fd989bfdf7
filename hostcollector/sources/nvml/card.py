"""Reads one physical GPU with its vGPUs and MIG instances, and its counters since the owner's start."""

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Guest, Sample
from hostcollector.catalogue import gpu as rows
from hostcollector.catalogue.possible import fastest
from hostcollector.devices.baselines import Baselines
from hostcollector.devices.owners import HOST_OWNER, Owner, Owners
from hostcollector.devices.pci import Devices
from hostcollector.sources.nvml import series
from hostcollector.sources.nvml.binding import Call, SupportedCalls
from hostcollector.sources.nvml.readings import (
    SCALES,
    Key,
    read_counters,
    read_gauges,
    read_nvlink_counters,
    read_nvlinks,
)
from hostcollector.sources.nvml.session import Gpu
from hostcollector.sources.nvml.slices import VgpuReader, read_mig_instances, read_mig_mode, with_owners

DEVICE = "nvml/"
"""The prefix of GPUs' names in the record of baselines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The series of one GPU and of its vGPUs.

    `seen` are the names that sysfs has for them; `unnamed` counts the vGPUs without one, by guest.
    """

    samples: tuple[Sample, ...]
    seen: frozenset[str]
    unnamed: Counter[str] = field(default_factory=Counter)


class CardReader:
    """Reads GPUs. Remembers the calls that each of them does not support."""

    def __init__(self, baselines: Baselines, call: Call, clock: Clock) -> None:
        self._baselines = baselines
        self._call = call
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Try all calls again, as after NVML was opened."""
        self._calls = SupportedCalls(self._call, self._clock)
        self._vgpus = VgpuReader(self._calls)
        self._mig: dict[str, bool | None] = {}

    def read(
        self, gpu: Gpu, devices: Devices, owners: Owners, guests: Mapping[str, Guest], gaps: Gaps
    ) -> Card:
        """Return one GPU's series. Raises `LostError` and `ClosedError`.

        Parts that cannot be read or are left out are noted in `gaps`.
        """
        address, owner = gpu.address, owners.of(gpu.address, held=False) or HOST_OWNER
        samples = [series.observable(address, address, owner, seen=True)]
        if not owner.uuid:
            samples.append(series.identity_sample(address, gpu.identity))
        with gaps.item(f"{address}: its MIG instances"):
            samples += self._mig_samples(gpu, gaps)
        with gaps.item(f"{address}: its own series"):
            samples += self._own(gpu, owner, gaps)
        seen, unnamed = {address}, Counter[str]()
        vgpus = None
        with gaps.item(f"{address}: its vGPUs"):
            vgpus = self._vgpus.read(address, gpu.handle, gaps)
        if vgpus is not None:
            samples.append(Sample(rows.VGPUS, len(vgpus), (address,)))
            with gaps.item(f"{address}: its scheduler"):
                if policy := self._vgpus.scheduler(address, gpu.handle):
                    samples.append(Sample(rows.VGPU_SCHEDULER_INFO, 1.0, (address, policy)))
            owned = with_owners(vgpus, address, devices, owners, guests)
            for vgpu in owned:
                seen.add(vgpu.gpu)
                unnamed[vgpu.owner.uuid] += not vgpu.named
                with gaps.item(f"{address}: vGPU {vgpu.gpu}"):
                    samples += series.vgpu_samples(vgpu, address, devices.functions.get(address))
            if len(owned) < len(vgpus):
                stray = len(vgpus) - len(owned)
                text = f"{address}: {stray} of {len(vgpus)} vGPUs are of no known guest and left out"
                gaps.add((text,), stray)
        return Card(samples=tuple(samples), seen=frozenset(seen), unnamed=unnamed)

    def xids(self, address: str, counts: Mapping[tuple[str, int], int]) -> Iterator[Sample]:
        """Yield the errors that the driver reported of a GPU."""
        return series.xid_samples(address, dict(counts))

    def keep_record(self, devices: Devices, owners: Owners, seen: AbstractSet[str]) -> None:
        """Record that GPUs out of NVML's sight are with guests: their counters start anew afterwards."""
        for function in devices.functions.values():
            owner = owners.of(function.address)
            if function.is_nvidia_gpu and owner is not None and owner.uuid and function.address not in seen:
                self._baselines.relative(DEVICE + function.address, owner.stay, {})

    def _own(self, gpu: Gpu, owner: Owner, gaps: Gaps) -> Iterator[Sample]:
        subject, handle = gpu.address, gpu.handle
        gauges = dict(read_gauges(self._calls, subject, handle, gaps))
        counters = dict(read_counters(self._calls, subject, handle, gaps))
        with gaps.item(f"{subject}: its NVLinks"):
            links = read_nvlinks(self._calls, subject, handle)
            gauges.update(((rows.NVLINK_UP, (str(link),)), float(up)) for link, up in links.items())
            up = [f"nvlink/{link}" for link, is_up in links.items() if is_up]
            had = self._baselines.had(DEVICE + subject, owner.stay, up) if links else None
            if had is not None:
                gauges[rows.NVLINKS_EXPECTED, ()] = float(len(had))
            counters.update(read_nvlink_counters(self._calls, subject, handle, links))
        yield from series.gauge_samples(subject, gauges, owner)
        yield from series.counter_samples(subject, self._relative(subject, owner, counters), owner)

    def _relative(self, address: str, owner: Owner, raw: Mapping[Key, int]) -> Mapping[Key, float]:
        names = {"/".join((twin.key, *labels)): (twin, labels) for twin, labels in raw}
        counters = {name: raw[key] for name, key in names.items()}
        speeds = {name: fastest(twin.guest, SCALES.get(twin, 1)) for name, (twin, _) in names.items()}
        values = self._baselines.relative(DEVICE + address, owner.stay, counters, speeds)
        return {names[name]: value for name, value in values.items()}

    def _mig_samples(self, gpu: Gpu, gaps: Gaps) -> Iterator[Sample]:
        mode = read_mig_mode(self._calls, gpu.address, gpu.handle)
        if self._mig.setdefault(gpu.address, mode) != mode:
            # A GPU with MIG supports other calls than the same one without.
            self._mig[gpu.address] = mode
            self._calls.forget(gpu.address)
        if mode is not None:
            yield Sample(rows.MIG_ENABLED, float(mode), (gpu.address,))
        if mode:
            for instance in read_mig_instances(self._calls, gpu.address, gpu.handle, gaps):
                yield from series.mig_samples(gpu.address, instance)
