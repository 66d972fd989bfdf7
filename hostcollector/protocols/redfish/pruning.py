"""What is kept of a resource while a walk goes on: by what links and kinds are told, and nothing huge."""

from typing import Any

from hostcollector.protocols.redfish.links import Resource

_LONGEST_TEXT = 512
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
        *("ReadingBasis", "TemperatureCelsius", "DataSourceUri"),
    }
)


def pruned(document: Resource) -> Resource:
    """Return a resource with the properties that a walk looks at."""
    return {name: _part(value, _DEEPEST) for name, value in document.items() if name in _KEPT}


def _part(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else None
    if isinstance(value, dict):
        return {name: _part(inner, depth - 1) for name, inner in value.items() if name in _KEPT and depth}
    if isinstance(value, list):
        return [
            _part(inner, depth - 1) if isinstance(inner, dict) else None for inner in value[:_LONGEST_LIST]
        ]
    return value if isinstance(value, bool | int | float) else None
