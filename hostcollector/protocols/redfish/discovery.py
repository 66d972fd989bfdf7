"""Finds the GPUs of a BMC by its links, with their memory, sensors, ports and the metric reports about them.

DMTF's schemas (ComputerSystem, Processor, Chassis, Sensor, Port, MetricReport) say which links there are. No
name is assumed. A resource that cannot be read costs only itself.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from hostcollector.base.errors import SourceError, SourceMalformedError
from hostcollector.catalogue.gpu import NVLINK_RECEIVED, NVLINK_UP, POWER, TEMPERATURE
from hostcollector.protocols.redfish.links import Resource, canonical, last_part, link, links, source_of, text
from hostcollector.protocols.redfish.properties import Kind, RateProperty, sensor_properties
from hostcollector.protocols.redfish.readings import names_in
from hostcollector.protocols.redfish.resource_map import GpuProperty, Place, ResourceMap
from hostcollector.protocols.redfish.session import noted
from hostcollector.protocols.redfish.values import Gpu
from hostcollector.protocols.redfish.walk import Walk
from hostcollector.protocols.rest.refusals import NoSuchPathError

# DSP0268, Processor: an accelerator may be a GPU of any maker; an FPGA or a DSP has a type of its own.
_TYPES = frozenset({"gpu", "accelerator"})
_MOST_GPUS = 256
_OTHER_TYPES = frozenset({"CPU", "FPGA", "DSP", "Core", "Thread", "Partition", "OEM"})
_IN_CHASSIS = re.compile("/PCIeDevices/", re.IGNORECASE)
# This many sensors of one chassis are read, first those that are likely to be a GPU's.
_MOST_SENSORS = 512
# DSP0268, Chassis, ChassisType: those with more than one device. Their sensors name the device.
_HOLDING_MANY = frozenset(
    {
        *("Rack", "Blade", "Enclosure", "StandAlone", "RackMount", "Row", "Pod", "Sled", "Drawer", "Shelf"),
        *("Sidecar", "StorageEnclosure", "RackGroup", "Backplane"),
    }
)
Names = Mapping[str, Collection[str]]


async def discover(walk: Walk, root: Resource) -> ResourceMap:
    """Return the resource map; `root` is the service root. Raises `SourceError`."""
    resource_map = ResourceMap(
        product=text(root, "Product"), version=text(root, "RedfishVersion"), gaps=walk.gaps
    )
    processors: dict[str, Resource] = {}
    for path, system in (await walk.resources(await walk.members(link(root, "Systems")))).items():
        with noted(walk.gaps, link(system, "Processors") or path):
            members = await walk.members(link(system, "Processors"))
            for at, processor in (await walk.resources(members)).items():
                _sort_in(resource_map, at, processor, system, processors)
    if not resource_map.gpus:
        raise _nothing_found(resource_map)
    for path, processor in processors.items():
        _add_metrics(resource_map, path, processor)
    reports = await _reports(walk, resource_map, root)
    mentioned = {canonical(name) for names in reports.values() for name in names}
    memories = await add_memories(walk, resource_map, processors)
    await add_sensors(walk, resource_map, processors, root, mentioned, memories)
    await add_sources(walk, resource_map)
    resource_map.forget_properties()
    _classify(resource_map, reports)
    await add_ports(walk, resource_map, processors)
    _miss_readings(resource_map)
    return resource_map


def identified(gpu: Gpu, processor: Resource) -> Gpu:
    """Return a GPU with the texts that its resource has now; blank ones stay as they were."""
    status = processor.get("Status")
    texts = {
        "model": text(processor, "Model"),
        "serial": text(processor, "SerialNumber"),
        "uuid": text(processor, "UUID"),
        "firmware": text(processor, "FirmwareVersion"),
        "state": text(status, "State"),
    }
    return replace(gpu, **{name: value for name, value in texts.items() if value})


def _sort_in(
    resource_map: ResourceMap,
    path: str,
    processor: Resource,
    system: Resource,
    processors: dict[str, Resource],
) -> None:
    """Sort a processor: a GPU, a processor of another type, or an empty socket."""
    kind = text(processor, "ProcessorType")
    if kind.casefold() not in _TYPES:
        resource_map.others[kind if kind in _OTHER_TYPES else "of no known type"] += 1
    elif text(processor.get("Status"), "State") == "Absent":
        resource_map.empty += 1
    elif len(resource_map.gpus) >= _MOST_GPUS:
        resource_map.gaps.unread(path, f"there are more than {_MOST_GPUS} GPUs")
    elif canonical(path) not in map(canonical, processors):  # two systems may both link to it
        processors[path] = processor
        resource_map.gpus[path] = _gpu(path, processor, system)


def _gpu(path: str, processor: Resource, system: Resource) -> Gpu:
    gpu = Gpu(
        path=path,
        name=text(processor, "Id") or last_part(path),
        system=text(system, "Id"),
        baseboard=text(system, "SerialNumber") or text(system, "UUID") or text(system, "@odata.id"),
    )
    return identified(gpu, processor)


def _nothing_found(resource_map: ResourceMap) -> SourceError:
    others = ", ".join(sorted(resource_map.others))
    seen = f" (it has {others})" if others else ""
    sockets = f", and {resource_map.empty} of its sockets for GPUs are empty" if resource_map.empty else ""
    nothing = f"none of the BMC's systems has a processor of the type GPU{seen}{sockets}"
    return SourceMalformedError("; ".join((*resource_map.gaps.notes, nothing)))


def _add_metrics(resource_map: ResourceMap, path: str, processor: Resource) -> None:
    """Add what a GPU links to directly."""
    resource_map.add(path, Place(gpu=path, kind=Kind.PROCESSOR))
    if metrics := link(processor, "Metrics"):
        resource_map.add(metrics, Place(gpu=path, kind=Kind.METRICS))
    if environment := link(processor, "EnvironmentMetrics"):
        resource_map.add(environment, Place(gpu=path, kind=Kind.ENVIRONMENT))
    resets = link(_nvidia(processor), "ProcessorResetMetrics")
    # Firmware may have the report of the resets without the link; then nothing is requested.
    unlinked = f"{path.rstrip('/')}/Oem/Nvidia/ProcessorResetMetrics"
    resource_map.add(resets or unlinked, Place(gpu=path, kind=Kind.RESETS), asked=bool(resets))
    if ports := link(processor, "Ports"):
        resource_map.add_ports(ports, path)


def _nvidia(document: Resource) -> Any:
    """Return NVIDIA's part of a resource; None where there is none."""
    oem = document.get("Oem")
    return oem.get("Nvidia") if isinstance(oem, dict) else None


async def _reports(walk: Walk, resource_map: ResourceMap, root: Resource) -> dict[str, list[str]]:
    """Return the properties in each metric report; nothing where there are no reports."""
    reports: dict[str, list[str]] = {}
    service = link(root, "TelemetryService")
    with noted(walk.gaps, service):
        try:
            listed = link(await walk.resource(service), "MetricReports") if service else ""
            paths = await walk.members(listed)
        except NoSuchPathError:
            return reports
        for path in paths:
            if walk.is_over:
                walk.gaps.unread(path, "there was no time left for it: the BMC is slow")
                continue
            resource_map.doubtful.add(path)
            with noted(walk.gaps, path):
                reports[path] = names_in(await walk.document(path))
                # An empty report: the BMC may fill it later.
                resource_map.doubtful.discard(path)
                resource_map.unfinished = resource_map.unfinished or not reports[path]
    return reports


def _miss_readings(resource_map: ResourceMap) -> None:
    """Record the GPUs without a power reading: every GPU has one."""
    for path, gpu in resource_map.gpus.items():
        known = {found.row for found in resource_map.sensors[path].values()} | resource_map.reported
        if (path, (POWER, ())) not in known and Kind.ENVIRONMENT not in resource_map.resources[path]:
            why = "neither a report nor a sensor nor its environment has it"
            resource_map.gaps.missing("power reading of the GPU", gpu.name, why)


def _classify(resource_map: ResourceMap, properties: dict[str, list[str]]) -> None:
    """Note which reports have values of GPUs, and of which rows."""
    reports, port_reports = [], []
    for path, names in properties.items():
        found = [one for one in map(resource_map.meaning, names) if one is not None]
        resource_map.reported.update(one.row for one in found if not isinstance(one.meaning, RateProperty))
        for one in found:
            if one.port and one.counts:
                resource_map.counting[one.gpu].add(one.port)
        if any(not one.port for one in found):
            reports.append(path)
        elif found:
            port_reports.append(path)
    resource_map.reports, resource_map.port_reports = tuple(reports), tuple(port_reports)


async def add_memories(walk: Walk, resource_map: ResourceMap, processors: Mapping[str, Resource]) -> Names:
    """Add the memory of each GPU that has one; with several, no single one is the GPU's.

    Returns the names of the memories of each GPU.
    """
    owners: dict[str, str] = {}
    names: dict[str, set[str]] = {path: set() for path in processors}
    for path, processor in processors.items():
        listed = list(links(processor.get("Links"), "Memory"))
        names[path].update(last_part(canonical(one)) for one in listed)
        if len(listed) > 1:
            name = resource_map.gpus[path].name
            resource_map.gaps.fact(f"{name} has {len(listed)} memories: what each of them says is not shown")
        if len(listed) == 1:
            owners[listed[0]] = path
            resource_map.add(listed[0], Place(gpu=path, kind=Kind.MEMORY))
    for memory, document in (await walk.resources(owners)).items():
        names[owners[memory]].update({text(document, "Id").casefold()} - {""})
        if metrics := link(document, "Metrics"):
            resource_map.add(metrics, Place(gpu=owners[memory], kind=Kind.MEMORY_METRICS))
    for path, processor in processors.items():
        if summary := link(processor.get("MemorySummary"), "Metrics"):
            # Requested where the memory itself has none: both count the same.
            resource_map.add(summary, Place(gpu=path, kind=Kind.MEMORY_METRICS))
    return names


async def add_sensors(
    walk: Walk,
    resource_map: ResourceMap,
    processors: Mapping[str, Resource],
    root: Resource,
    mentioned: Collection[str],
    memories: Names,
) -> None:
    """Add the sensors of the GPUs; first those that are `mentioned` in reports."""
    chassis = await _chassis(walk, processors, root)
    tenants = Counter(canonical(path) for path in chassis.values())
    for path in sorted(processors.keys() - chassis.keys()):
        name = resource_map.gpus[path].name
        resource_map.gaps.fact(f"{name} is in no chassis that the BMC links to: its sensors are not read")
    found = await walk.resources(chassis.values())
    for at, document in found.items():
        inmates = [path for path, its in chassis.items() if canonical(its) == canonical(at)]
        own = inmates[0] if tenants[canonical(at)] == 1 and _is_for_one(document) else ""
        if own:
            resource_map.add(at, Place(gpu=own, kind=Kind.CHASSIS), asked=False)
        with noted(walk.gaps, link(document, "Sensors") or at):
            paths = await walk.members(link(document, "Sensors"))
            names = [resource_map.gpus[path].name.casefold() for path in inmates]
            likely = _likely_first(walk, at, paths, names, mentioned)
            _assign(resource_map, await walk.resources(likely), inmates, own, memories)


async def add_sources(walk: Walk, resource_map: ResourceMap) -> None:
    """Add the sensors behind the environments' temperatures where no temperature sensor is known."""
    asked = {}
    for gpu, resources in resource_map.resources.items():
        known = {found.row[1][0] for found in resource_map.sensors[gpu].values()}
        if Kind.ENVIRONMENT in resources and TEMPERATURE not in known:
            asked[resources[Kind.ENVIRONMENT]] = gpu
    sources = {}
    for path, document in (await walk.resources(asked)).items():
        if source := source_of(document):
            sources[source] = asked[path]
    for source, sensor in (await walk.resources(sources)).items():
        for meaning in sensor_properties({source: sensor}, (), resource_map.gaps).values():
            resource_map.add_sensor(source, GpuProperty(gpu=sources[source], meaning=meaning))


async def add_ports(walk: Walk, resource_map: ResourceMap, processors: Mapping[str, Resource]) -> None:
    """Add the NVLinks of the GPUs whose links are in no report."""
    for path, processor in processors.items():
        ports = link(processor, "Ports")
        reported = {twin for gpu, (twin, _) in resource_map.reported if gpu == path}
        if not ports or {NVLINK_UP, NVLINK_RECEIVED} <= reported:
            continue
        with noted(walk.gaps, ports):
            for link_path in await _nvlinks(walk, await walk.members(ports)):
                resource_map.add_link(link_path, path)


async def _nvlinks(walk: Walk, ports: list[str]) -> list[str]:
    """Return the ports that are NVLinks: by their names, else by their PortProtocol."""
    named = [path for path in ports if last_part(path).lower().startswith("nvlink")]
    if named:
        return named
    found = await walk.resources(ports)
    return [path for path, port in found.items() if text(port, "PortProtocol").lower() == "nvlink"]


async def _chassis(walk: Walk, processors: Mapping[str, Resource], root: Resource) -> dict[str, str]:
    """Return the chassis of each GPU: by its links, its PCIe device, or the chassis' own links."""
    found = {path: at for path, processor in processors.items() if (at := _linked_chassis(processor))}
    lacking = {canonical(path): path for path in processors.keys() - found.keys()}
    if lacking:
        with noted(walk.gaps, link(root, "Chassis")):
            listed = await walk.resources(await walk.members(link(root, "Chassis")))
            for at, document in listed.items():
                for processor in links(document.get("Links"), "Processors"):
                    if canonical(processor) in lacking:
                        found.setdefault(lacking[canonical(processor)], at)
    return found


def _linked_chassis(processor: Resource) -> str:
    """Return the chassis that the GPU is in: by its link, else that of its PCIe device."""
    linked = processor.get("Links")
    return link(linked, "Chassis") or _IN_CHASSIS.split(link(linked, "PCIeDevice"), maxsplit=1)[0]


def _is_for_one(chassis: Resource) -> bool:
    return text(chassis, "ChassisType") not in _HOLDING_MANY


def _likely_first(
    walk: Walk, at: str, paths: list[str], names: list[str], mentioned: Collection[str]
) -> list[str]:
    """Return the sensors to read: those that reports contain, those with a GPU's name, then others."""

    def unlikely(path: str) -> tuple[bool, bool]:
        spelling = canonical(path)
        return spelling not in mentioned, not any(name in last_part(spelling) for name in names)

    ordered = sorted(paths, key=unlikely)
    if len(ordered) > _MOST_SENSORS:
        left = len(ordered) - _MOST_SENSORS
        walk.gaps.unread(f"{at} (sensors)", f"it has {len(ordered)}: {left} were not looked at")
    return ordered[:_MOST_SENSORS]


def _assign(
    resource_map: ResourceMap,
    documents: Mapping[str, Resource],
    inmates: list[str],
    own: str,
    memories: Names,
) -> None:
    """Add the sensors of a chassis to the GPUs that they name; the others to the GPU whose `own` it is."""
    related = {path: _related(document, resource_map) for path, document in documents.items()}
    for gpu in inmates:
        its = {
            path: document
            for path, document in documents.items()
            if related[path] == {gpu} or (gpu == own and not related[path])
        }
        for sensor, meaning in sensor_properties(its, memories[gpu], resource_map.gaps).items():
            resource_map.add_sensor(sensor, GpuProperty(gpu=gpu, meaning=meaning))


def _related(sensor: Resource, resource_map: ResourceMap) -> set[str]:
    """Return the GPUs that a sensor names (DSP0268, Sensor, RelatedItem)."""
    places = map(resource_map.place, links(sensor, "RelatedItem"))
    return {place.gpu for place in places if place is not None}
