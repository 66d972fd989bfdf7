"""The readings of one round: metric reports and resources to values by GPU.

Left out is what is stale, old, or not a number.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.gaps import Gaps
from hostcollector.base.wording import counted, one_line
from hostcollector.catalogue.bmc import HEALTH
from hostcollector.catalogue.gpu import CLOCKS_HELD, MEMORY_TEMPERATURE, TEMPERATURE, TEMPERATURE_HEADROOM
from hostcollector.protocols.redfish.links import Resource, source_of, text
from hostcollector.protocols.redfish.properties import (
    TABLES,
    THROTTLE_REASONS,
    CounterProperty,
    GaugeProperty,
    Kind,
    RateProperty,
    reasons_held,
)
from hostcollector.protocols.redfish.resource_map import GpuProperty, Place, ResourceMap
from hostcollector.protocols.redfish.texts import number, says_nothing
from hostcollector.protocols.redfish.values import GpuReadings, Key

_LONGEST_SHOWN = 40
_TEMPERATURES = (TEMPERATURE, MEMORY_TEMPERATURE, TEMPERATURE_HEADROOM)
_OF_PORTS = frozenset({Kind.PORT, Kind.PORT_METRICS})
# DSP0268, Status, State: the readings of such a resource are of a device that is absent or out of service.
_ABSENT = "Absent"
_OUT_OF_SERVICE = frozenset({_ABSENT, "Disabled", "UnavailableOffline"})
Entry = dict[str, Any]
# The properties that say what an entry measures (DSP0268, MetricReport); only the first is a path.
_NAMES = ("MetricProperty", "MetricId", "MetricDefinition")
_DAY = 86_400.0


class Readings:
    """The readings of a round. A value that is stale, old or malformed is left out.

    `now` is in seconds since 1970. A report's value is old after `patience` seconds.
    """

    def __init__(
        self,
        resource_map: ResourceMap,
        gaps: Gaps,
        *,
        now: float,
        patience: float,
    ) -> None:
        self._resource_map = resource_map
        self._gaps = gaps
        self._now = now
        self._patience = patience
        self.malformed: dict[str, str] = {}
        """Malformed values by where they were."""
        self.made_at: dict[str, float] = {}
        """When the reports were made, by their paths, in seconds of the BMC's clock."""
        self._readings: defaultdict[str, GpuReadings] = defaultdict(GpuReadings)
        self._of_links: defaultdict[str, defaultdict[Key, dict[str, int]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._links = defaultdict(set, {gpu: resource_map.links_of(gpu) for gpu in resource_map.gpus})
        self._reasons: defaultdict[str, list[str]] = defaultdict(list)
        self._rates: dict[tuple[str, Key], float] = {}

    def add_report(self, path: str, document: Any) -> None:
        """Add a metric report. Raises `SourceMalformedError`."""
        report = read_report(document, now=self._now, patience=self._patience)
        self.made_at[path] = report.made_at
        if report.strange:
            self._gaps.unread(f"{path} (values)", f"{counted(report.strange, 'value')} in it without a name")
        old = 0
        for name, entry in report.entries.items():
            found = self._resource_map.meaning(name)
            if found is not None:
                stale = _at(entry, "/Oem/Nvidia/MetricValueStale") in (True, "true", "True")
                old += name in report.old
                self._add(found, "" if stale or name in report.old else _text(entry.get("MetricValue")), name)
        if old:
            why = f"they are more than {self._patience:g} s older than the others, by their own time stamps"
            self._gaps.unread(f"{counted(old, 'value')} of {path}", why)

    def add_resource(self, path: str, document: Resource) -> None:
        """Add a resource that was requested itself; only its health where it is out of service."""
        sensor, place = self._resource_map.sensor(path), self._resource_map.place(path)
        state = text(document.get("Status"), "State")
        if place is not None and place.kind in _OF_PORTS and state in _OUT_OF_SERVICE:
            self._links[place.gpu].discard(place.port)
        if state in _OUT_OF_SERVICE:
            document = {"Status": document["Status"]} if state != _ABSENT else {}
        if sensor is not None:
            self._add_rest(sensor, _text(document.get("Reading")), path)
        if place is not None:
            self._add_place(path, place, document)

    def _add_rest(self, found: GpuProperty, text: str, name: str) -> None:
        """Add a resource's value, unless a report has it: the report is newer, also where it is empty."""
        if found.row not in self._resource_map.reported:
            self._add(found, text, name)

    def _add_place(self, path: str, place: Place, document: Resource) -> None:
        for pointer, meaning in TABLES[place.kind].items():
            value = _at(document, pointer)
            if value is not None:
                found = GpuProperty(gpu=place.gpu, meaning=meaning, port=place.port)
                self._add_rest(found, _text(value), f"{path}#{pointer}")
        reasons = _at(document, THROTTLE_REASONS) if place.kind is Kind.METRICS else None
        if reasons is not None:
            self._add_rest(
                GpuProperty(gpu=place.gpu, meaning=None), _text(reasons), f"{path}#{THROTTLE_REASONS}"
            )
        temperature = _at(document, "/TemperatureCelsius/Reading")
        if temperature is not None and place.kind is Kind.ENVIRONMENT:
            self._add_temperature(path, place.gpu, source_of(document), _text(temperature))

    def _add_temperature(self, path: str, gpu: str, source: str, text: str) -> None:
        """Add an environment's temperature to the row of its sensor: it may be a distance to a limit."""
        sensor = self._resource_map.sensor(source)
        twin = TEMPERATURE if not source else sensor.row[1][0] if sensor is not None else None
        if twin in _TEMPERATURES and (sensor is None or sensor.gpu == gpu):
            self._add_rest(
                GpuProperty(gpu=gpu, meaning=GaugeProperty(twin, number)), text, f"{path}#/TemperatureCelsius"
            )

    def readings(self) -> dict[str, GpuReadings]:
        """Return the readings by the path of the GPU, the sums over its links included.

        A sum is left out if any link is missing: a smaller sum would look like a reset.
        """
        for gpu, counters in self._of_links.items():
            for key, counts in counters.items():
                if counts.keys() >= self._links[gpu]:
                    self._readings[gpu].counters[key] = sum(counts.values())
        for gpu, said in self._reasons.items():
            held = reasons_held(" ".join(said)) if all(said) else {}
            self._readings[gpu].gauges.update(
                ((CLOCKS_HELD, (reason,)), value) for reason, value in held.items()
            )
        self._leave_out_disproved()
        return {gpu: self._of_present(gpu, readings) for gpu, readings in self._readings.items()}

    def _add(self, found: GpuProperty, text: str, name: str) -> None:
        readings = self._readings[found.gpu]
        value: float | None
        match found.meaning:
            case None:
                self._reasons[found.gpu].append("" if text.strip().lower() == "nan" else text)
                return
            case GaugeProperty(read=read):
                value = read(text)
                if value is not None:
                    readings.gauges[found.row[1]] = value
            case RateProperty(twin, read, labels):
                value = read(text)
                self._rates[found.gpu, (twin, labels)] = value or 0.0
            case CounterProperty(twin, read, labels):
                value = raw = read(text)
                if found.port:
                    self._links[found.gpu].add(found.port)
                if raw is not None and found.port:
                    self._of_links[found.gpu][twin, labels][found.port] = raw
                elif raw is not None:
                    readings.counters[twin, labels] = raw
        if value is None and not says_nothing(text):
            self.malformed[name] = one_line(text[:_LONGEST_SHOWN])

    def _leave_out_disproved(self) -> None:
        """Leave out a counter that is 0 while its rate is not, until it grows."""
        disproved = self._resource_map.disproved
        for (gpu, key), rate in self._rates.items():
            raw = self._readings[gpu].counters.get(key)
            if raw == 0 and rate > 0:
                disproved.add((gpu, key))
            elif raw:
                disproved.discard((gpu, key))
        for gpu, key in disproved:
            if self._readings[gpu].counters.get(key) == 0:
                del self._readings[gpu].counters[key]

    def _of_present(self, gpu: str, readings: GpuReadings) -> GpuReadings:
        """Return the readings of a GPU; only its health where it is out of service."""
        known = self._resource_map.gpus.get(gpu)
        if known is None or known.state not in _OUT_OF_SERVICE:
            return readings
        return GpuReadings({key: value for key, value in readings.gauges.items() if key[0] is HEALTH}, {})


def _at(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer leads to, in any case of its names; None for nothing."""
    found: Any = document
    for part in pointer.split("/")[1:]:
        if not isinstance(found, dict):
            return None
        if part in found:
            found = found[part]
        else:
            found = next((value for key, value in found.items() if key.casefold() == part.casefold()), None)
    return found


def _text(value: Any) -> str:
    """Return a value as reports write it, of a list its texts; empty for any other shape."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return json.dumps([one for one in value if isinstance(one, str)])
    return json.dumps(value) if isinstance(value, bool | int | float) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The values of a report by property; of several for one property the latest.

    * `strange` counts entries without a name;
    * `old` are properties whose values are much older than the report's others, by their own time stamps;
    * `made_at` is when the report was made, by the time stamps, in seconds of the BMC's clock; 0 without any.
    """

    entries: dict[str, Entry]
    strange: int
    old: frozenset[str]
    made_at: float


def names_in(document: Any) -> list[str]:
    """Return the properties in a report. Raises `SourceMalformedError`."""
    return [name for name, _ in _named(_values(document))]


def read_report(document: Any, *, now: float, patience: float) -> Report:
    """Return a report's values. Raises `SourceMalformedError`.

    A value that is more than `patience` seconds older than its neighbours is old. The BMC's clock may be
    wrong: only time stamps more than a day ahead of `now`, in seconds since 1970, are ignored.
    """
    values = _values(document)
    stamped = [(name, entry, _seconds(entry, now)) for name, entry in _named(values)]
    latest: dict[str, tuple[Entry, float | None]] = {}
    for name, entry, stamp in stamped:
        known = latest.get(name)
        if known is None or (stamp or 0.0) >= (known[1] or 0.0):
            latest[name] = entry, stamp
    present = _present([stamp for _, stamp in latest.values() if stamp is not None])
    old = {name for name, (_, stamp) in latest.items() if stamp is not None and present - stamp > patience}
    strange = sum(not _is_named(value) for value in values)
    return Report(
        entries={name: entry for name, (entry, _) in latest.items()},
        strange=strange,
        old=frozenset(old),
        made_at=present,
    )


def _values(document: Any) -> list[Any]:
    values = document.get("MetricValues") if isinstance(document, dict) else None
    if not isinstance(values, list):
        raise SourceMalformedError("is a metric report without MetricValues")
    if values and not any(map(_is_named, values)):
        raise SourceMalformedError("is a metric report whose values have no names")
    return values


def _named(values: list[Any]) -> Iterator[tuple[str, Entry]]:
    for entry in values:
        if isinstance(entry, dict) and (name := text(entry, "MetricProperty")):
            yield name, entry


def _is_named(entry: Any) -> bool:
    """Whether an entry has a name; an Id or a definition alone names no GPU, and is allowed."""
    return isinstance(entry, dict) and any(entry.get(name) for name in _NAMES)


def _present(stamps: list[float]) -> float:
    """Return when the report was made, by its stamps; the newest tenth is ignored as outliers."""
    ordered = sorted(stamps)
    return ordered[-1 - len(ordered) // 10] if ordered else 0.0


def _seconds(entry: Entry, now: float) -> float | None:
    """Return when a value was taken; None without a time stamp, or for one in the future."""
    try:
        stamp = datetime.fromisoformat(text(entry, "Timestamp"))
        seconds = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds <= now + _DAY else None
