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
from hostcollector.catalogue import bmc, gpu
from hostcollector.catalogue.rows import Twin
from hostcollector.protocols.redfish import texts
from hostcollector.protocols.redfish.links import canonical, text
from hostcollector.protocols.redfish.texts import Scaled, ScaledMilli

SCALES: Mapping[Twin, int] = {gpu.ENERGY: 1000, gpu.THROTTLED: NANOSECONDS_PER_SECOND}
"""By what a raw counter is divided; all others are in base units."""

THROTTLE_REASONS = "/Oem/Nvidia/ThrottleReasons"
"""The one property of a GPU's metrics that gives several series."""
# The contexts of a GPU's sensors; a chassis may also have sensors of fans and power supplies.
_CONTEXTS = frozenset({"", "GPU", "GPUSubsystem", "Accelerator", "Memory", "MemorySubsystem"})
_ROWS: Mapping[str, Twin] = {"Power": gpu.POWER, "Voltage": bmc.VOLTAGE, "EnergyJoules": gpu.ENERGY}
_ROWS_OF_MEMORY: Mapping[str, Twin] = {"Power": gpu.MEMORY_POWER}
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
# The BMC's words (NVIDIA's dbus_utils.hpp) to the values of the label, which the `nvml` source has too.
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


class Kind(StrEnum):
    """The kinds of resources that have values of a GPU."""

    PROCESSOR = "processor"
    METRICS = "metrics"
    ENVIRONMENT = "environment"
    RESETS = "resets"
    MEMORY = "memory"
    MEMORY_METRICS = "memory metrics"
    CHASSIS = "chassis"
    PORT = "port"
    PORT_METRICS = "port metrics"


@dataclass(frozen=True, slots=True)
class GaugeProperty:
    """A gauge: its row, how its text is read, and the values of its labels after `gpu`."""

    twin: Twin
    read: Callable[[str], float | None]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterProperty:
    """A counter: its row, how its text is read, and the values of its labels after `gpu`."""

    twin: Twin
    read: Callable[[str], int | None] = texts.count
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateProperty:
    """A rate in any unit. While it is above 0, the counter of the row `twin` cannot be 0."""

    twin: Twin
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
        f"/PCIeErrors/{name}": CounterProperty(bmc.PCIE_ERRORS, labels=(kind,))
        for name, kind in kinds.items()
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
        **{path: GaugeProperty(gpu.UTILIZATION, texts.share, (engine,)) for path, engine in engines.items()},
        **{
            f"/Oem/Nvidia/{name}Percent": GaugeProperty(bmc.ACTIVITY, texts.share, (unit,))
            for name, unit in units.items()
        },
    }


def _ecc(where: str, memory: str) -> dict[str, GaugeProperty | CounterProperty]:
    return {
        f"{where}/LifeTime/CorrectableECCErrorCount": CounterProperty(
            gpu.MEMORY_ECC_ERRORS, labels=(memory, "corrected")
        ),
        f"{where}/LifeTime/UncorrectableECCErrorCount": CounterProperty(
            gpu.MEMORY_ECC_ERRORS, labels=(memory, "uncorrected")
        ),
    }


def _row_remapping() -> dict[str, GaugeProperty | CounterProperty]:
    where = "/Oem/Nvidia/RowRemapping"
    spares = {"Max": "max", "High": "high", "Partial": "partial", "Low": "low", "No": "none"}
    return {
        f"{where}/CorrectableRowRemappingCount": CounterProperty(gpu.REMAPPED_ROWS, labels=("corrected",)),
        f"{where}/UncorrectableRowRemappingCount": CounterProperty(
            gpu.REMAPPED_ROWS, labels=("uncorrected",)
        ),
        **{
            f"{where}/{name}{spelling}BankCount": GaugeProperty(
                gpu.ROW_REMAPPING_BANKS, texts.number, (label,)
            )
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
        "/RXBytes": CounterProperty(gpu.NVLINK_RECEIVED),
        "/TXBytes": CounterProperty(gpu.NVLINK_TRANSMITTED),
        **{path: CounterProperty(gpu.NVLINK_ERRORS, labels=(kind,)) for path, kind in errors.items()},
    }


def _resets() -> dict[str, GaugeProperty | CounterProperty]:
    """Return NVIDIA's ProcessorResetMetrics. The root of trust (IRoT) has no count of entries."""
    counts = {
        "PF_FLR_ResetEntryCount": ("pf_flr", "entry"),
        "PF_FLR_ResetExitCount": ("pf_flr", "exit"),
        "ConventionalResetEntryCount": ("conventional", "entry"),
        "ConventionalResetExitCount": ("conventional", "exit"),
        "FundamentalResetEntryCount": ("fundamental", "entry"),
        "FundamentalResetExitCount": ("fundamental", "exit"),
        "IRoTResetExitCount": ("irot", "exit"),
    }
    return {
        "/LastResetType": GaugeProperty(bmc.LAST_RESET, texts.last_reset),
        **{f"/{name}": CounterProperty(bmc.RESETS, labels=labels) for name, labels in counts.items()},
    }


TABLES: Mapping[Kind, Properties] = {
    Kind.PROCESSOR: {
        "/Status/Health": GaugeProperty(bmc.HEALTH, texts.health),
        "/MemorySummary/ECCModeEnabled": GaugeProperty(gpu.ECC_ENABLED, texts.truth),
        "/MemorySummary/TotalMemorySizeMiB": GaugeProperty(gpu.MEMORY, texts.mebibytes),
    },
    Kind.METRICS: {
        "/OperatingSpeedMHz": GaugeProperty(gpu.CLOCK, texts.hertz, ("graphics",)),
        "/PowerLimitThrottleDuration": CounterProperty(gpu.THROTTLED, texts.nanoseconds, ("power",)),
        "/ThermalLimitThrottleDuration": CounterProperty(gpu.THROTTLED, texts.nanoseconds, ("thermal",)),
        "/Oem/Nvidia/HardwareViolationThrottleDuration": CounterProperty(
            gpu.THROTTLED, texts.nanoseconds, ("hardware",)
        ),
        "/Oem/Nvidia/GlobalSoftwareViolationThrottleDuration": CounterProperty(
            gpu.THROTTLED, texts.nanoseconds, ("software",)
        ),
        "/Oem/Nvidia/PCIeRXBytes": CounterProperty(bmc.PCIE_RECEIVED),
        "/Oem/Nvidia/PCIeTXBytes": CounterProperty(bmc.PCIE_TRANSMITTED),
        "/Oem/Nvidia/PCIeRawRxBandwidthGbps": RateProperty(bmc.PCIE_RECEIVED),
        "/Oem/Nvidia/PCIeRawTxBandwidthGbps": RateProperty(bmc.PCIE_TRANSMITTED),
        "/Oem/Nvidia/SRAMECCErrorThresholdExceeded": GaugeProperty(
            gpu.SRAM_ECC_THRESHOLD_EXCEEDED, texts.truth
        ),
        "/PCIeErrors/ReplayCount": CounterProperty(gpu.PCIE_REPLAYS),
        **_pcie_errors(),
        **_utilization(),
        **_ecc("/CacheMetricsTotal", "sram"),
    },
    Kind.ENVIRONMENT: {
        "/PowerLimitWatts/SetPoint": GaugeProperty(gpu.POWER_LIMIT, texts.number),
        "/PowerWatts/Reading": GaugeProperty(gpu.POWER, texts.number),
        "/EnergyJoules/Reading": CounterProperty(gpu.ENERGY, texts.milli),
    },
    Kind.RESETS: _resets(),
    Kind.MEMORY: {
        "/Oem/Nvidia/RowRemappingFailed": GaugeProperty(gpu.ROW_REMAPPING_FAILED, texts.truth),
        "/Oem/Nvidia/RowRemappingPending": GaugeProperty(gpu.ROW_REMAPPING_PENDING, texts.truth),
    },
    Kind.MEMORY_METRICS: {
        "/BandwidthPercent": GaugeProperty(gpu.UTILIZATION, texts.share, ("memory",)),
        "/CapacityUtilizationPercent": GaugeProperty(bmc.MEMORY_USED_RATIO, texts.share),
        "/OperatingSpeedMHz": GaugeProperty(gpu.CLOCK, texts.hertz, ("memory",)),
        **_ecc("", "dram"),
        **_row_remapping(),
    },
    Kind.CHASSIS: {
        "/Status/Health": GaugeProperty(bmc.HEALTH, texts.health),
    },
    Kind.PORT: {
        "/LinkStatus": GaugeProperty(gpu.NVLINK_UP, texts.link_up),
    },
    Kind.PORT_METRICS: _nvlink(),
}
"""By the kind of resource. Counters of NVLinks are shown as the sum over all links of the GPU."""

FOLDED: Mapping[Kind, Properties] = {
    kind: {pointer.casefold(): meaning for pointer, meaning in table.items()}
    for kind, table in TABLES.items()
}
"""The same with pointers in small letters: firmware differs in their case."""


def sensor_properties(
    sensors: Mapping[str, dict[str, Any]], memories: Collection[str], gaps: Gaps
) -> dict[str, GaugeProperty | CounterProperty]:
    """Return the rows of a GPU's sensors by path; `memories` are its memories' names, in small letters.

    Where two sensors read the same row, neither is used, unless one is numbered 0 among its kind.
    """
    claims: dict[Twin, list[str]] = {}
    found = {}
    for path, sensor in sensors.items():
        row = _row(sensor, memories)
        if row is None:
            continue
        try:
            found[path] = _meaning(sensor, row)
        except KeyError:
            gaps.unread(path, f"its ReadingUnits {text(sensor, 'ReadingUnits')!r} are not known")
        else:
            claims.setdefault(row, []).append(path)
    for row, paths in claims.items():
        if not _the_one(paths):
            gaps.note(f"{' and '.join(paths[:2])} of the BMC both read {row.key}: neither is shown")
    return {path: found[path] for paths in claims.values() if (path := _the_one(paths))}


def _the_one(paths: list[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    first = [path for path in paths if canonical(path).endswith("temp_0")]
    return first[0] if len(first) == 1 else ""


def _row(sensor: dict[str, Any], memories: Collection[str]) -> Twin | None:
    """Return the row that a sensor reads; None where it is of no interest."""
    context, kind = text(sensor, "PhysicalContext"), text(sensor, "ReadingType")
    if context not in _CONTEXTS:
        return None
    of_memory = "Memory" in context or any(memory in text(sensor, "Id").casefold() for memory in memories)
    if kind == "Temperature":
        return _temperature(sensor, of_memory=of_memory)
    return (_ROWS_OF_MEMORY if of_memory else _ROWS).get(kind)


def _temperature(sensor: dict[str, Any], *, of_memory: bool) -> Twin | None:
    """Return the row of a sensor in degrees: a distance to a limit is never a temperature.

    ReadingBasis says which it is; older firmware says it only in the description.
    """
    basis = text(sensor, "ReadingBasis")
    if basis not in ("", "Zero") or "limit" in text(sensor, "Description").lower():
        return gpu.TEMPERATURE_HEADROOM if not of_memory and basis in ("", "Headroom") else None
    return gpu.MEMORY_TEMPERATURE if of_memory else gpu.TEMPERATURE


def _meaning(sensor: dict[str, Any], row: Twin) -> GaugeProperty | CounterProperty:
    """Return how a sensor's number is read. Raises `KeyError` for an unknown unit."""
    kind, unit = text(sensor, "ReadingType"), text(sensor, "ReadingUnits")
    if kind == "EnergyJoules":
        return CounterProperty(row, _UNITS_OF_ENERGY[unit])
    scale = _UNITS[kind][unit]
    # A distance has no offset: 10 K to the limit are 10 degrees.
    read: Callable[[str], float | None] = (
        Scaled(scale.times, scale.per) if row is gpu.TEMPERATURE_HEADROOM else scale
    )
    return GaugeProperty(row, read)


def reasons_held(text: str) -> dict[str, float]:
    """Return 1 or 0 for each reason; nothing for a text with no known reason that is not "none" either.

    The list comes as one word, as a list in JSON or with commas, from firmware to firmware.
    """
    words = set(_WORD.findall(text))
    held = {_REASONS[word] for word in words & _REASONS.keys()}
    if _SENTENCE in text:
        held.add(_SOFTWARE_THERMAL)
    if not text or (not held and words and not words <= _NONE):
        return {}
    return {reason: float(reason in held) for reason in (*_REASONS.values(), _SOFTWARE_THERMAL)}
