"""Where the resources of each GPU lie, as found by following the BMC's links, and so what a value means."""

from dataclasses import dataclass, field

from hostcollector.redfish.meanings import TABLES, THROTTLE_REASONS, Counted, Kind, Meaning
from hostcollector.redfish.values import Gpu

# More names than any baseboard has: a BMC that always finds new ones is not to fill the memory.
_MOST_KNOWN = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A resource of a GPU; `port` is the name of one of its NVLinks, empty for all other kinds."""

    gpu: str
    kind: Kind
    port: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a value means: of which GPU, and which row; None for the row of the reasons for throttling."""

    gpu: str
    meaning: Meaning | Counted | None
    port: str = ""


@dataclass(slots=True)
class Atlas:
    """The resources of the GPUs by path, and the reports about them.

    `ports` are the collections of the GPUs' ports by path; `skipped` is what could not be looked at, and why.
    """

    product: str = ""
    version: str = ""
    gpus: dict[str, Gpu] = field(default_factory=dict)
    environments: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    sensors: dict[str, Found] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    reports: tuple[str, ...] = ()
    port_reports: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)
    _known: dict[str, Found | None] = field(default_factory=dict)

    def meaning(self, name: str) -> Found | None:
        """Return what a report's ``MetricProperty`` means; None for what is of no interest."""
        if name not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[name] = self._looked_up(name)
        return self._known[name]

    def place(self, path: str) -> Place | None:
        """Return what the resource at a path is."""
        found = self.places.get(path)
        return found if found is not None else self._port(path)

    def _looked_up(self, name: str) -> Found | None:
        path, separator, pointer = name.partition("#")
        if not separator:
            return self.sensors.get(path)
        place = self.place(path)
        if place is None:
            return None
        if place.kind is Kind.METRICS and pointer == THROTTLE_REASONS:
            return Found(gpu=place.gpu, meaning=None)
        meaning = TABLES[place.kind].get(pointer)
        return None if meaning is None else Found(gpu=place.gpu, meaning=meaning, port=place.port)

    def _port(self, path: str) -> Place | None:
        """Return an NVLink of a GPU: ``.../Ports/NVLink_0`` or its ``/Metrics``; PCIe ports are none."""
        head, _, last = path.rpartition("/")
        if last == "Metrics":
            head, _, last = head.rpartition("/")
            kind = Kind.PORT_METRICS
        else:
            kind = Kind.PORT
        gpu = self.ports.get(head)
        if gpu is None or not last.lower().startswith("nvlink"):
            return None
        return Place(gpu=gpu, kind=kind, port=last)
