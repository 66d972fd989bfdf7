"""The machine around the GPUs: air temperatures, leak detectors, power and power supplies, event logs.

The names are those of DMTF's schemas (Chassis, ThermalSubsystem, LeakDetector, PowerSupply, LogService), with
the older resources Thermal and Power where a BMC has no others. Numbers of resources are limited, since each
one is a request. What is missing has no value and is no failure.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hostcollector.base.model import Metric
from hostcollector.catalogue import bmc
from hostcollector.protocols.redfish.links import Resource, canonical, last_part, link, text
from hostcollector.protocols.redfish.session import noted
from hostcollector.protocols.redfish.texts import health
from hostcollector.protocols.redfish.walk import Walk

MOST_RESOURCES = 96
"""How many resources are requested in a slow round at most."""

Values = Mapping[tuple[Metric, tuple[str, ...]], float]
"""Values in base units by row and labels."""

Value = tuple[tuple[Metric, tuple[str, ...]], float | None]

# A chassis of one of these types is a part of another one: a GPU, a card.
_PARTS = frozenset({"Component", "Card", "Cartridge", "Expansion", "IPBasedDrive"})
_MOST_LISTED, _MOST_CHASSIS, _MOST_OF_A_KIND = 64, 8, 16
_MOST_LOGS, _MOST_LOGS_IN_FULL = 6, 2
# DSP0268, PhysicalContext of the air that comes in and goes out.
_PLACES = {"Intake": "inlet", "Exhaust": "exhaust"}
_CELSIUS = frozenset({"", "Cel", "C", "Celsius", "degC"})
_AIR = ("inlet", "intake", "exhaust", "outlet", "ambient")
# Parts of the names of logs of events; the others are of dumps, of POST codes and of the BMC itself.
_EVENTS = ("sel", "event")
_SEVERITIES = ("Warning", "Critical")
_OUT_OF_SERVICE = frozenset({"Absent", "Disabled", "UnavailableOffline"})


class Part(StrEnum):
    """The kinds of resources that have values of the machine."""

    ENVIRONMENT = "environment"
    SENSOR = "sensor"
    THERMAL_METRICS = "thermal metrics"
    THERMAL = "thermal"
    LEAK_DETECTOR = "leak detector"
    POWER_SUPPLY = "power supply"
    POWER_SUPPLY_METRICS = "power supply metrics"
    POWER = "power"
    LOG = "log"
    LOG_BY_SEVERITY = "log by severity"


@dataclass(frozen=True, slots=True)
class ChassisResource:
    """A resource to request: `chassis` and `name` are the values of its labels, `path` is with its query."""

    path: str
    part: Part
    chassis: str = ""
    name: str = ""


async def discover_chassis(
    walk: Walk, root: Resource, gpu_chassis: Collection[str]
) -> tuple[ChassisResource, ...]:
    """Return what to request of the machine; `gpu_chassis` are paths of chassis with a single GPU.

    `root` is the service root. Raises only errors of the whole BMC.
    """
    found: list[ChassisResource] = []
    own = set(map(canonical, gpu_chassis))
    with noted(walk.gaps, link(root, "Chassis") or "Chassis"):
        listed = await walk.members(link(root, "Chassis"))
        whole = [path for path in listed if canonical(path) not in own][:_MOST_LISTED]
        documents = await walk.resources(whole)
        kept = [at for at, it in documents.items() if text(it, "ChassisType") not in _PARTS]
        for at in kept[:_MOST_CHASSIS]:
            found += await _thermal(walk, at, documents[at])
            found += await _power(walk, at, documents[at])
    found += await _logs(walk, root)
    return tuple(found[:MOST_RESOURCES])


async def _thermal(walk: Walk, at: str, chassis: Resource) -> list[ChassisResource]:
    name = last_part(at)
    found = []
    with noted(walk.gaps, link(chassis, "Sensors") or at):
        sensors = await walk.members(link(chassis, "Sensors"))
        likely = [path for path in sensors if any(word in last_part(path).casefold() for word in _AIR)]
        for path, sensor in (await walk.resources(likely[:_MOST_OF_A_KIND])).items():
            if text(sensor, "PhysicalContext") in _PLACES and text(sensor, "ReadingType") == "Temperature":
                found.append(ChassisResource(path, Part.SENSOR, name, last_part(path)))
    subsystem = link(chassis, "ThermalSubsystem")
    if not subsystem:
        older = link(chassis, "Thermal")
        return found or ([ChassisResource(older, Part.THERMAL, name)] if older else [])
    with noted(walk.gaps, subsystem):
        document = await walk.resource(subsystem)
        if (metrics := link(document, "ThermalMetrics")) and not found:
            found.append(ChassisResource(metrics, Part.THERMAL_METRICS, name))
        if detection := link(document, "LeakDetection"):
            detectors = await walk.members(link(await walk.resource(detection), "LeakDetectors"))
            found += [
                ChassisResource(path, Part.LEAK_DETECTOR, name, last_part(path))
                for path in detectors[:_MOST_OF_A_KIND]
            ]
    return found


async def _power(walk: Walk, at: str, chassis: Resource) -> list[ChassisResource]:
    name, found = last_part(at), []
    if environment := link(chassis, "EnvironmentMetrics"):
        found.append(ChassisResource(environment, Part.ENVIRONMENT, name))
    subsystem = link(chassis, "PowerSubsystem")
    if not subsystem:
        older = link(chassis, "Power")
        return [*found, *([ChassisResource(older, Part.POWER, name)] if older else [])]
    with noted(walk.gaps, subsystem):
        supplies = await walk.members(link(await walk.resource(subsystem), "PowerSupplies"))
        for path, supply in (await walk.resources(supplies[:_MOST_OF_A_KIND])).items():
            found.append(ChassisResource(path, Part.POWER_SUPPLY, name, last_part(path)))
            if metrics := link(supply, "Metrics"):
                found.append(ChassisResource(metrics, Part.POWER_SUPPLY_METRICS, name, last_part(path)))
    return found


async def _logs(walk: Walk, root: Resource) -> list[ChassisResource]:
    """Return the logs, those of events first. A BMC that filters gives counts, another one whole pages."""
    features = root.get("ProtocolFeaturesSupported")
    filters = isinstance(features, dict) and bool(
        features.get("FilterQuery") and features.get("TopSkipQuery")
    )
    entries: dict[str, str] = {}
    for collection in ("Systems", "Managers"):
        with noted(walk.gaps, link(root, collection) or collection):
            holders = await walk.members(link(root, collection))
            for holder, document in (await walk.resources(holders[:_MOST_CHASSIS])).items():
                with noted(walk.gaps, link(document, "LogServices") or holder):
                    services = await walk.members(link(document, "LogServices"))
                    for path, service in (await walk.resources(services[:_MOST_OF_A_KIND])).items():
                        if listed := link(service, "Entries"):
                            entries[listed] = f"{last_part(holder)}/{last_part(path)}"
    ordered = sorted(entries, key=lambda path: not any(word in entries[path].casefold() for word in _EVENTS))
    if not filters:
        return [ChassisResource(path, Part.LOG, name=entries[path]) for path in ordered[:_MOST_LOGS_IN_FULL]]
    return [
        ChassisResource(
            f"{path}?$filter=Severity%20eq%20%27{severity}%27&$top=1",
            Part.LOG_BY_SEVERITY,
            severity,
            entries[path],
        )
        for path in ordered[:_MOST_LOGS]
        for severity in _SEVERITIES
    ]


def values_of(resource: ChassisResource, document: Resource) -> Values:
    """Return the values of one resource; nothing of one that is absent."""
    if text(document.get("Status"), "State") == "Absent":
        return {}
    return {key: value for key, value in _values(resource, document) if value is not None}


def _values(resource: ChassisResource, document: Resource) -> Iterator[Value]:
    chassis, name = resource.chassis, resource.name
    match resource.part:
        case Part.ENVIRONMENT:
            yield (bmc.CHASSIS_POWER, (chassis,)), _number(document, "PowerWatts", "Reading")
        case Part.THERMAL_METRICS:
            for context, place in _PLACES.items():
                value = _number(document, "TemperatureSummaryCelsius", context, "Reading")
                yield (bmc.AIR_TEMPERATURE, (chassis, place, "")), value
        case Part.POWER_SUPPLY:
            yield (bmc.SUPPLY_HEALTH, (chassis, name)), health(text(document.get("Status"), "Health"))
        case Part.POWER_SUPPLY_METRICS:
            yield (bmc.SUPPLY_POWER, (chassis, name)), _number(document, "InputPowerWatts", "Reading")
        case Part.THERMAL:
            yield from _older_temperatures(chassis, document)
        case Part.POWER:
            yield from _older_power(chassis, document)
        case Part.SENSOR | Part.LEAK_DETECTOR:
            yield from _of_sensor(resource, document)
        case Part.LOG | Part.LOG_BY_SEVERITY:
            yield from _entries(resource, document)


def _of_sensor(resource: ChassisResource, sensor: Resource) -> Iterator[Value]:
    """Yield the value of a sensor of air or of a leak detector, if it is in service."""
    if text(sensor.get("Status"), "State") in _OUT_OF_SERVICE:
        return
    if resource.part is Part.LEAK_DETECTOR:
        state = health(text(sensor, "DetectorState"))
        yield (bmc.LEAK, (resource.chassis, resource.name)), state
    elif (place := _PLACES.get(text(sensor, "PhysicalContext"))) and text(sensor, "ReadingUnits") in _CELSIUS:
        labels = (resource.chassis, place, resource.name)
        yield (bmc.AIR_TEMPERATURE, labels), _number(sensor, "Reading")


def _older_temperatures(chassis: str, thermal: Resource) -> Iterator[Value]:
    """Yield the air temperatures of the older resource Thermal."""
    for number, sensor in enumerate(_listed(thermal, "Temperatures")):
        place = _PLACES.get(text(sensor, "PhysicalContext"))
        if place and text(sensor.get("Status"), "State") not in _OUT_OF_SERVICE:
            labels = (chassis, place, text(sensor, "MemberId") or str(number))
            yield (bmc.AIR_TEMPERATURE, labels), _number(sensor, "ReadingCelsius")


def _older_power(chassis: str, power: Resource) -> Iterator[Value]:
    """Yield power and power supplies of the older resource Power."""
    controls = _listed(power, "PowerControl")
    if controls:  # the first is that of the whole chassis (DSP0268, Power)
        yield (bmc.CHASSIS_POWER, (chassis,)), _number(controls[0], "PowerConsumedWatts")
    for number, supply in enumerate(_listed(power, "PowerSupplies")):
        status = supply.get("Status")
        if text(status, "State") != "Absent":
            labels = (chassis, text(supply, "MemberId") or str(number))
            yield (bmc.SUPPLY_HEALTH, labels), health(text(status, "Health"))
            yield (bmc.SUPPLY_POWER, labels), _number(supply, "PowerInputWatts")


def _entries(resource: ChassisResource, log: Resource) -> Iterator[Value]:
    """Yield the number of a log's entries by severity; nothing of a log that is not given whole."""
    members, count = log.get("Members"), log.get("Members@odata.count")
    shown = [text(entry, "Severity") for entry in members] if isinstance(members, list) else []
    if type(count) is not int or count < 0:
        return
    if resource.part is Part.LOG_BY_SEVERITY:
        # A BMC that does not know the filter counts all entries.
        if (shown and set(shown) == {resource.chassis}) or (count == 0 and not shown):
            yield (bmc.LOG_ENTRIES, (resource.name, resource.chassis.lower())), float(count)
    elif len(shown) == count and all(shown):
        counted = Counter(shown)
        for severity in _SEVERITIES:
            yield (bmc.LOG_ENTRIES, (resource.name, severity.lower())), float(counted[severity])


def _listed(document: Resource, name: str) -> list[Resource]:
    entries = document.get(name)
    found = entries[:_MOST_OF_A_KIND] if isinstance(entries, list) else []
    return [entry for entry in found if isinstance(entry, dict)]


def _number(document: Any, *names: str) -> float | None:
    """Return a number inside of a document; None for any other value."""
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    fit = isinstance(document, int | float) and not isinstance(document, bool)
    return float(document) if fit and math.isfinite(document) else None
