"""Follows the links of a BMC: each resource on its own, lists page by page, within limits."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin

from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.protocols.redfish.links import (
    LONGEST_TEXT,
    Resource,
    address,
    canonical,
    links,
    resource,
    text,
)
from hostcollector.protocols.redfish.session import gathered, noted

Get = Callable[[str], Coroutine[Any, Any, Any]]

# Limits against hostile or broken answers.
_MOST_MEMBERS = 4096
_MOST_PAGES = 256
# Resources and members of lists that are kept for the next walk.
_MOST_KEPT = 50_000
_NEXT = "Members@odata.nextLink"
_COUNT = "Members@odata.count"
_LONGEST_LIST = 5000
_DEEPEST = 4
_KEPT = frozenset(
    {
        *("@odata.id", "@odata.type", "Members", "Members@odata.nextLink", "Members@odata.count"),
        *(
            "Systems",
            "Chassis",
            "TelemetryService",
            "MetricReports",
            "Processors",
            "Sensors",
            "Ports",
            "Links",
        ),
        *("Memory", "MemorySummary", "Metrics", "EnvironmentMetrics", "PCIeDevice", "RelatedItem"),
        *("Id", "SerialNumber", "UUID", "Model", "FirmwareVersion", "Status", "State", "Description"),
        *("ProcessorType", "ChassisType", "PortProtocol", "PhysicalContext", "ReadingType", "ReadingUnits"),
        *("ThermalSubsystem", "ThermalMetrics", "Thermal", "LeakDetection", "LeakDetectors"),
        *("PowerSubsystem", "PowerSupplies", "Power", "LogServices", "Entries"),
        *("Oem", "Nvidia", "ProcessorResetMetrics"),
        *("ReadingBasis", "TemperatureCelsius", "DataSourceUri"),
    }
)


class Walk:
    """Requests with `get`, which raises `SourceError`; resources that could not be read are in `gaps`.

    After `seconds` no new request is sent: a part of the resources is better than none. `known` are the
    resources of an earlier walk, `documents` those of this one. A known resource serves where its request
    fails: links do not change then, and no reading is taken from them. `clock` is monotonic.
    """

    def __init__(
        self,
        get: Get,
        gaps: Gaps,
        *,
        clock: Clock,
        seconds: float,
        known: Mapping[str, Resource] = MappingProxyType({}),
    ) -> None:
        self.gaps = gaps
        self.documents: dict[str, Resource] = {}
        self._kept = 0
        self._get = get
        self._known = known
        self._clock = clock
        self._ends_at = clock() + seconds

    async def document(self, path: str) -> Any:
        """Return what is at a path, of any shape. Raises `SourceError`."""
        return await self._get(path)

    async def resource(self, path: str) -> Resource:
        """Return a resource, or as it was in an earlier walk. Raises `SourceError`."""
        found = self._known.get(path)
        if found is None:
            found = await self._asked(path)
        else:
            with noted(self.gaps, path):
                found = await self._asked(path)
        members = found.get("Members")
        self._kept += 1 + (len(members) if isinstance(members, list) else 0)
        if self._kept <= _MOST_KEPT:
            self.documents[path] = found
        return found

    async def _asked(self, path: str) -> Resource:
        return pruned(resource(await self._get(path), path))

    async def resources(self, paths: Iterable[str]) -> dict[str, Resource]:
        """Return the resources that can be read, in the order of `paths`."""
        found: dict[str, Resource] = {}

        async def read(path: str) -> None:
            if self.is_over:
                self.gaps.unread(path, "there was no time left for it: the BMC is slow")
                if path in self._known:
                    found[path] = self.documents[path] = self._known[path]
                return
            with noted(self.gaps, path):
                found[path] = await self.resource(path)

        listed = list(dict.fromkeys(paths))
        await gathered(read(path) for path in listed)
        return {path: found[path] for path in listed if path in found}

    @property
    def is_over(self) -> bool:
        """Whether there is no time for another request."""
        return self._clock() >= self._ends_at

    async def members(self, path: str) -> list[str]:
        """Return the members of a collection, all pages of it; none for an empty path.

        Raises `SourceError` for a collection whose first page cannot be read; further ones are noted.
        """
        if not path:
            return []
        page = await self.resource(path)
        found, asked, strange = dict.fromkeys(links(page, "Members")), {path}, _strange(page)
        count = page.get(_COUNT)
        while (onward := _next(page, path)) and len(found) < _MOST_MEMBERS:
            if onward in asked or len(asked) >= _MOST_PAGES or self.is_over:
                self.gaps.unread(onward, "the pages of the list do not end")
                break
            asked.add(onward)
            page = {}
            with noted(self.gaps, onward):
                page = await self.resource(onward)
            found.update(dict.fromkeys(links(page, "Members")))
            strange += _strange(page)
        members = _once(found)
        self._check(path, members, strange, count if type(count) is int else 0)
        return members[:_MOST_MEMBERS]

    def _check(self, path: str, members: list[str], strange: int, count: int) -> None:
        if strange:
            self.gaps.unread(f"{path} (members)", f"{strange} of its members are no links")
        elif len(members) > _MOST_MEMBERS:
            self.gaps.unread(f"{path} (members)", f"it has more than {_MOST_MEMBERS}")
        elif count > len(members):
            self.gaps.unread(f"{path} (members)", f"it gives {len(members)} of its {count}")


def _next(page: Resource, path: str) -> str:
    """Return the next page of a list; empty for none. `Http` refuses a page on another server."""
    onward = text(page, _NEXT) or text(page.get(_NEXT), "@odata.id")
    try:
        return address(urljoin(path, onward)) if onward else ""
    except ValueError:
        return ""


def _strange(page: Resource) -> int:
    """Return how many members are no links."""
    members = page.get("Members")
    return len(members) - len(list(links(page, "Members"))) if isinstance(members, list) else 0


def _once(paths: Iterable[str]) -> list[str]:
    """Return the paths, each in one spelling only."""
    return list({canonical(path): path for path in reversed(list(paths))}.values())[::-1]


def pruned(document: Resource) -> Resource:
    """Return a resource with only the properties that a walk reads; nothing huge is kept."""
    return {name: _part(value, _DEEPEST) for name, value in document.items() if name in _KEPT}


def _part(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else None
    if isinstance(value, dict):
        return {name: _part(inner, depth - 1) for name, inner in value.items() if name in _KEPT and depth}
    if isinstance(value, list):
        return [
            _part(inner, depth - 1) if isinstance(inner, dict) else None for inner in value[:_LONGEST_LIST]
        ]
    return value if isinstance(value, bool | int | float) else None
