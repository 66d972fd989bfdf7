"""One life of a VM: from its counters to the integers of each hour.

Amounts are added up since the life began, and an hour gets what its end has more than the last record: so
no rest is lost and the hours add up. Between two readings an amount is divided at the hour in proportion to
the time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from hostcollector.catalogue.usage import SECONDS_PER_HOUR, Ended, Gap, GpuMode, GpuUse, Why
from hostcollector.outputs.usage.reading import FINE, HOUR, SECOND, End, Given, Reading

LONGEST_INTERVAL = 60 * SECOND
"""Between two readings. A longer time is a gap."""

_SEPARATOR = "\t"
_GPU_SECONDS, _GPU_ENERGY = "gpu_seconds", "gpu_energy"
_MILLI = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a record says beside its names: one hour of a life."""

    hour: int
    running: tuple[tuple[int, int], ...]
    observed_seconds: int
    unseen_seconds: int
    gaps: tuple[Gap, ...]
    ended: Ended
    meters: Mapping[str, int]
    gpus: tuple[GpuUse, ...]


@dataclass(slots=True, kw_only=True)
class Life:
    """A life. All times are in microseconds.

    It is accounted for until `at`; `read` is its last whole reading. `raws` are the last raw counters by
    meter and device. Devices in `old` had counted before the life began: their first reading counts nothing.
    `totals` are since the beginning, in the counters' parts, and `booked` what records have of them, in
    units. `counted`, `gaps`, `observed` and `unseen` are of the hour that is not closed yet.
    """

    vm: str
    tenant: str
    id: str
    qemu: str
    flavour: str = ""
    begun: int
    at: int
    read: int
    given: Given = field(default_factory=Given)
    raws: dict[str, dict[str, int]] = field(default_factory=dict)
    old: set[str] = field(default_factory=set)
    totals: dict[str, int] = field(default_factory=dict)
    booked: dict[str, int] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    observed: int = 0
    unseen: int = 0
    end: End | None = None

    def take(self, reading: Reading) -> dict[str, int]:
        """Take the raw counters, and return by how much each meter has grown since the last reading.

        A counter that is lower than before has begun anew, and so has that of a device that was added.
        """
        grown: dict[str, int] = {}
        for meter, devices in _all_counters(reading):
            raws = self.raws.setdefault(meter, {})
            amount = 0
            if raws == devices:
                grown[meter] = 0
                continue
            for device, raw in devices.items():
                last = raws.get(device)
                if last is None:
                    amount += 0 if device in self.old else raw
                else:
                    amount += raw - last if raw >= last else raw
                raws[device] = raw
            grown[meter] = amount
        return grown

    def is_whole(self, reading: Reading) -> bool:
        """Whether the reading has every meter that the VM's present devices ever had."""
        missing = self.raws.keys() - reading.counters.keys()
        if missing and reading.energy:
            missing -= {meter for meter, _ in _all_counters(reading)}
        if not missing:
            return True
        present = set(reading.devices())
        return all(present.isdisjoint(self.raws[meter]) for meter in missing)

    def have(self, reading: Reading) -> None:
        """Take what the VM has from now on; what the reading does not know stays."""
        self.flavour = reading.flavour or self.flavour
        if reading.given != self.given:
            new = {
                name: value for name in Given.__slots__ if (value := getattr(reading.given, name)) is not None
            }
            self.given = replace(self.given, **new)

    def forget(self, device: str) -> None:
        """Note that the device is gone: another one of its name counts from 0. What it counted stays."""
        self.old.discard(device)
        for raws in self.raws.values():
            raws.pop(device, None)

    def advance(self, to: int, grown: Mapping[str, int], why: Why | None = None) -> Iterator[Part]:
        """Account for the time until `to`, in which the meters have grown by that; give each full hour.

        With `why` the time is a gap.
        """
        start, totals = self.at, self.totals
        to = max(to, start)
        if to < start - start % HOUR + HOUR:
            for meter, amount in grown.items():
                totals[meter] = totals.get(meter, 0) + amount
            self.counted.update(grown)
            self._use(to, why)
            return
        before = {meter: totals.get(meter, 0) for meter in grown}
        while True:
            hour = self.at - self.at % HOUR
            end = min(to, hour + HOUR)
            for meter, amount in grown.items():
                share = amount if end == to else amount * (end - start) // (to - start)
                totals[meter] = before[meter] + share
            self.counted.update(grown)
            self._use(end, why)
            if end == hour + HOUR:
                yield self._part(hour, Ended.NO)
            if end == to:
                return

    def finish(self, end: End) -> Iterator[Part]:
        """Account for the time until the end, of which no counter is known; give the last hours."""
        self.end = None
        to = max(end.at, self.at)
        # What a reading of some sources alone has not seen is unseen too.
        half = self.at // SECOND - max(self.read, self.at - self.at % HOUR) // SECOND
        self.observed, self.unseen = max(0, self.observed - half), self.unseen + half
        while self.at - self.at % HOUR + HOUR <= to:
            yield from self._unseen_until(self.at - self.at % HOUR + HOUR)
        yield from self._unseen_until(to)
        yield self._part(self.at - self.at % HOUR, end.why)

    def lost(self, until: int, why: Why) -> None:
        """Note that nothing is known until then. The life ends in between, or the clock was set."""
        hour = self.at - self.at % HOUR
        start, end = self.at // SECOND, min(until, hour + HOUR) // SECOND
        if end > start:
            self.gaps.append(Gap(why, start, end))
            if why is not Why.CLOCK_STEP:
                self.unseen += end - start

    def _unseen_until(self, to: int) -> Iterator[Part]:
        observed, unseen = self.observed, to // SECOND - self.at // SECOND
        hour = self.at - self.at % HOUR
        self._use(to, None)
        self.observed, self.unseen = observed, self.unseen + unseen
        if to == hour + HOUR:
            yield self._part(hour, Ended.NO)

    def _use(self, end: int, why: Why | None) -> None:
        """Add what the VM has, times the whole seconds until `end`, and note whether they were observed."""
        start, stop = self.at // SECOND, end // SECOND
        self.at = end
        for meter, amount in _allocated(self.given):
            self.totals[meter] = self.totals.get(meter, 0) + amount * (stop - start)
            self.counted.add(meter)
        if why is None:
            self.observed += stop - start
        elif stop > start:
            last = self.gaps[-1] if self.gaps else None
            if last is not None and (last.reason, last.end) == (why, start):
                self.gaps[-1] = Gap(why, last.start, stop)
            else:
                self.gaps.append(Gap(why, start, stop))

    def _part(self, hour: int, ended: Ended) -> Part:
        """Return what the open hour has, and begin the next one."""
        start, end = max(self.begun, hour) // SECOND, self.at // SECOND
        amounts = {meter: self._book(meter) for meter in self.totals if meter in self.counted}
        meters = {meter: amount for meter, amount in amounts.items() if _SEPARATOR not in meter}
        part = Part(
            hour=hour // SECOND,
            running=((start, end),) if end > start else (),
            observed_seconds=min(self.observed, SECONDS_PER_HOUR),
            unseen_seconds=min(self.unseen, SECONDS_PER_HOUR),
            gaps=tuple(self.gaps),
            ended=ended,
            meters={"running_seconds": max(0, end - start), **meters},
            gpus=tuple(_gpus(amounts)),
        )
        self.counted, self.gaps, self.observed, self.unseen = set(), [], 0, 0
        return part

    def _book(self, meter: str) -> int:
        """Return the whole units that no record has so far."""
        parts = _MILLI if meter.startswith(_GPU_ENERGY) else FINE.get(meter, 1)
        units = self.totals[meter] // parts
        amount = units - self.booked.get(meter, 0)
        self.booked[meter] = units
        return amount


def _all_counters(reading: Reading) -> Iterator[tuple[str, Mapping[str, int]]]:
    yield from reading.counters.items()
    for kind, devices in reading.energy.items():
        yield _SEPARATOR.join((_GPU_ENERGY, *kind)), devices


def _allocated(given: Given) -> Iterator[tuple[str, int]]:
    """Yield what a second with this costs of each meter."""
    if given.vcpus is not None:
        yield "vcpu_allocated_seconds", given.vcpus
    if given.memory_bytes is not None:
        yield "memory_allocated_byte_seconds", given.memory_bytes
    if given.disk_bytes is not None:
        yield "disk_provisioned_byte_seconds", given.disk_bytes
    for kind, count in (given.gpus or {}).items():
        yield _SEPARATOR.join((_GPU_SECONDS, *kind)), count


def _gpus(amounts: Mapping[str, int]) -> Iterator[GpuUse]:
    """Yield the GPUs by kind; of GPUs that were taken away only the energy may be left."""
    kinds = dict.fromkeys(tuple(meter.split(_SEPARATOR)[1:]) for meter in amounts if _SEPARATOR in meter)
    for model, mode, profile in kinds:
        kind = (model, mode, profile)
        yield GpuUse(
            model=model,
            mode=GpuMode(mode),
            profile=profile,
            seconds=amounts.get(_SEPARATOR.join((_GPU_SECONDS, *kind)), 0),
            joules=amounts.get(_SEPARATOR.join((_GPU_ENERGY, *kind))),
        )
