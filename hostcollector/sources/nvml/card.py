"""Reads one physical GPU with everything on it, and relates its counters to its owner."""

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
from hostcollector.devices.owners import NOBODY, Owner, Owners
from hostcollector.devices.pci_values import Devices
from hostcollector.sources.nvml import series
from hostcollector.sources.nvml.asking import Asker, Call
from hostcollector.sources.nvml.counters import SCALES, read_counters, read_nvlink_counters, read_nvlinks
from hostcollector.sources.nvml.joining import join
from hostcollector.sources.nvml.mig import read_mig_instances, read_mig_mode
from hostcollector.sources.nvml.readout import Key, read_gauges
from hostcollector.sources.nvml.session import Gpu
from hostcollector.sources.nvml.vgpus import VgpuReader

DEVICE = "nvml/"
"""What the names of GPUs begin with among the baselines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The series of one GPU and of its vGPUs.

    `seen` are the names that sysfs has for them; `unnamed` counts each guest's vGPUs without one.
    """

    samples: tuple[Sample, ...]
    seen: frozenset[str]
    unnamed: Counter[str] = field(default_factory=Counter)


class CardReader:
    """Reads GPUs. Keeps what each of them does not have."""

    def __init__(self, baselines: Baselines, call: Call, clock: Clock) -> None:
        self._baselines = baselines
        self._call = call
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Probe everything anew, as after NVML was opened."""
        self._asker = Asker(self._call, self._clock)
        self._vgpus = VgpuReader(self._asker)
        self._mig: dict[str, bool | None] = {}

    def read(
        self, gpu: Gpu, devices: Devices, owners: Owners, guests: Mapping[str, Guest], gaps: Gaps
    ) -> Card:
        """Return one GPU's series. Raises `LostError` and `ClosedError`.

        Notes in `gaps` what of it cannot be read, part by part, and what is left out.
        """
        address, owner = gpu.address, owners.of(gpu.address, held=False) or NOBODY
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
            joined = join(vgpus, address, devices, owners, guests)
            for vgpu in joined:
                seen.add(vgpu.gpu)
                unnamed[vgpu.owner.uuid] += not vgpu.named
                with gaps.item(f"{address}: vGPU {vgpu.gpu}"):
                    samples += series.vgpu_samples(vgpu, address, devices.functions.get(address))
            if len(joined) < len(vgpus):
                stray = len(vgpus) - len(joined)
                text = f"{address}: {stray} of {len(vgpus)} vGPUs are of no known guest and left out"
                gaps.tell((text,), stray)
        return Card(samples=tuple(samples), seen=frozenset(seen), unnamed=unnamed)

    def xids(self, address: str, counts: Mapping[tuple[str, int], int]) -> Iterator[Sample]:
        """Yield the errors that the driver reported of a GPU."""
        return series.xid_samples(address, dict(counts))

    def keep_record(self, devices: Devices, owners: Owners, seen: AbstractSet[str]) -> None:
        """Put on record that GPUs are with guests: when they come back, their counters start anew."""
        for function in devices.functions.values():
            owner = owners.of(function.address)
            if function.is_nvidia_gpu and owner is not None and owner.uuid and function.address not in seen:
                self._baselines.relative(DEVICE + function.address, owner.stay, {})

    def _own(self, gpu: Gpu, owner: Owner, gaps: Gaps) -> Iterator[Sample]:
        subject, handle = gpu.address, gpu.handle
        gauges = dict(read_gauges(self._asker, subject, handle, gaps))
        counters = dict(read_counters(self._asker, subject, handle, gaps))
        with gaps.item(f"{subject}: its NVLinks"):
            links = read_nvlinks(self._asker, subject, handle)
            gauges.update((("nvlink_up", (str(link),)), float(up)) for link, up in links.items())
            counters.update(read_nvlink_counters(self._asker, subject, handle, links))
        yield from series.gauge_samples(subject, gauges, owner)
        yield from series.counter_samples(subject, self._relative(subject, owner, counters), owner)

    def _relative(self, address: str, owner: Owner, raw: Mapping[Key, int]) -> Mapping[Key, float]:
        names = {"/".join((key, *labels)): (key, labels) for key, labels in raw}
        counters = {name: raw[key] for name, key in names.items()}
        speeds = {name: fastest(rows.GUEST[key], SCALES.get(key, 1)) for name, (key, _) in names.items()}
        values = self._baselines.relative(DEVICE + address, owner.stay, counters, speeds)
        return {names[name]: value for name, value in values.items()}

    def _mig_samples(self, gpu: Gpu, gaps: Gaps) -> Iterator[Sample]:
        mode = read_mig_mode(self._asker, gpu.address, gpu.handle)
        if self._mig.setdefault(gpu.address, mode) != mode:
            # A GPU that is split answers other calls than one that is not.
            self._mig[gpu.address] = mode
            self._asker.forget(gpu.address)
        if mode is not None:
            yield Sample(rows.MIG_ENABLED, float(mode), (gpu.address,))
        if mode:
            for instance in read_mig_instances(self._asker, gpu.address, gpu.handle, gaps):
                yield from series.mig_samples(gpu.address, instance)
