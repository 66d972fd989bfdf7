"""Finds the GPUs of a BMC, their sensors and the metric reports about them, by its links: no name is assumed.

DMTF's schemas (ComputerSystem, Processor, Chassis, Sensor, MetricReport) say which links there are.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from hostcollector.errors import SourceMalformedError
from hostcollector.redfish import sensors
from hostcollector.redfish.atlas import Atlas, Found, Place
from hostcollector.redfish.links import link, links, resource, text
from hostcollector.redfish.meanings import Kind
from hostcollector.redfish.problems import noted
from hostcollector.redfish.tally import entries
from hostcollector.redfish.together import together
from hostcollector.redfish.values import Gpu

Get = Callable[[str], Coroutine[Any, Any, Any]]
Resource = dict[str, Any]


async def discover(get: Get, root: Resource) -> Atlas:
    """Return where everything is; `root` is the service root. Raises `SourceError`."""
    atlas = Atlas(product=text(root, "Product"), version=text(root, "RedfishVersion"))
    processors: dict[str, Resource] = {}
    for system_path in await _members(get, link(root, "Systems")):
        system = resource(await get(system_path), system_path)
        for path in await _members(get, link(system, "Processors")):
            with noted(atlas.skipped):
                processor = resource(await get(path), path)
                if processor.get("ProcessorType") == "GPU":
                    processors[path] = processor
                    atlas.gpus[path] = _gpu(path, processor, system)
    if not atlas.gpus:
        why = "; ".join(atlas.skipped) or "none of the BMC's systems has a processor of the type GPU"
        raise SourceMalformedError(why)

    async def explore(path: str) -> None:
        _add_metrics(atlas, path, processors[path])
        with noted(atlas.skipped):
            await _add_memory_and_sensors(get, atlas, path, processors)

    await together(explore(path) for path in processors)
    await _find_reports(get, atlas, root)
    return atlas


def identified(gpu: Gpu, processor: Resource) -> Gpu:
    """Return a GPU with what its resource says of it now."""
    return replace(
        gpu,
        model=text(processor, "Model"),
        serial=text(processor, "SerialNumber"),
        uuid=text(processor, "UUID"),
        firmware=text(processor, "FirmwareVersion"),
    )


def _gpu(path: str, processor: Resource, system: Resource) -> Gpu:
    gpu = Gpu(
        path=path,
        name=text(processor, "Id") or path.rpartition("/")[2],
        system=text(system, "Id"),
        baseboard=text(system, "SerialNumber") or text(system, "UUID") or text(system, "@odata.id"),
    )
    return identified(gpu, processor)


def _add_metrics(atlas: Atlas, path: str, processor: Resource) -> None:
    """Add what a GPU links to directly."""
    atlas.places[path] = Place(gpu=path, kind=Kind.PROCESSOR)
    if metrics := link(processor, "Metrics"):
        atlas.places[metrics] = Place(gpu=path, kind=Kind.METRICS)
    if environment := link(processor, "EnvironmentMetrics"):
        atlas.places[environment] = Place(gpu=path, kind=Kind.ENVIRONMENT)
        atlas.environments[path] = environment
    if ports := link(processor, "Ports"):
        atlas.ports[ports] = path
    if summary := link(processor.get("MemorySummary"), "Metrics"):
        atlas.places[summary] = Place(gpu=path, kind=Kind.MEMORY_METRICS)


async def _add_memory_and_sensors(get: Get, atlas: Atlas, path: str, processors: dict[str, Resource]) -> None:
    listed = list(links(processors[path].get("Links"), "Memory"))
    memories = {one: resource(await get(one), one) for one in listed}
    if len(memories) == 1:  # what several of them say is not the GPU's
        ((memory_path, memory),) = memories.items()
        atlas.places[memory_path] = Place(gpu=path, kind=Kind.MEMORY)
        if metrics := link(memory, "Metrics"):
            atlas.places[metrics] = Place(gpu=path, kind=Kind.MEMORY_METRICS)
    chassis = _chassis(processors[path])
    # One that several GPUs are in has sensors of no one of them.
    if chassis and [_chassis(other) for other in processors.values()].count(chassis) == 1:
        atlas.places[chassis] = Place(gpu=path, kind=Kind.CHASSIS)
        paths = await _members(get, link(resource(await get(chassis), chassis), "Sensors"))
        documents = await together(get(sensor) for sensor in paths)
        found = {at: resource(document, at) for at, document in zip(paths, documents, strict=True)}
        names = {text(memory, "Id") for memory in memories.values()} - {""}
        for sensor, meaning in sensors.meanings(found, names).items():
            atlas.sensors[sensor] = Found(gpu=path, meaning=meaning)


def _chassis(processor: Resource) -> str:
    """Return the chassis that the GPU is in: its link, or what its PCIe device lies in."""
    linked = processor.get("Links")
    return link(linked, "Chassis") or link(linked, "PCIeDevice").partition("/PCIeDevices/")[0]


async def _find_reports(get: Get, atlas: Atlas, root: Resource) -> None:
    """Find out which reports say something of the GPUs, by reading each of them once."""
    service = link(root, "TelemetryService")
    if not service:
        raise SourceMalformedError("the BMC has no TelemetryService: its firmware is too old")
    reports, port_reports = [], []
    for path in await _members(get, link(resource(await get(service), service), "MetricReports")):
        with noted(atlas.skipped):
            meant = (atlas.meaning(name) for name, _ in entries(await get(path)))
            found = [one for one in meant if one is not None]
            if any(not one.port for one in found):
                reports.append(path)
            elif found:
                port_reports.append(path)
    if not reports:
        raise SourceMalformedError("none of the BMC's metric reports says anything of its GPUs")
    atlas.reports, atlas.port_reports = tuple(reports), tuple(port_reports)


async def _members(get: Get, path: str) -> list[str]:
    return list(links(resource(await get(path), path), "Members")) if path else []
