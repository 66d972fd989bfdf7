"""Which resources are asked for besides the reports: what no report tells, and no more than that."""

from collections.abc import Iterator

from hostcollector.protocols.redfish.atlas import Atlas
from hostcollector.protocols.redfish.meanings import Kind

# What a GPU is looked at for in each round, by a report or else by itself.
_QUICK = frozenset({"power_watts", "temperature_celsius"})


def quick_resources(atlas: Atlas) -> Iterator[str]:
    """Yield what is asked in each round of the GPUs whose power no report tells: their main readings."""
    for gpu, resources in atlas.resources.items():
        if (gpu, ("power_watts", ())) in atlas.reported:
            continue
        yield resources[Kind.PROCESSOR]
        environment = resources.get(Kind.ENVIRONMENT)
        if environment is not None:
            yield environment
        for path, found in atlas.sensors[gpu].items():
            key = found.row[1][0]
            if key == "temperature_celsius" or (key in _QUICK and environment is None):
                yield path


def link_resources(atlas: Atlas) -> Iterator[str]:
    """Yield the NVLinks, with their counters where no report has those."""
    for gpu, links in atlas.links.items():
        for link in links:
            yield link
            if not atlas.counting.get(gpu):
                yield f"{link.rstrip('/')}/Metrics"


def slow_resources(atlas: Atlas) -> Iterator[str]:
    """Yield the GPUs with their environments, metrics and memory, and the sensors that no report tells."""
    quick = frozenset(quick_resources(atlas))
    for gpu, resources in atlas.resources.items():
        sensors = (path for path, found in atlas.sensors[gpu].items() if found.row not in atlas.reported)
        yield from (path for path in (*resources.values(), *sensors) if path not in quick)
