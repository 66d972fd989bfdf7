"""What the properties of a BMC's resources mean: one table per kind of resource, pointer to row.

The names are those of DMTF's schemas (Processor, ProcessorMetrics, MemoryMetrics, PortMetrics,
EnvironmentMetrics) and of NVIDIA's OEM parts. The same tables serve for metric reports, which name a value by
its resource and a JSON pointer, and for the resources themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hostcollector.base.units import NANOSECONDS_PER_SECOND
from hostcollector.protocols.redfish import texts

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
class Meaning:
    """A gauge's row, the values of its labels after `gpu`, and how its text is read."""

    key: str
    read: Callable[[str], float | None]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter's row, the values of its labels after `gpu`, and how its text is read."""

    key: str
    read: Callable[[str], int | None] = texts.count
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hint:
    """A rate, in any unit: while it is above 0 the counter of the row `key` cannot stand at 0."""

    key: str
    read: Callable[[str], float | None] = texts.number
    labels: tuple[str, ...] = ()


Meanings = Mapping[str, Meaning | Counted | Hint]


def _pcie_errors() -> dict[str, Meaning | Counted]:
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
    return {f"/PCIeErrors/{name}": Counted("pcie_errors", labels=(kind,)) for name, kind in kinds.items()}


def _utilization() -> dict[str, Meaning | Counted]:
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
        **{path: Meaning("utilization_ratio", texts.share, (engine,)) for path, engine in engines.items()},
        **{
            f"/Oem/Nvidia/{name}Percent": Meaning("activity_ratio", texts.share, (unit,))
            for name, unit in units.items()
        },
    }


def _ecc(where: str, memory: str) -> dict[str, Meaning | Counted]:
    return {
        f"{where}/LifeTime/CorrectableECCErrorCount": Counted(
            "memory_ecc_errors", labels=(memory, "corrected")
        ),
        f"{where}/LifeTime/UncorrectableECCErrorCount": Counted(
            "memory_ecc_errors", labels=(memory, "uncorrected")
        ),
    }


def _row_remapping() -> dict[str, Meaning | Counted]:
    where = "/Oem/Nvidia/RowRemapping"
    spares = {"Max": "max", "High": "high", "Partial": "partial", "Low": "low", "No": "none"}
    return {
        f"{where}/CorrectableRowRemappingCount": Counted("remapped_rows", labels=("corrected",)),
        f"{where}/UncorrectableRowRemappingCount": Counted("remapped_rows", labels=("uncorrected",)),
        **{
            f"{where}/{name}{spelling}BankCount": Meaning("row_remapping_banks", texts.number, (label,))
            for name, label in spares.items()
            for spelling in ("Availability", "Availablity")
        },
    }


def _nvlink() -> dict[str, Meaning | Counted]:
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
        "/RXBytes": Counted("nvlink_receive_bytes"),
        "/TXBytes": Counted("nvlink_transmit_bytes"),
        **{path: Counted("nvlink_errors", labels=(kind,)) for path, kind in errors.items()},
    }


TABLES: Mapping[Kind, Meanings] = {
    Kind.PROCESSOR: {
        "/Status/Health": Meaning("health_id", texts.health),
        "/MemorySummary/ECCModeEnabled": Meaning("ecc_enabled", texts.truth),
        "/MemorySummary/TotalMemorySizeMiB": Meaning("memory_bytes", texts.mebibytes),
    },
    Kind.METRICS: {
        "/OperatingSpeedMHz": Meaning("clock_hertz", texts.hertz, ("graphics",)),
        "/PowerLimitThrottleDuration": Counted("throttle_seconds", texts.nanoseconds, ("power",)),
        "/ThermalLimitThrottleDuration": Counted("throttle_seconds", texts.nanoseconds, ("thermal",)),
        "/Oem/Nvidia/HardwareViolationThrottleDuration": Counted(
            "throttle_seconds", texts.nanoseconds, ("hardware",)
        ),
        "/Oem/Nvidia/GlobalSoftwareViolationThrottleDuration": Counted(
            "throttle_seconds", texts.nanoseconds, ("software",)
        ),
        "/Oem/Nvidia/PCIeRXBytes": Counted("pcie_receive_bytes"),
        "/Oem/Nvidia/PCIeTXBytes": Counted("pcie_transmit_bytes"),
        "/Oem/Nvidia/PCIeRawRxBandwidthGbps": Hint("pcie_receive_bytes"),
        "/Oem/Nvidia/PCIeRawTxBandwidthGbps": Hint("pcie_transmit_bytes"),
        "/Oem/Nvidia/SRAMECCErrorThresholdExceeded": Meaning("sram_ecc_threshold_exceeded", texts.truth),
        "/PCIeErrors/ReplayCount": Counted("pcie_replays"),
        **_pcie_errors(),
        **_utilization(),
        **_ecc("/CacheMetricsTotal", "sram"),
    },
    Kind.ENVIRONMENT: {
        "/PowerLimitWatts/SetPoint": Meaning("power_limit_watts", texts.number),
        "/PowerWatts/Reading": Meaning("power_watts", texts.number),
        "/EnergyJoules/Reading": Counted("energy_joules", texts.milli),
    },
    Kind.MEMORY: {
        "/Oem/Nvidia/RowRemappingFailed": Meaning("row_remapping_failed", texts.truth),
        "/Oem/Nvidia/RowRemappingPending": Meaning("row_remapping_pending", texts.truth),
    },
    Kind.MEMORY_METRICS: {
        "/BandwidthPercent": Meaning("utilization_ratio", texts.share, ("memory",)),
        "/CapacityUtilizationPercent": Meaning("memory_used_ratio", texts.share),
        "/OperatingSpeedMHz": Meaning("clock_hertz", texts.hertz, ("memory",)),
        **_ecc("", "dram"),
        **_row_remapping(),
    },
    Kind.CHASSIS: {
        "/Status/Health": Meaning("health_id", texts.health),
    },
    Kind.PORT: {
        "/LinkStatus": Meaning("nvlink_up", texts.link_up),
    },
    Kind.PORT_METRICS: _nvlink(),
}
"""By the kind of resource. What is counted per NVLink is shown as the sum of all links of the GPU."""

FOLDED: Mapping[Kind, Meanings] = {
    kind: {pointer.casefold(): meaning for pointer, meaning in table.items()}
    for kind, table in TABLES.items()
}
"""The same, for pointers in whatever case a firmware writes them."""
