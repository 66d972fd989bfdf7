"""Finds the GPUs of a BMC, what belongs to them and the metric reports about them, by its links.

DMTF's schemas (ComputerSystem, Processor, Chassis, Sensor, Port, MetricReport) say which links there are. No
name is assumed, and what cannot be read costs itself.
"""

from dataclasses import replace

from hostcollector.base.errors import SourceError, SourceMalformedError
from hostcollector.protocols.redfish.atlas import Atlas, Place
from hostcollector.protocols.redfish.links import Resource, canonical, last_part, link, text
from hostcollector.protocols.redfish.meanings import Hint, Kind
from hostcollector.protocols.redfish.problems import noted
from hostcollector.protocols.redfish.reports import names_in
from hostcollector.protocols.redfish.surroundings import add_memories, add_ports, add_sensors, add_sources
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
