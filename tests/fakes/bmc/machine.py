"""The machine around the GPUs, as DMTF's schemas have it: air, leaks, power supplies, and a log of events."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

ROOT = "/redfish/v1"
CHASSIS = f"{ROOT}/Chassis/HGX_Chassis_0"
MANAGER = f"{ROOT}/Managers/HGX_BMC_0"
LOG = f"{MANAGER}/LogServices/EventLog"
_THERMAL, _POWER = f"{CHASSIS}/ThermalSubsystem", f"{CHASSIS}/PowerSubsystem"
_DETECTORS, _SUPPLIES = f"{_THERMAL}/LeakDetection/LeakDetectors", f"{_POWER}/PowerSupplies"

Document = dict[str, Any]


@dataclass(kw_only=True)
class Machine:
    """A chassis with two power supplies and two leak detectors, as a test sets them."""

    inlet: float = 24.5
    exhaust: float = 39.0
    power: float = 6100.0
    leaks: list[str] = field(default_factory=lambda: ["OK", "OK"])
    supplies: list[str] = field(default_factory=lambda: ["OK", "OK"])
    entries: dict[str, int] = field(default_factory=lambda: {"OK": 20, "Warning": 3, "Critical": 1})
    filters: bool = True
    """Whether the BMC filters the members of a collection."""

    def document(self, path: str) -> Document | None:
        """Return what is at a path; None for nothing."""
        path, _, query = path.partition("?")
        if path == f"{LOG}/Entries":
            return self._log(unquote(query))
        return {**self._fixed(), **self._sensors(), **self._supplies()}.get(path)

    @property
    def features(self) -> Document:
        """What the service root says of queries."""
        return {"FilterQuery": self.filters, "TopSkipQuery": self.filters}

    def _fixed(self) -> dict[str, Document]:
        return {
            CHASSIS: {
                "Id": "HGX_Chassis_0",
                "ChassisType": "Module",
                **{name: to(f"{CHASSIS}/{name}") for name in ("Sensors", "EnvironmentMetrics")},
                "ThermalSubsystem": to(_THERMAL),
                "PowerSubsystem": to(_POWER),
            },
            f"{CHASSIS}/EnvironmentMetrics": {"PowerWatts": {"Reading": self.power}},
            _THERMAL: {
                "LeakDetection": to(f"{_THERMAL}/LeakDetection"),
                "ThermalMetrics": to(f"{_THERMAL}/ThermalMetrics"),
            },
            f"{_THERMAL}/LeakDetection": {"LeakDetectors": to(_DETECTORS)},
            _POWER: {"PowerSupplies": to(_SUPPLIES)},
            f"{ROOT}/Managers": members(MANAGER),
            MANAGER: {"LogServices": to(f"{MANAGER}/LogServices")},
            f"{MANAGER}/LogServices": members(LOG),
            LOG: {"Entries": to(f"{LOG}/Entries")},
        }

    def _sensors(self) -> dict[str, Document]:
        sensors = f"{CHASSIS}/Sensors"
        inlet, exhaust, fan = (f"{sensors}/{name}" for name in ("Inlet_0_Temp", "Exhaust_0_Temp", "Fan_0"))
        about = {"ReadingType": "Temperature", "ReadingUnits": "Cel"}
        detectors = {f"{_DETECTORS}/LeakDetector_{number}": state for number, state in enumerate(self.leaks)}
        return {
            sensors: members(inlet, exhaust, fan),
            inlet: {**about, "PhysicalContext": "Intake", "Reading": self.inlet},
            exhaust: {**about, "PhysicalContext": "Exhaust", "Reading": self.exhaust},
            fan: {"ReadingType": "Rotational", "Reading": 9000},
            _DETECTORS: members(*detectors),
            **{
                path: {"DetectorState": state, "Status": {"State": "Enabled"}}
                for path, state in detectors.items()
            },
        }

    def _supplies(self) -> dict[str, Document]:
        supplies = {f"{_SUPPLIES}/PSU_{number}": health for number, health in enumerate(self.supplies)}
        share = self.power / max(len(supplies), 1)
        return {
            _SUPPLIES: members(*supplies),
            **{
                path: {
                    "Status": {"Health": health, "State": "Enabled"} if health else {"State": "Absent"},
                    "Metrics": to(f"{path}/Metrics"),
                }
                for path, health in supplies.items()
            },
            **{f"{path}/Metrics": {"InputPowerWatts": {"Reading": share}} for path in supplies},
        }

    def _log(self, query: str) -> Document:
        wanted = [one for one in self.entries if not self.filters or one in query]
        shown = [severity for severity in wanted for _ in range(self.entries[severity])]
        some = shown[:1] if self.filters and "$top=1" in query else shown
        return {"Members@odata.count": len(shown), "Members": [{"Severity": one} for one in some]}


def members(*paths: str) -> Document:
    """Return a collection."""
    return {"Members": [to(path) for path in paths], "Members@odata.count": len(paths)}


def to(path: str) -> Document:
    """Return a link."""
    return {"@odata.id": path}
