"""Finds the GPUs of a BMC by its links, with their memory, sensors, ports and the metric reports about them.

DMTF's schemas (ComputerSystem, Processor, Chassis, Sensor, Port, MetricReport) say which links there are. No
name is assumed. A resource that cannot be read costs only itself.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from hostcollector.base.errors import SourceError, SourceMalformedError
from hostcollector.protocols.redfish.links import Resource, canonical, last_part, link, links, source_of, text
from hostcollector.protocols.redfish.properties import Hint, Kind, sensor_properties
from hostcollector.protocols.redfish.readings import names_in
from hostcollector.protocols.redfish.resource_map import Atlas, Found, Place
from hostcollector.protocols.redfish.session import noted
from hostcollector.protocols.redfish.values import Gpu
from hostcollector.protocols.redfish.walk import Walk
from hostcollector.protocols.rest.refusals import NoSuchPathError

# DSP0268, Processor: an accelerator may be a GPU of any maker; an FPGA or a DSP has a type of its own.
_TYPES = frozenset({"gpu", "accelerator"})
_MOST_GPUS = 256
_OTHER_TYPES = frozenset({"CPU", "FPGA", "DSP", "Core", "Thread", "Partition", "OEM"})


async def discover(walk: Walk, root: Resource) -> Atlas:
    """Return where everything is; `root` is the service root. Raises `SourceError`."""
    atlas = Atlas(product=text(root, "Product"), version=text(root, "RedfishVersion"), gaps=walk.gaps)
    processors: dict[str, Resource] = {}
    for path, system in (await walk.resources(await walk.members(link(root, "Systems")))).items():
        with noted(walk.gaps, link(system, "Processors") or path):
            members = await walk.members(link(system, "Processors"))
            for at, processor in (await walk.resources(members)).items():
                _sort_in(atlas, at, processor, system, processors)
    if not atlas.gpus:
        raise _nothing_found(atlas)
    for path, processor in processors.items():
        _add_metrics(atlas, path, processor)
    told = await _reports(walk, atlas, root)
    mentioned = {canonical(name) for names in told.values() for name in names}
    memories = await add_memories(walk, atlas, processors)
    await add_sensors(walk, atlas, processors, root, mentioned, memories)
    await add_sources(walk, atlas)
    atlas.forget_meanings()
    _classify(atlas, told)
    await add_ports(walk, atlas, processors)
    _miss_readings(atlas)
    return atlas


def identified(gpu: Gpu, processor: Resource) -> Gpu:
    """Return a GPU with what its resource says of it now; what it leaves blank is as it was."""
    status = processor.get("Status")
    told = {
        "model": text(processor, "Model"),
        "serial": text(processor, "SerialNumber"),
        "uuid": text(processor, "UUID"),
        "firmware": text(processor, "FirmwareVersion"),
        "state": text(status, "State"),
    }
    return replace(gpu, **{name: value for name, value in told.items() if value})


def _sort_in(
    atlas: Atlas, path: str, processor: Resource, system: Resource, processors: dict[str, Resource]
) -> None:
    """Take note of a processor: a GPU, one of another type, or a socket without one."""
    kind = text(processor, "ProcessorType")
    if kind.casefold() not in _TYPES:
        atlas.others[kind if kind in _OTHER_TYPES else "of no known type"] += 1
    elif text(processor.get("Status"), "State") == "Absent":
        atlas.empty += 1
    elif len(atlas.gpus) >= _MOST_GPUS:
        atlas.gaps.unread(path, f"there are more than {_MOST_GPUS} GPUs")
    elif canonical(path) not in map(canonical, processors):  # two systems may both have it
        processors[path] = processor
        atlas.gpus[path] = _gpu(path, processor, system)


def _gpu(path: str, processor: Resource, system: Resource) -> Gpu:
    gpu = Gpu(
        path=path,
        name=text(processor, "Id") or last_part(path),
        system=text(system, "Id"),
        baseboard=text(system, "SerialNumber") or text(system, "UUID") or text(system, "@odata.id"),
    )
    return identified(gpu, processor)


def _nothing_found(atlas: Atlas) -> SourceError:
    others = ", ".join(sorted(atlas.others))
    seen = f" (it has {others})" if others else ""
    sockets = f", and {atlas.empty} of its sockets for GPUs are empty" if atlas.empty else ""
    nothing = f"none of the BMC's systems has a processor of the type GPU{seen}{sockets}"
    return SourceMalformedError("; ".join((*atlas.gaps.notes, nothing)))


def _add_metrics(atlas: Atlas, path: str, processor: Resource) -> None:
    """Add what a GPU links to directly."""
    atlas.add(path, Place(gpu=path, kind=Kind.PROCESSOR))
    if metrics := link(processor, "Metrics"):
        atlas.add(metrics, Place(gpu=path, kind=Kind.METRICS))
    if environment := link(processor, "EnvironmentMetrics"):
        atlas.add(environment, Place(gpu=path, kind=Kind.ENVIRONMENT))
    if ports := link(processor, "Ports"):
        atlas.add_ports(ports, path)


async def _reports(walk: Walk, atlas: Atlas, root: Resource) -> dict[str, list[str]]:
    """Return the properties in each metric report; nothing where there are no reports."""
    told: dict[str, list[str]] = {}
    service = link(root, "TelemetryService")
    with noted(walk.gaps, service):
        try:
            listed = link(await walk.resource(service), "MetricReports") if service else ""
            paths = await walk.members(listed)
        except NoSuchPathError:
            return told
        for path in paths:
            if walk.is_over:
                walk.gaps.unread(path, "there was no time left for it: the BMC is slow")
                continue
            atlas.doubtful.add(path)
            with noted(walk.gaps, path):
                told[path] = names_in(await walk.document(path))
                # The BMC has not filled it yet: it may have properties of GPUs later.
                atlas.doubtful.discard(path)
                atlas.unfinished = atlas.unfinished or not told[path]
    return told


def _miss_readings(atlas: Atlas) -> None:
    """Record the GPUs whose power can be read nowhere: each GPU has some."""
    for path, gpu in atlas.gpus.items():
        known = {found.row for found in atlas.sensors[path].values()} | atlas.reported
        if (path, ("power_watts", ())) not in known and Kind.ENVIRONMENT not in atlas.resources[path]:
            why = "neither a report nor a sensor nor its environment has it"
            atlas.gaps.missing("power reading of the GPU", gpu.name, why)


def _classify(atlas: Atlas, told: dict[str, list[str]]) -> None:
    """Take note of which reports say something of the GPUs, and of what."""
    reports, port_reports = [], []
    for path, names in told.items():
        found = [one for one in map(atlas.meaning, names) if one is not None]
        atlas.reported.update(one.row for one in found if not isinstance(one.meaning, Hint))
        for one in found:
            if one.port and one.counts:
                atlas.counting[one.gpu].add(one.port)
        if any(not one.port for one in found):
            reports.append(path)
        elif found:
            port_reports.append(path)
    atlas.reports, atlas.port_reports = tuple(reports), tuple(port_reports)


_IN_CHASSIS = re.compile("/PCIeDevices/", re.IGNORECASE)
# So many sensors of one chassis are looked at, those first that are likely to be a GPU's.
_MOST_SENSORS = 512
# DSP0268, Chassis, ChassisType: what holds more than one device. Its sensors say themselves of what they are.
_HOLDING_MANY = frozenset(
    {
        *("Rack", "Blade", "Enclosure", "StandAlone", "RackMount", "Row", "Pod", "Sled", "Drawer", "Shelf"),
        *("Sidecar", "StorageEnclosure", "RackGroup", "Backplane"),
    }
)


Names = Mapping[str, Collection[str]]


async def add_memories(walk: Walk, atlas: Atlas, processors: Mapping[str, Resource]) -> Names:
    """Add the memory of each GPU that has one; what several of them say is not the GPU's.

    Returns the names of the memories of each GPU.
    """
    owners: dict[str, str] = {}
    names: dict[str, set[str]] = {path: set() for path in processors}
    for path, processor in processors.items():
        listed = list(links(processor.get("Links"), "Memory"))
        names[path].update(last_part(canonical(one)) for one in listed)
        if len(listed) > 1:
            name = atlas.gpus[path].name
            atlas.gaps.fact(f"{name} has {len(listed)} memories: what each of them says is not shown")
        if len(listed) == 1:
            owners[listed[0]] = path
            atlas.add(listed[0], Place(gpu=path, kind=Kind.MEMORY))
    for memory, document in (await walk.resources(owners)).items():
        names[owners[memory]].update({text(document, "Id").casefold()} - {""})
        if metrics := link(document, "Metrics"):
            atlas.add(metrics, Place(gpu=owners[memory], kind=Kind.MEMORY_METRICS))
    for path, processor in processors.items():
        if summary := link(processor.get("MemorySummary"), "Metrics"):
            # Asked for where the memory itself has none: both count the same.
            atlas.add(summary, Place(gpu=path, kind=Kind.MEMORY_METRICS))
    return names


async def add_sensors(
    walk: Walk,
    atlas: Atlas,
    processors: Mapping[str, Resource],
    root: Resource,
    mentioned: Collection[str],
    memories: Names,
) -> None:
    """Add the sensors of the GPUs; those come first that the reports have `mentioned`."""
    chassis = await _chassis(walk, processors, root)
    tenants = Counter(canonical(path) for path in chassis.values())
    for path in sorted(processors.keys() - chassis.keys()):
        name = atlas.gpus[path].name
        atlas.gaps.fact(f"{name} is in no chassis that the BMC links to: its sensors are not read")
    found = await walk.resources(chassis.values())
    for at, document in found.items():
        inmates = [path for path, its in chassis.items() if canonical(its) == canonical(at)]
        own = inmates[0] if tenants[canonical(at)] == 1 and _is_for_one(document) else ""
        if own:
            atlas.add(at, Place(gpu=own, kind=Kind.CHASSIS), asked=False)
        with noted(walk.gaps, link(document, "Sensors") or at):
            paths = await walk.members(link(document, "Sensors"))
            names = [atlas.gpus[path].name.casefold() for path in inmates]
            likely = _likely_first(walk, at, paths, names, mentioned)
            _assign(atlas, await walk.resources(likely), inmates, own, memories)


async def add_sources(walk: Walk, atlas: Atlas) -> None:
    """Add the sensors that the environments of GPUs take their temperature from, where no other is known."""
    asked = {}
    for gpu, resources in atlas.resources.items():
        known = {found.row[1][0] for found in atlas.sensors[gpu].values()}
        if Kind.ENVIRONMENT in resources and "temperature_celsius" not in known:
            asked[resources[Kind.ENVIRONMENT]] = gpu
    sources = {}
    for path, document in (await walk.resources(asked)).items():
        if source := source_of(document):
            sources[source] = asked[path]
    for source, sensor in (await walk.resources(sources)).items():
        for meaning in sensor_properties({source: sensor}, (), atlas.gaps).values():
            atlas.add_sensor(source, Found(gpu=sources[source], meaning=meaning))


async def add_ports(walk: Walk, atlas: Atlas, processors: Mapping[str, Resource]) -> None:
    """Add the NVLinks of the GPUs of whose links no report tells."""
    for path, processor in processors.items():
        ports = link(processor, "Ports")
        told = {key for gpu, (key, _) in atlas.reported if gpu == path}
        if not ports or {"nvlink_up", "nvlink_receive_bytes"} <= told:
            continue
        with noted(walk.gaps, ports):
            for link_path in await _nvlinks(walk, await walk.members(ports)):
                atlas.add_link(link_path, path)


async def _nvlinks(walk: Walk, ports: list[str]) -> list[str]:
    """Return the ports that are NVLinks: by their names, or else by what they say of themselves."""
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
    """Return the chassis that the GPU is in: its link, or what its PCIe device lies in."""
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
    atlas: Atlas,
    documents: Mapping[str, Resource],
    inmates: list[str],
    own: str,
    memories: Names,
) -> None:
    """Add the sensors of a chassis to the GPUs in it: those that say so; all to a GPU whose `own` it is."""
    related = {path: _related(document, atlas) for path, document in documents.items()}
    for gpu in inmates:
        its = {
            path: document
            for path, document in documents.items()
            if related[path] == {gpu} or (gpu == own and not related[path])
        }
        for sensor, meaning in sensor_properties(its, memories[gpu], atlas.gaps).items():
            atlas.add_sensor(sensor, Found(gpu=gpu, meaning=meaning))


def _related(sensor: Resource, atlas: Atlas) -> set[str]:
    """Return the GPUs that a sensor says it is of (DSP0268, Sensor, RelatedItem)."""
    places = map(atlas.place, links(sensor, "RelatedItem"))
    return {place.gpu for place in places if place is not None}
