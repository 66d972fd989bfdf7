"""What a GPU has around it: its memory, the sensors of its chassis, its ports."""

import re
from collections import Counter
from collections.abc import Collection, Mapping

from hostcollector.protocols.redfish import sensors
from hostcollector.protocols.redfish.atlas import Atlas, Found, Place
from hostcollector.protocols.redfish.links import Resource, canonical, last_part, link, links, source_of, text
from hostcollector.protocols.redfish.meanings import Kind
from hostcollector.protocols.redfish.problems import noted
from hostcollector.protocols.redfish.walk import Walk

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
        for meaning in sensors.meanings({source: sensor}, (), atlas.gaps).values():
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
        for sensor, meaning in sensors.meanings(its, memories[gpu], atlas.gaps).items():
            atlas.add_sensor(sensor, Found(gpu=gpu, meaning=meaning))


def _related(sensor: Resource, atlas: Atlas) -> set[str]:
    """Return the GPUs that a sensor says it is of (DSP0268, Sensor, RelatedItem)."""
    places = map(atlas.place, links(sensor, "RelatedItem"))
    return {place.gpu for place in places if place is not None}
