"""Which row each property of a BMC's resources is: one table per kind of resource, JSON pointer to row.

The names are those of DMTF's schemas (Processor, ProcessorMetrics, MemoryMetrics, PortMetrics,
EnvironmentMetrics) and of NVIDIA's OEM parts. The same tables serve metric reports, which name a value by its
resource and a JSON pointer, and the resources themselves. A sensor's row follows from its own properties
(ReadingType, PhysicalContext), not from its name.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hostcollector.base.gaps import Gaps
from hostcollector.base.units import NANOSECONDS_PER_SECOND
from hostcollector.protocols.redfish import texts
from hostcollector.protocols.redfish.links import canonical, text
from hostcollector.protocols.redfish.texts import Scaled, ScaledMilli

SCALES: Mapping[str, int] = {"energy_joules": 1000, "throttle_seconds": NANOSECONDS_PER_SECOND}
"""By what a raw counter is divided; those not named are in base units."""

THROTTLE_REASONS = "/Oem/Nvidia/ThrottleReasons"
"""The one property, of a GPU's metrics, that means several series."""


class Kind(StrEnum):
    """A resource that tells something of a GPU."""

    PROCESSOR = "processor"
    METRICS = "metrics"
    ENVIRONMENT = "environment"
    MEMORY = "memory"
    MEMORY_METRICS = "memory metrics"
    CHASSIS = "chassis"
    PORT = "port"
    PORT_METRICS = "port metrics"


@dataclass(frozen=True, slots=True)
class GaugeProperty:
    """A gauge's row, the values of its labels after `gpu`, and how its text is read."""

    key: str
    read: Callable[[str], float | None]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterProperty:
    """A counter's row, the values of its labels after `gpu`, and how its text is read."""

    key: str
    read: Callable[[str], int | None] = texts.count
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateProperty:
    """A rate, in any unit: while it is above 0 the counter of the row `key` cannot stand at 0."""

    key: str
    read: Callable[[str], float | None] = texts.number
    labels: tuple[str, ...] = ()


Properties = Mapping[str, GaugeProperty | CounterProperty | RateProperty]


def _pcie_errors() -> dict[str, GaugeProperty | CounterProperty]:
    kinds = {
        "CorrectableErrorCount": "correctable",
        "NonFatalErrorCount": "nonfatal",
        "FatalErrorCount": "fatal",
        "UnsupportedRequestCount": "unsupported_request",
        "L0ToRecoveryCount": "l0_to_recovery",
        "ReplayRolloverCount": "replay_rollover",
        "NAKReceivedCount": "nak_received",
        "NAKSentCount": "nak_sent",
    }
    return {
        f"/PCIeErrors/{name}": CounterProperty("pcie_errors", labels=(kind,)) for name, kind in kinds.items()
    }


def _utilization() -> dict[str, GaugeProperty | CounterProperty]:
    engines = {
        "/BandwidthPercent": "gpu",
        "/Oem/Nvidia/SMUtilizationPercent": "sm",
        "/Oem/Nvidia/NVDecUtilizationPercent": "decoder",
        "/Oem/Nvidia/NVEncUtilizationPercent": "encoder",
        "/Oem/Nvidia/NVJpgUtilizationPercent": "jpeg",
        "/Oem/Nvidia/NVOfaUtilizationPercent": "ofa",
    }
    units = {
        "SMActivity": "sm",
        "SMOccupancy": "sm_occupancy",
        "TensorCoreActivity": "tensor",
        "FP16Activity": "fp16",
        "FP32Activity": "fp32",
        "FP64Activity": "fp64",
        "IntegerActivityUtilization": "integer",
        "IntergerActivityUtilization": "integer",  # how older firmware spells it
        "DMMAUtilization": "dmma",
        "HMMAUtilization": "hmma",
        "IMMAUtilization": "imma",
        "GraphicsEngineActivity": "graphics",
    }
    return {
        **{
            path: GaugeProperty("utilization_ratio", texts.share, (engine,))
            for path, engine in engines.items()
        },
        **{
            f"/Oem/Nvidia/{name}Percent": GaugeProperty("activity_ratio", texts.share, (unit,))
            for name, unit in units.items()
        },
    }


def _ecc(where: str, memory: str) -> dict[str, GaugeProperty | CounterProperty]:
    return {
        f"{where}/LifeTime/CorrectableECCErrorCount": CounterProperty(
            "memory_ecc_errors", labels=(memory, "corrected")
        ),
        f"{where}/LifeTime/UncorrectableECCErrorCount": CounterProperty(
            "memory_ecc_errors", labels=(memory, "uncorrected")
        ),
    }


def _row_remapping() -> dict[str, GaugeProperty | CounterProperty]:
    where = "/Oem/Nvidia/RowRemapping"
    spares = {"Max": "max", "High": "high", "Partial": "partial", "Low": "low", "No": "none"}
    return {
        f"{where}/CorrectableRowRemappingCount": CounterProperty("remapped_rows", labels=("corrected",)),
        f"{where}/UncorrectableRowRemappingCount": CounterProperty("remapped_rows", labels=("uncorrected",)),
        **{
            f"{where}/{name}{spelling}BankCount": GaugeProperty("row_remapping_banks", texts.number, (label,))
            for name, label in spares.items()
            for spelling in ("Availability", "Availablity")
        },
    }


def _nvlink() -> dict[str, GaugeProperty | CounterProperty]:
    oem = "/Oem/Nvidia"
    errors = {
        f"{oem}/NVLinkErrors/ReplayCount": "replay",
        f"{oem}/NVLinkErrors/RecoveryCount": "recovery",
        f"{oem}/NVLinkErrors/FlitCRCCount": "crc_flit",
        f"{oem}/NVLinkErrors/DataCRCCount": "crc_data",
        "/RXErrors": "receive",
        f"{oem}/SymbolErrors": "symbol",
        f"{oem}/MalformedPackets": "malformed_packet",
        f"{oem}/LinkErrorRecoveryCount": "link_recovery",
        f"{oem}/LinkDownedCount": "link_downed",
        f"{oem}/UnintentionalLinkDownCount": "link_down_unintended",
        "/Networking/TXDiscards": "transmit_discard",
    }
    return {
        "/RXBytes": CounterProperty("nvlink_receive_bytes"),
        "/TXBytes": CounterProperty("nvlink_transmit_bytes"),
        **{path: CounterProperty("nvlink_errors", labels=(kind,)) for path, kind in errors.items()},
    }


TABLES: Mapping[Kind, Properties] = {
    Kind.PROCESSOR: {
        "/Status/Health": GaugeProperty("health_id", texts.health),
        "/MemorySummary/ECCModeEnabled": GaugeProperty("ecc_enabled", texts.truth),
        "/MemorySummary/TotalMemorySizeMiB": GaugeProperty("memory_bytes", texts.mebibytes),
    },
    Kind.METRICS: {
        "/OperatingSpeedMHz": GaugeProperty("clock_hertz", texts.hertz, ("graphics",)),
        "/PowerLimitThrottleDuration": CounterProperty("throttle_seconds", texts.nanoseconds, ("power",)),
        "/ThermalLimitThrottleDuration": CounterProperty("throttle_seconds", texts.nanoseconds, ("thermal",)),
        "/Oem/Nvidia/HardwareViolationThrottleDuration": CounterProperty(
            "throttle_seconds", texts.nanoseconds, ("hardware",)
        ),
        "/Oem/Nvidia/GlobalSoftwareViolationThrottleDuration": CounterProperty(
            "throttle_seconds", texts.nanoseconds, ("software",)
        ),
        "/Oem/Nvidia/PCIeRXBytes": CounterProperty("pcie_receive_bytes"),
        "/Oem/Nvidia/PCIeTXBytes": CounterProperty("pcie_transmit_bytes"),
        "/Oem/Nvidia/PCIeRawRxBandwidthGbps": RateProperty("pcie_receive_bytes"),
        "/Oem/Nvidia/PCIeRawTxBandwidthGbps": RateProperty("pcie_transmit_bytes"),
        "/Oem/Nvidia/SRAMECCErrorThresholdExceeded": GaugeProperty(
            "sram_ecc_threshold_exceeded", texts.truth
        ),
        "/PCIeErrors/ReplayCount": CounterProperty("pcie_replays"),
        **_pcie_errors(),
        **_utilization(),
        **_ecc("/CacheMetricsTotal", "sram"),
    },
    Kind.ENVIRONMENT: {
        "/PowerLimitWatts/SetPoint": GaugeProperty("power_limit_watts", texts.number),
        "/PowerWatts/Reading": GaugeProperty("power_watts", texts.number),
        "/EnergyJoules/Reading": CounterProperty("energy_joules", texts.milli),
    },
    Kind.MEMORY: {
        "/Oem/Nvidia/RowRemappingFailed": GaugeProperty("row_remapping_failed", texts.truth),
        "/Oem/Nvidia/RowRemappingPending": GaugeProperty("row_remapping_pending", texts.truth),
    },
    Kind.MEMORY_METRICS: {
        "/BandwidthPercent": GaugeProperty("utilization_ratio", texts.share, ("memory",)),
        "/CapacityUtilizationPercent": GaugeProperty("memory_used_ratio", texts.share),
        "/OperatingSpeedMHz": GaugeProperty("clock_hertz", texts.hertz, ("memory",)),
        **_ecc("", "dram"),
        **_row_remapping(),
    },
    Kind.CHASSIS: {
        "/Status/Health": GaugeProperty("health_id", texts.health),
    },
    Kind.PORT: {
        "/LinkStatus": GaugeProperty("nvlink_up", texts.link_up),
    },
    Kind.PORT_METRICS: _nvlink(),
}
"""By the kind of resource. What is counted per NVLink is shown as the sum of all links of the GPU."""

FOLDED: Mapping[Kind, Properties] = {
    kind: {pointer.casefold(): meaning for pointer, meaning in table.items()}
    for kind, table in TABLES.items()
}
"""The same, for pointers in whatever case a firmware writes them."""


# What a sensor of a GPU may be of; in a chassis there may be sensors of fans and power supplies too.
_CONTEXTS = frozenset({"", "GPU", "GPUSubsystem", "Accelerator", "Memory", "MemorySubsystem"})
_ROWS = {"Power": "power_watts", "Voltage": "voltage_volts", "EnergyJoules": "energy_joules"}
_ROWS_OF_MEMORY = {"Power": "memory_power_watts"}
_HEADROOM = "temperature_headroom_celsius"

# Units by ReadingType, in UCUM's case-sensitive codes and as some firmware writes them instead.
_UNITS: Mapping[str, Mapping[str, Scaled]] = {
    "Power": {
        **dict.fromkeys(("", "W", "Watts", "Watt"), Scaled()),
        "mW": Scaled(per=1000),
        "uW": Scaled(per=10**6),
        "kW": Scaled(times=1000),
        "MW": Scaled(times=10**6),
    },
    "Voltage": {
        **dict.fromkeys(("", "V", "Volts", "Volt"), Scaled()),
        "mV": Scaled(per=1000),
        "uV": Scaled(per=10**6),
        "kV": Scaled(times=1000),
    },
    "Temperature": {
        **dict.fromkeys(("", "Cel", "C", "Celsius", "degC"), Scaled()),
        "mCel": Scaled(per=1000),
        "K": Scaled(plus=-273.15),
        "[degF]": Scaled(times=5, per=9, plus=-160 / 9),
    },
}
_UNITS_OF_ENERGY: Mapping[str, ScaledMilli] = {
    **dict.fromkeys(("", "J", "Joules", "Joule"), ScaledMilli()),
    "mJ": ScaledMilli(per=1000),
    "uJ": ScaledMilli(per=10**6),
    "kJ": ScaledMilli(times=1000),
    "MJ": ScaledMilli(times=10**6),
    "W.h": ScaledMilli(times=3600),
    "kW.h": ScaledMilli(times=3_600_000),
}


def sensor_properties(
    sensors: Mapping[str, dict[str, Any]], memories: Collection[str], gaps: Gaps
) -> dict[str, GaugeProperty | CounterProperty]:
    """Return what the sensors of a GPU mean, by path; `memories` are its memories' names, in small letters.

    Where two of them claim to read the same, neither is believed, unless one is numbered 0 among its kind.
    """
    claims: dict[str, list[str]] = {}
    found = {}
    for path, sensor in sensors.items():
        row = _row(sensor, memories)
        if not row:
            continue
        try:
            found[path] = _meaning(sensor, row)
        except KeyError:
            gaps.unread(path, f"its ReadingUnits {text(sensor, 'ReadingUnits')!r} are not known")
        else:
            claims.setdefault(row, []).append(path)
    for row, paths in claims.items():
        if not _the_one(paths):
            gaps.note(f"{' and '.join(paths[:2])} of the BMC both read {row}: neither is shown")
    return {path: found[path] for paths in claims.values() if (path := _the_one(paths))}


def _the_one(paths: list[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    first = [path for path in paths if canonical(path).endswith("temp_0")]
    return first[0] if len(first) == 1 else ""


def _row(sensor: dict[str, Any], memories: Collection[str]) -> str:
    """Return the row that a sensor reads; empty for nothing of interest."""
    context, kind = text(sensor, "PhysicalContext"), text(sensor, "ReadingType")
    if context not in _CONTEXTS:
        return ""
    of_memory = "Memory" in context or any(memory in text(sensor, "Id").casefold() for memory in memories)
    if kind == "Temperature":
        return _temperature(sensor, of_memory=of_memory)
    return (_ROWS_OF_MEMORY if of_memory else _ROWS).get(kind, "")


def _temperature(sensor: dict[str, Any], *, of_memory: bool) -> str:
    """Return the row of a sensor in degrees: a distance to a limit is never a temperature.

    The basis of the reading says which it is; older firmware says it in the description only.
    """
    basis = text(sensor, "ReadingBasis")
    if basis not in ("", "Zero") or "limit" in text(sensor, "Description").lower():
        return _HEADROOM if not of_memory and basis in ("", "Headroom") else ""
    return "memory_temperature_celsius" if of_memory else "temperature_celsius"


def _meaning(sensor: dict[str, Any], row: str) -> GaugeProperty | CounterProperty:
    """Return how the number of a sensor is read. Raises `KeyError` for a unit that is not known."""
    kind, unit = text(sensor, "ReadingType"), text(sensor, "ReadingUnits")
    if kind == "EnergyJoules":
        return CounterProperty(row, _UNITS_OF_ENERGY[unit])
    scale = _UNITS[kind][unit]
    # A distance has no offset: 10 K to the limit are 10 degrees.
    read: Callable[[str], float | None] = Scaled(scale.times, scale.per) if row == _HEADROOM else scale
    return GaugeProperty(row, read)


# The BMC's words (NVIDIA's dbus_utils.hpp) to the label's values, which are those of the NVML source.
_REASONS = {
    "SWPowerCap": "sw_power_cap",
    "HWSlowdown": "hw_slowdown",
    "HWThermalSlowdown": "hw_thermal",
    "HWPowerBrakeSlowdown": "hw_power_brake",
    "SyncBoost": "sync_boost",
    "ClockOptimizedForPower": "clock_optimized_for_power",
    "ClockOptimizedForThermalEngage": "clock_optimized_for_thermal",
}
_SOFTWARE_THERMAL = "sw_thermal"
# One reason is a sentence: nvml.h explains nvmlClocksThrottleReasonSwThermalSlowdown with it.
_SENTENCE = "temperature above"
_NONE = frozenset({"NA", "None"})
_WORD = re.compile(r"[A-Za-z]+")


def reasons_held(text: str) -> dict[str, float]:
    """Return 1 or 0 for each reason; nothing for a text that names none of them and does not say "none".

    The list comes as one word, as a list in JSON or with commas, from firmware to firmware.
    """
    words = set(_WORD.findall(text))
    held = {_REASONS[word] for word in words & _REASONS.keys()}
    if _SENTENCE in text:
        held.add(_SOFTWARE_THERMAL)
    if not text or (not held and words and not words <= _NONE):
        return {}
    return {reason: float(reason in held) for reason in (*_REASONS.values(), _SOFTWARE_THERMAL)}
