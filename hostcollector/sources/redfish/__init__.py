"""The `redfish` source: what the BMC of the GPUs' baseboard tells of them, also of those with a guest.

Everything is asked in the background; reading takes the last answer while it is recent. Of a GPU that has
NVIDIA's driver that driver tells, and from here come only the rows that it does not have: no series is told
twice. Off while nothing is configured.
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
from hostcollector.catalogue import bmc
from hostcollector.catalogue.possible import fastest
from hostcollector.devices.baselines import Baselines, same_stay
from hostcollector.devices.gpu_identities import GpuIdentities
from hostcollector.devices.gpu_map import GpuMap
from hostcollector.devices.owners import NOBODY, Owner, OwnerFinder
from hostcollector.devices.pci import DeviceReader
from hostcollector.guests.processes import QemuProcesses
from hostcollector.protocols.redfish.client import Client
from hostcollector.protocols.redfish.properties import SCALES
from hostcollector.protocols.redfish.values import Answer, GpuReadings, Key, Part
from hostcollector.sources.redfish.host_gpus import HostGpus, read_gpus
from hostcollector.sources.redfish.mapping import MappedBy, MappedGpu, map_gpus
from hostcollector.sources.redfish.series import (
    GUEST,
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
)

__all__ = ["Redfish"]

DEVICE = "redfish/"
"""What the names of GPUs begin with among the baselines; the PCI address or the BMC's name follows."""

# The owner of a GPU's counters while it is not known which GPU of the host it is.
_UNMAPPED = "unmapped"


class Redfish(Source):
    """Shows GPUs of the host under `root`. `client` is None without a configured BMC.

    `nvml` says whether the source `nvml` runs too. `clock` is the client's.
    """

    name = SOURCE

    def __init__(
        self,
        root: Path,
        client: Client | None,
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
        """Begin to ask in the background."""
        if self._client is not None:
            self._client.start()

    def read(self, request: Request) -> Reading:
        """Return what the BMC said last of each GPU, at once. That it says nothing is a state with a note."""
        host = read_gpus(self._devices, self._owners, request)
        if self._client is None:
            lacking = host.lacking()
            samples = [observable(address, address, owner, seen=False) for address, owner in lacking]
            return Reading(samples=samples, notes=not_configured(len(lacking)))
        now = self._clock()
        self._watch(host, now)
        answer, failure = _last_answer(self._client)
        gaps = Gaps()
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
        """Stop asking, and give the session back."""
        if self._client is not None:
            self._client.close()

    def wait_closed(self, seconds: float) -> None:
        """Wait until the session is given back, after `close`."""
        if self._client is not None:
            self._client.wait_closed(seconds)

    def _watch(self, host: HostGpus, now: float) -> None:
        """Take note of who has which GPU, also while nothing is told of them: who comes back starts anew."""
        self._owned_since.look(host.owners, now)
        for address, owner in host.owners.items():
            self._baselines.relative(DEVICE + address, owner.stay, {})

    def _joined(self, answer: Answer, host: HostGpus) -> list[MappedGpu]:
        if self._map is not None:
            self._map.changed()
        mapped = self._map.current if self._map is not None else {}
        joined = map_gpus(list(answer.gpus.values()), host.functions, mapped, self._identities.known)
        for one in joined:
            if one.by is MappedBy.IDENTITY:
                self._identities.confirm(one.address, one.gpu.baseboard, one.gpu.path)
        return joined

    def _nothing(self, host: HostGpus) -> list[Sample]:
        """Return that nothing is told of any GPU."""
        unseen = [observable(address, address, owner, seen=False) for address, owner in host.concerned()]
        return [Sample(bmc.REDFISH_UP, 0.0), *unseen]

    def _everything(
        self, answer: Answer, joined: list[MappedGpu], host: HostGpus, now: float, gaps: Gaps
    ) -> Iterator[Sample]:
        """Yield the series of all GPUs of which it is known whose they are, and which ones are told of."""
        seen = set()
        for one in joined:
            yield info_sample(one)
            owner = host.owners.get(one.address) if one.address else NOBODY
            if owner is None:
                continue
            since = self._owned_since.since(one.address)
            readings = _readings_since(answer, one.gpu.path, since, now)
            if self._nvml and host.has_driver(one.address):
                readings = only_bmc(readings)
            stay = owner.stay if one.address else _UNMAPPED
            relative = self._relative(one, stay, readings.counters)
            yield from gpu_samples(one.shown_as, readings.gauges, relative, owner)
            tells = _reports_gpu(answer, one.gpu.path, since)
            if not one.address:
                yield observable(one.name, "", NOBODY, seen=tells)
            elif tells:
                seen.add(one.address)
        for address, owner in host.concerned():
            yield observable(address, address, owner, seen=address in seen)
        known = {one.address for one in joined} - seen
        for address, _ in host.lacking():
            if address in known and answer.parts[0].asked_at > self._owned_since.since(address):
                gaps.missing("GPU", address, "the BMC knows it and tells nothing of it")

    def _relative(self, one: MappedGpu, stay: str, raw: Mapping[Key, int]) -> dict[Key, float]:
        """Return the counters since the owner came. Those of another GPU of the BMC are other counters."""
        names = {"/".join((one.name, key, *labels)): (key, labels) for key, labels in raw}
        counters = {name: raw[key] for name, key in names.items()}
        speeds = {name: fastest(GUEST[key], SCALES.get(key, 1)) for name, (key, _) in names.items()}
        values = self._baselines.relative(DEVICE + one.shown_as, stay, counters, speeds)
        return {names[name]: value for name, value in values.items()}


class OwnedSince:
    """Remembers for each device its owner's stay and when that was first seen, in monotonic seconds.

    What was asked of the BMC before is of an earlier owner. An owner that is there at the first look counts
    as having been there: else a collection by hand, which has one look only, would show nothing.
    """

    def __init__(self) -> None:
        self._owned_since: dict[str, tuple[str, float]] = {}
        self._looked = False

    def look(self, owners: Mapping[str, Owner], now: float) -> None:
        """Take note of who owns what now."""
        for device, owner in owners.items():
            stay, _ = self._owned_since.get(device, ("", 0.0))
            if device not in self._owned_since or not same_stay(stay, owner.stay):
                self._owned_since[device] = owner.stay, now if self._looked else -math.inf
        for device in self._owned_since.keys() - owners.keys():
            del self._owned_since[device]
        self._looked = self._looked or bool(owners)

    def since(self, device: str) -> float:
        """Return since when the device is with its present owner; for ever if it is not watched."""
        return self._owned_since.get(device, ("", -math.inf))[1]


_HEALTH = "health_id"


def _last_answer(client: Client) -> tuple[Answer | None, str]:
    """Return the last answer, None for none yet, and what has failed since."""
    try:
        answer, _, failure = client.current()
    except SourceError as error:
        return None, str(error)
    return answer, failure


def _is_recent(part: Part, now: float) -> bool:
    """Whether a part is recent enough to be shown."""
    return now - part.asked_at <= part.good_for


def _readings_since(answer: Answer, gpu: str, since: float, now: float) -> GpuReadings:
    """Return what is known of the GPU at a path since a time; what was asked last counts most."""
    found = GpuReadings()
    for part in sorted(answer.parts, key=lambda part: part.asked_at):
        told = part.readings.get(gpu)
        if told is not None and part.asked_at > since and _is_recent(part, now):
            found.gauges.update(told.gauges)
            found.counters.update(told.counters)
    return found


def _reports_gpu(answer: Answer, gpu: str, since: float) -> bool:
    """Whether the last reports told of a GPU: of one that does not answer the BMC still knows its health."""
    reports = answer.parts[0]
    told = reports.readings.get(gpu)
    if told is None or reports.asked_at <= since:
        return False
    return bool(told.counters) or any(key != _HEALTH for key, _ in told.gauges)
