"""The `redfish` source: what the BMC of the GPUs' baseboard reports of them, also of those with a guest.

Requests go on in the background; a read takes the last answer while it is recent. For a GPU that has NVIDIA's
driver, this source gives only the rows that the driver does not have: no series comes twice. Off while no BMC
is configured.
"""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hostcollector.base.errors import SourceError
from hostcollector.base.followed_file import FollowedFile
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.catalogue import bmc, gpu
from hostcollector.catalogue.possible import fastest
from hostcollector.devices.baselines import Baselines, same_stay
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.devices.gpu_map import GpuMap
from hostcollector.devices.owners import HOST_OWNER, Owner, OwnerFinder
from hostcollector.devices.pci import DeviceReader
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.redfish.client import RedfishClient
from hostcollector.protocols.redfish.properties import SCALES
from hostcollector.protocols.redfish.values import BmcAnswer, GpuReadings, Key, Part
from hostcollector.sources.redfish.host_gpus import HostGpus, read_gpus
from hostcollector.sources.redfish.mapping import MappedBy, MappedGpu, map_gpus
from hostcollector.sources.redfish.series import (
    SOURCE,
    bmc_samples,
    doubts,
    found,
    gpu_samples,
    info_sample,
    not_configured,
    nothing_recent,
    observable,
    only_bmc,
    slot_samples,
)

__all__ = ["Redfish"]

DEVICE = "redfish/"
"""The prefix of GPUs' names in the baselines; the PCI address or the BMC's name follows."""

# The owner of a GPU's counters while its PCI address is not known.
_UNMAPPED = "unmapped"


class Redfish(Source):
    """Shows GPUs of the host under `root`. `client` is None without a configured BMC.

    `nvml` is whether the source `nvml` runs too. `clock` is the client's.
    """

    name = SOURCE

    def __init__(
        self,
        root: Path,
        client: RedfishClient | None,
        baselines: Baselines,
        identities: GpuIdentities,
        *,
        mapped: FollowedFile[GpuMap] | None = None,
        nvml: bool = True,
        processes: QemuProcesses | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._devices = DeviceReader(root)
        self._owners = OwnerFinder(processes)
        self._client = client
        self._baselines = baselines
        self._identities = identities
        self._map = mapped
        self._nvml = nvml
        self._clock = clock
        self._owned_since = OwnedSince()

    def start(self) -> None:
        """Start to poll in the background."""
        if self._client is not None:
            self._client.start()

    def read(self, request: Request) -> Reading:
        """Return the last readings of each GPU, without waiting. A silent BMC is a state with a note."""
        host = read_gpus(self._devices, self._owners, request)
        if self._client is None:
            lacking = host.lacking()
            samples = [observable(address, address, owner, seen=False) for address, owner in lacking]
            samples.extend(slot_samples(host, (), self._names(), self._identities.known))
            return Reading(samples=samples, off="redfish.url is not set", notes=not_configured(len(lacking)))
        now = self._clock()
        self._watch(host, now)
        answer, failure = _last_answer(self._client)
        gaps = Gaps()
        joined: list[MappedGpu] = []
        if answer is None or not _is_recent(answer.parts[0], now):
            samples = self._nothing(host)
            gaps.note(nothing_recent(answer, failure, now))
        else:
            joined = self._joined(answer, host)
            samples = [Sample(bmc.REDFISH_UP, 1.0), *self._everything(answer, joined, host, now, gaps)]
            for doubt in doubts(answer, failure, joined, host.functions):
                gaps.note(doubt)
            for fact in (found(answer, joined), *answer.facts):
                gaps.fact(fact)
        samples.extend(slot_samples(host, joined, self._names(), self._identities.known))
        if answer is not None:
            samples.extend(bmc_samples(answer, now))
        self._baselines.flush()
        self._identities.flush()
        for problem in (*self._baselines.problems, *self._identities.problems):
            gaps.note(problem)
        missing = gaps.count + (answer.counts.unread if answer is not None else 0)
        return Reading(samples=samples, notes=gaps.notes, partial=bool(gaps), missing=missing)

    def settle(self, seconds: float) -> None:
        """Wait for the first answer or failure."""
        if self._client is not None:
            self._client.settle(seconds)

    def close(self) -> None:
        """Stop polling, and end the session."""
        if self._client is not None:
            self._client.close()

    def wait_closed(self, seconds: float) -> None:
        """Wait, after `close`, until the session has ended."""
        if self._client is not None:
            self._client.wait_closed(seconds)

    def _watch(self, host: HostGpus, now: float) -> None:
        """Note the owner of each GPU, also without readings: a guest that comes back starts at 0."""
        self._owned_since.update(host.owners, now)
        for address, owner in host.owners.items():
            self._baselines.relative(DEVICE + address, owner.stay, {})

    def _joined(self, answer: BmcAnswer, host: HostGpus) -> list[MappedGpu]:
        gpus = list(answer.gpus.values())
        joined = map_gpus(gpus, host.functions, self._names(), self._identities.known)
        for one in joined:
            if one.by is MappedBy.IDENTITY:
                self._identities.confirm(one.address, one.gpu.baseboard, one.gpu.path)
        return joined

    def _names(self) -> GpuMap:
        """Return the map file's names by PCI address."""
        if self._map is None:
            return {}
        self._map.changed()
        return self._map.current

    def _nothing(self, host: HostGpus) -> list[Sample]:
        """Return that no GPU is reported."""
        unseen = [observable(address, address, owner, seen=False) for address, owner in host.concerned()]
        return [Sample(bmc.REDFISH_UP, 0.0), *unseen]

    def _everything(
        self, answer: BmcAnswer, joined: list[MappedGpu], host: HostGpus, now: float, gaps: Gaps
    ) -> Iterator[Sample]:
        """Yield the series of all GPUs with a known owner, and which GPUs are reported."""
        seen = set()
        for one in joined:
            yield info_sample(one)
            owner = host.owners.get(one.address) if one.address else HOST_OWNER
            if owner is None:
                continue
            since = self._owned_since.since(one.address)
            readings = _readings_since(answer, one.gpu.path, since, now)
            if self._nvml and host.has_driver(one.address):
                readings = only_bmc(readings)
            stay = owner.stay if one.address else _UNMAPPED
            relative = self._relative(one, stay, readings.counters)
            gauges = {**readings.gauges, **dict(self._expected_links(one, stay, readings.gauges))}
            yield from gpu_samples(one.shown_as, gauges, relative, owner)
            reported = _reports_gpu(answer, one.gpu.path, since)
            if not one.address:
                yield observable(one.name, "", HOST_OWNER, seen=reported)
            elif reported:
                seen.add(one.address)
        for address, owner in host.concerned():
            yield observable(address, address, owner, seen=address in seen)
        known = {one.address for one in joined} - seen
        for address, _ in host.lacking():
            if address in known and answer.parts[0].asked_at > self._owned_since.since(address):
                gaps.missing("GPU", address, "the BMC lists it and reports no readings of it")

    def _relative(self, one: MappedGpu, stay: str, raw: Mapping[Key, int]) -> dict[Key, float]:
        """Return the counters since the owner got the GPU. Another GPU of the BMC has other counters."""
        names = {"/".join((one.name, twin.key, *labels)): (twin, labels) for twin, labels in raw}
        counters = {name: raw[key] for name, key in names.items()}
        speeds = {name: fastest(twin.guest, SCALES.get(twin, 1)) for name, (twin, _) in names.items()}
        values = self._baselines.relative(DEVICE + one.shown_as, stay, counters, speeds)
        return {names[name]: value for name, value in values.items()}

    def _expected_links(
        self, one: MappedGpu, stay: str, gauges: Mapping[Key, float]
    ) -> Iterator[tuple[Key, float]]:
        """Yield how many NVLinks have been up since the owner got the GPU, while the BMC reports links."""
        links = {key[1][0]: value for key, value in gauges.items() if key[0] is gpu.NVLINK_UP}
        if not links:
            return
        up = [f"{one.name}/{link}" for link, value in links.items() if value]
        had = self._baselines.had(DEVICE + one.shown_as, stay, up)
        if had is not None:
            yield (gpu.NVLINKS_EXPECTED, ()), float(len(had))


class OwnedSince:
    """Since when each device has its present owner, in monotonic seconds, as far as it was watched.

    Readings requested before that are of an earlier owner. An owner at the first look counts as having been
    there before: else a single collection would show nothing.
    """

    def __init__(self) -> None:
        self._owned_since: dict[str, tuple[str, float]] = {}
        self._looked = False

    def update(self, owners: Mapping[str, Owner], now: float) -> None:
        """Note the present owners."""
        for device, owner in owners.items():
            stay, _ = self._owned_since.get(device, ("", 0.0))
            if device not in self._owned_since or not same_stay(stay, owner.stay):
                self._owned_since[device] = owner.stay, now if self._looked else -math.inf
        for device in self._owned_since.keys() - owners.keys():
            del self._owned_since[device]
        self._looked = self._looked or bool(owners)

    def since(self, device: str) -> float:
        """Return since when the device has its present owner; minus infinity if it is not watched."""
        return self._owned_since.get(device, ("", -math.inf))[1]


def _last_answer(client: RedfishClient) -> tuple[BmcAnswer | None, str]:
    """Return the last answer, None before the first, and what has failed since."""
    try:
        answer, _, failure = client.current()
    except SourceError as error:
        return None, str(error)
    return answer, failure


def _is_recent(part: Part, now: float) -> bool:
    """Whether a part is recent enough to be shown."""
    return now - part.asked_at <= part.good_for


def _readings_since(answer: BmcAnswer, gpu: str, since: float, now: float) -> GpuReadings:
    """Return the recent readings of a GPU by path, requested after `since`; of several the latest."""
    found = GpuReadings()
    for part in sorted(answer.parts, key=lambda part: part.asked_at):
        recent = part.readings.get(gpu)
        if recent is not None and part.asked_at > since and _is_recent(part, now):
            found.gauges.update(recent.gauges)
            found.counters.update(recent.counters)
    return found


def _reports_gpu(answer: BmcAnswer, gpu: str, since: float) -> bool:
    """Whether the last reports have a GPU; the health alone is also known of a GPU that does not answer."""
    reports = answer.parts[0]
    readings = reports.readings.get(gpu)
    if readings is None or reports.asked_at <= since:
        return False
    return bool(readings.counters) or any(twin is not bmc.HEALTH for twin, _ in readings.gauges)
