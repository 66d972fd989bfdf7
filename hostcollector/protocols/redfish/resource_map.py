"""Where the resources of each GPU are, by the BMC's links: so what a value means, and what to request."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from hostcollector.base.gaps import Gaps
from hostcollector.catalogue.bmc import RESETS
from hostcollector.catalogue.gpu import CLOCKS_HELD, POWER, TEMPERATURE
from hostcollector.protocols.redfish.links import canonical, last_part
from hostcollector.protocols.redfish.properties import (
    FOLDED,
    THROTTLE_REASONS,
    CounterProperty,
    GaugeProperty,
    Kind,
    RateProperty,
)
from hostcollector.protocols.redfish.values import Gpu, Key

# More names than any baseboard has: a BMC with ever new names must not fill the memory.
_MOST_KNOWN = 100_000
_THROTTLE_REASONS = re.compile(re.escape(THROTTLE_REASONS.casefold()) + r"(?:/\d{1,4})?")
_OF_SENSORS = frozenset({"", "/reading"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A resource of a GPU; `port` is the name of one of its NVLinks, empty for all other kinds."""

    gpu: str
    kind: Kind
    port: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProperty:
    """A value's GPU and row; `meaning` is None for the reasons for throttling, which are several series."""

    gpu: str
    meaning: GaugeProperty | CounterProperty | RateProperty | None
    port: str = ""

    @property
    def counts(self) -> bool:
        """Whether the value only grows."""
        return isinstance(self.meaning, CounterProperty)

    @property
    def row(self) -> tuple[str, Key]:
        """The GPU and the series; counters of its NVLinks are summed, `nvlink_up` is per link."""
        if self.meaning is None:
            return self.gpu, (CLOCKS_HELD, ())
        up = (self.port,) if self.port and isinstance(self.meaning, GaugeProperty) else ()
        return self.gpu, (self.meaning.twin, (*up, *self.meaning.labels))


@dataclass(slots=True)
class ResourceMap:
    """The resources of the GPUs, and the reports about them.

    * `resources` are requested for a GPU, by kind; `sensors` are its sensors with their rows;
    * `links` are its NVLinks by path, `counting` the names of those whose counters the reports have;
    * `reported` are the series that the reports contain, `disproved` the counters that are 0 against a rate;
    * `doubtful` are reports that could not be read this time;
    * `others` counts processors that are no GPUs by type, `empty` the empty sockets for GPUs;
    * `unfinished` is whether another walk may find more; `gaps` are the resources that could not be read.
    """

    product: str = ""
    version: str = ""
    gpus: dict[str, Gpu] = field(default_factory=dict)
    resources: defaultdict[str, dict[Kind, str]] = field(default_factory=lambda: defaultdict(dict))
    sensors: defaultdict[str, dict[str, GpuProperty]] = field(default_factory=lambda: defaultdict(dict))
    links: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counting: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    reports: tuple[str, ...] = ()
    port_reports: tuple[str, ...] = ()
    reported: set[tuple[str, Key]] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    disproved: set[tuple[str, Key]] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    unfinished: bool = False
    gaps: Gaps = field(default_factory=Gaps)
    _places: dict[str, Place | None] = field(default_factory=dict)
    _sensors: dict[str, GpuProperty | None] = field(default_factory=dict)
    _ports: dict[str, str | None] = field(default_factory=dict)
    _known: dict[str, GpuProperty | None] = field(default_factory=dict)

    def add(self, path: str, place: Place, *, asked: bool = True) -> None:
        """Add a resource of a GPU; `asked` is whether it is requested for values."""
        _put(self._places, path, place)
        if asked:
            self.resources[place.gpu].setdefault(place.kind, path)

    def add_sensor(self, path: str, found: GpuProperty) -> None:
        """Add a sensor of a GPU."""
        _put(self._sensors, path, found)
        self.sensors[found.gpu][path] = found

    def add_ports(self, path: str, gpu: str) -> None:
        """Add the collection of a GPU's ports."""
        _put(self._ports, path, gpu)

    def add_link(self, path: str, gpu: str) -> None:
        """Add an NVLink of a GPU; its name does not matter."""
        _put(self._places, path, Place(gpu=gpu, kind=Kind.PORT, port=last_part(path)))
        self.links[gpu].append(path)

    def links_of(self, gpu: str) -> set[str]:
        """Return the names of the NVLinks whose counters make up the GPU's."""
        return set(self.counting.get(gpu) or map(last_part, self.links.get(gpu, ())))

    def meaning(self, name: str) -> GpuProperty | None:
        """Return the row of a report's ``MetricProperty``; None where it is of no interest."""
        if name not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[name] = self._looked_up(name)
        return self._known[name]

    def forget_properties(self) -> None:
        """Look up all properties again: resources were added."""
        self._known.clear()

    def keep_reports(self, known: "ResourceMap") -> None:
        """Keep the reports of an earlier walk that could not be read in this one."""
        if self.doubtful:
            self.reports += tuple(path for path in known.reports if path in self.doubtful)
            self.port_reports += tuple(path for path in known.port_reports if path in self.doubtful)
            self.reported |= known.reported
            for gpu, ports in known.counting.items():
                self.counting[gpu] |= ports

    def own_chassis(self) -> list[str]:
        """Return the spellings of the chassis that hold a single GPU and nothing else."""
        return [path for path, place in self._places.items() if place and place.kind is Kind.CHASSIS]

    def place(self, path: str) -> Place | None:
        """Return what the resource at a path is; None also where two GPUs link to it."""
        spelling = canonical(path)
        return self._places[spelling] if spelling in self._places else self._port(path)

    def sensor(self, path: str) -> GpuProperty | None:
        """Return what the sensor at a path reads."""
        return self._sensors.get(canonical(path))

    def _looked_up(self, name: str) -> GpuProperty | None:
        path, _, pointer = name.partition("#")
        pointer = f"/{pointer.strip('/').casefold()}" if pointer.strip("/") else ""
        sensor = self.sensor(path)
        if sensor is not None:
            return sensor if pointer in _OF_SENSORS else None
        place = self.place(path) if pointer else None
        if place is None:
            return None
        if place.kind is Kind.METRICS and _THROTTLE_REASONS.fullmatch(pointer):
            return GpuProperty(gpu=place.gpu, meaning=None)
        meaning = FOLDED[place.kind].get(pointer)
        return None if meaning is None else GpuProperty(gpu=place.gpu, meaning=meaning, port=place.port)

    def _port(self, path: str) -> Place | None:
        """Return an NVLink of a GPU: ``.../Ports/NVLink_0`` or its ``/Metrics``; PCIe ports are none."""
        head, _, last = path.rstrip("/").rpartition("/")
        kind = Kind.PORT
        if last.casefold() == "metrics":
            head, _, last = head.rpartition("/")
            kind = Kind.PORT_METRICS
        link = self._places.get(canonical(f"{head}/{last}"))
        if link is not None and link.kind is Kind.PORT:
            return Place(gpu=link.gpu, kind=kind, port=link.port)
        gpu = self._ports.get(canonical(head))
        return Place(gpu=gpu, kind=kind, port=last) if gpu and last.lower().startswith("nvlink") else None


def _put(known: dict[str, T | None], path: str, value: T) -> None:
    """Add what is at a path. A path that two GPUs link to belongs to neither of them."""
    spelling = canonical(path)
    known[spelling] = value if known.get(spelling, value) == value else None


def quick_resources(resource_map: ResourceMap) -> Iterator[str]:
    """Yield what is requested in each round where no report has the GPU's power: its main readings."""
    for gpu, resources in resource_map.resources.items():
        if (gpu, (POWER, ())) in resource_map.reported:
            continue
        yield resources[Kind.PROCESSOR]
        environment = resources.get(Kind.ENVIRONMENT)
        if environment is not None:
            yield environment
        for path, found in resource_map.sensors[gpu].items():
            twin = found.row[1][0]
            if twin is TEMPERATURE or (twin is POWER and environment is None):
                yield path


def link_resources(resource_map: ResourceMap) -> Iterator[str]:
    """Yield the NVLinks, with their counters where no report has them."""
    for gpu, links in resource_map.links.items():
        for link in links:
            yield link
            if not resource_map.counting.get(gpu):
                yield f"{link.rstrip('/')}/Metrics"


def slow_resources(resource_map: ResourceMap) -> Iterator[str]:
    """Yield the GPUs with their environments, metrics and memory, and the sensors that no report has."""
    quick = frozenset(quick_resources(resource_map))
    reset = {gpu for gpu, (twin, _) in resource_map.reported if twin is RESETS}
    for gpu, resources in resource_map.resources.items():
        paths = (path for kind, path in resources.items() if kind is not Kind.RESETS or gpu not in reset)
        sensors = (
            path
            for path, found in resource_map.sensors[gpu].items()
            if found.row not in resource_map.reported
        )
        yield from (path for path in (*paths, *sensors) if path not in quick)
