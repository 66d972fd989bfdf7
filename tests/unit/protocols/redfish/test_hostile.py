"""A BMC that answers with anything at all."""

import asyncio
import math
import time
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hostcollector.base.errors import SourceError, SourceMalformedError
from hostcollector.base.gaps import Gaps
from hostcollector.protocols.redfish.chassis import ChassisResource, Part, discover_chassis, values_of
from hostcollector.protocols.redfish.discovery import discover
from hostcollector.protocols.redfish.links import resource
from hostcollector.protocols.redfish.readings import Readings
from hostcollector.protocols.redfish.resource_map import ResourceMap
from hostcollector.protocols.redfish.walk import Walk

NAMES_OF_CHASSIS = (
    *(
        "@odata.id",
        "Members",
        "Members@odata.count",
        "Chassis",
        "Systems",
        "Managers",
        "LogServices",
        "Entries",
    ),
    *("ThermalSubsystem", "LeakDetection", "LeakDetectors", "PowerSubsystem", "PowerSupplies", "Sensors"),
    *("Thermal", "Temperatures", "Power", "PowerControl", "Status", "State", "Health", "DetectorState"),
    *("PhysicalContext", "ReadingType", "Reading", "Severity", "MemberId", "ProtocolFeaturesSupported"),
)
PATHS = ("/a", "/b", "/c", "/d")
NAMES = (
    *(
        "@odata.id",
        "Systems",
        "Processors",
        "Members",
        "ProcessorType",
        "Links",
        "Memory",
        "Metrics",
        "Chassis",
    ),
    *("PCIeDevice", "Sensors", "ReadingType", "TelemetryService", "MetricReports", "MetricValues", "Ports"),
    *("MetricProperty", "MetricValue", "MemorySummary", "EnvironmentMetrics", "Id", "Status", "Health"),
)
TEXTS = (
    st.sampled_from((*PATHS, "GPU", "Temperature", "Power", "OK", "nan", "/a#/Status/Health", "")) | st.text()
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
LINKS = st.fixed_dictionaries({"@odata.id": st.sampled_from(PATHS)})


def _of_chassis(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES_OF_CHASSIS), inner, max_size=6)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    return st.lists(inner, max_size=3) | named


DOCUMENTS = st.recursive(LEAVES | LINKS, _deeper, max_leaves=20)
RESOURCES = st.dictionaries(st.sampled_from(NAMES), DOCUMENTS, max_size=10)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(PATHS), RESOURCES | DOCUMENTS), RESOURCES)
def test_nothing_but_an_error_of_ours(documents: dict[str, Any], root: dict[str, Any]) -> None:
    """Whatever its resources and reports are, exploring it ends, and with no other error than ours."""

    async def get(path: str) -> Any:
        return documents.get(path)

    async def explore() -> ResourceMap:
        with suppress(SourceError):
            walk = Walk(get, Gaps(), clock=time.monotonic, seconds=60.0)
            return await discover(walk, root)
        return ResourceMap()

    collected = Readings(asyncio.run(explore()), Gaps(), now=2e9, patience=300.0)
    for path, document in documents.items():
        with suppress(SourceMalformedError):
            collected.add_report(path, document)
        with suppress(SourceMalformedError):
            collected.add_resource(path, resource(document, path))
    for readings in collected.readings().values():
        assert all(value == value for value in readings.gauges.values())  # noqa: PLR0124 - not a nan
        assert all(raw >= 0 for raw in readings.counters.values())


@settings(max_examples=60)
@given(st.data())
def test_a_chassis_of_any_shape(data: st.DataObject) -> None:
    """Whatever the chassis, its sensors and logs are, the walk ends, and each value is a finite number."""
    anything = st.recursive(LEAVES | LINKS, _of_chassis, max_leaves=20)
    documents = data.draw(st.dictionaries(st.sampled_from(PATHS), anything))
    root = data.draw(st.dictionaries(st.sampled_from(NAMES_OF_CHASSIS), anything))

    async def get(path: str) -> Any:
        return documents.get(path)

    walk = Walk(get, Gaps(), clock=time.monotonic, seconds=60.0)
    asyncio.run(discover_chassis(walk, root, ()))
    for document in (one for one in documents.values() if isinstance(one, dict)):
        for part in Part:
            values = values_of(ChassisResource("/a", part, "c", "n"), document)
            assert all(math.isfinite(value) for value in values.values())
