"""The documents of a baseboard's BMC, with the resource and property names of NVIDIA's HGX firmware.

Written from the names and shapes in public schemas and captures; every number is made up here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.bmc.machine import CHASSIS, Machine, members

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/HGX_Baseboard_0"
REPORTS = f"{ROOT}/TelemetryService/MetricReports"
ENVIRONMENT, PROCESSOR, GPM, MEMORY, PORTS, HEALTH, RESETS = (
    f"{REPORTS}/HGX_{name}_0"
    for name in (
        *("PlatformEnvironmentMetrics", "ProcessorMetrics", "ProcessorGPMMetrics"),
        *("MemoryMetrics", "ProcessorPortMetrics", "HealthMetrics", "ProcessorResetMetrics"),
    )
)

_RESETS = "Oem/Nvidia/ProcessorResetMetrics"

Document = dict[str, Any]


@dataclass(kw_only=True)
class BmcGpu:
    """A GPU of the baseboard, as a test sets it. Joules, watts and degrees; `stale` are names of sensors."""

    name: str
    serial: str
    uuid: str
    energy: float = 1_000_000.0
    power: float = 310.5
    temperature: float = 41.0
    headroom: float = 54.06
    memory_mib: int = 183359
    memory_temperature: float = 47.0
    throttled: str = "P1DT17H41M2.268611840S"
    errors: int = 0
    pcie_bytes: int = 5 * 2**40
    link_bytes: int = 3 * 2**40
    health: str = "OK"
    resets: int = 2
    last_reset: str = "PF_FLR"
    reasons: str = '["SWPowerCap"]'
    stale: set[str] = field(default_factory=set)
    lost: bool = False
    """Whether the BMC does not get an answer from it: then every number is nan."""


class Baseboard:
    """So many GPUs whose names begin with `prefix`, numbered from `first`, each with so many NVLinks."""

    def __init__(self, *, count: int = 8, prefix: str = "GPU_SXM_", first: int = 1, links: int = 18) -> None:
        self.serial = "1320224000123"
        self.links = links
        self.machine = Machine()
        self.gpus = [
            BmcGpu(
                name=f"{prefix}{first + number}",
                serial=f"165322403{number:04}",
                uuid=f"{number:08x}-1111-4222-8333-444455556666",
            )
            for number in range(count)
        ]

    def document(self, path: str) -> Document | None:
        """Return what is at a path; None for nothing. Each has its id, as in every resource (DSP0266)."""
        found = self._found(path.rstrip("/"))
        return None if found is None else {"@odata.id": path, **found}

    def _found(self, path: str) -> Document | None:
        fixed = self._fixed().get(path) or self.machine.document(path)
        if fixed is not None:
            return fixed
        for gpu in self.gpus:
            ports = _of_ports(gpu, self.links) if "/Ports" in path else {}
            found = ports.get(path) or _of_gpu(gpu).get(path)
            if found is not None:
                return found
        return self._report(path)

    def _fixed(self) -> dict[str, Document]:
        gpus = [f"{SYSTEM}/Processors/{gpu.name}" for gpu in self.gpus]
        reports = [
            ENVIRONMENT,
            PROCESSOR,
            GPM,
            MEMORY,
            PORTS,
            HEALTH,
            RESETS,
            f"{REPORTS}/HGX_NVSwitchMetrics_0",
        ]
        return {
            ROOT: {
                "RedfishVersion": "1.17.0",
                "Product": "HGX B200",
                "Systems": {"@odata.id": f"{ROOT}/Systems"},
                "TelemetryService": {"@odata.id": f"{ROOT}/TelemetryService"},
                "Chassis": {"@odata.id": f"{ROOT}/Chassis"},
                "Managers": {"@odata.id": f"{ROOT}/Managers"},
                "ProtocolFeaturesSupported": self.machine.features,
                "Links": {"Sessions": {"@odata.id": f"{ROOT}/SessionService/Sessions"}},
            },
            f"{ROOT}/Systems": members(SYSTEM),
            f"{ROOT}/Chassis": members(CHASSIS, *(f"{ROOT}/Chassis/HGX_{gpu.name}" for gpu in self.gpus)),
            SYSTEM: {
                "Id": "HGX_Baseboard_0",
                "SerialNumber": self.serial,
                "Processors": {"@odata.id": f"{SYSTEM}/Processors"},
            },
            f"{SYSTEM}/Processors": members(f"{SYSTEM}/Processors/FPGA_0", *gpus),
            f"{SYSTEM}/Processors/FPGA_0": {"Id": "FPGA_0", "ProcessorType": "FPGA"},
            f"{ROOT}/TelemetryService": {"MetricReports": {"@odata.id": REPORTS}},
            REPORTS: members(*reports),
        }

    def _report(self, path: str) -> Document | None:
        values = {
            ENVIRONMENT: _environment,
            PROCESSOR: _processor,
            GPM: _gpm,
            MEMORY: _memory,
            HEALTH: _health,
            RESETS: _resets,
        }.get(path)
        if values is not None:
            return {"MetricValues": [value for gpu in self.gpus for value in values(gpu)]}
        if path == PORTS:
            links = range(self.links)
            return {"MetricValues": [it for gpu in self.gpus for link in links for it in _port(gpu, link)]}
        if path.startswith(REPORTS):
            switch = f"{ROOT}/Fabrics/HGX_NVLinkFabric_0/Switches/NVSwitch_0/SwitchMetrics#/PCIeErrors"
            return {"MetricValues": [_value(f"{switch}/FatalErrorCount", "0")]}
        return None


def _value(name: str, text: str) -> Document:
    return {"MetricProperty": name, "MetricValue": text, "Timestamp": "2026-05-04T10:11:12.131+00:00"}


def _of_gpu(gpu: BmcGpu) -> dict[str, Document]:
    """Return the resources of a GPU, its memory and its chassis."""
    path, chassis = f"{SYSTEM}/Processors/{gpu.name}", f"{ROOT}/Chassis/HGX_{gpu.name}"
    memory = f"{SYSTEM}/Memory/{gpu.name}_DRAM_0"
    sensors = _sensors(gpu)
    memory_document = {"Id": f"{gpu.name}_DRAM_0", "Metrics": {"@odata.id": f"{memory}/MemoryMetrics"}}
    return {
        path: {
            "Id": gpu.name,
            "ProcessorType": "GPU",
            "Model": "B200 180GB HBM3e",
            "SerialNumber": gpu.serial,
            "UUID": gpu.uuid,
            "FirmwareVersion": "97.00.82.00.2B",
            "Status": {"Health": gpu.health, "State": "Enabled"},
            "MemorySummary": {
                "ECCModeEnabled": True,
                "TotalMemorySizeMiB": gpu.memory_mib,
                "Metrics": {"@odata.id": f"{path}/MemorySummary/MemoryMetrics"},
            },
            "Metrics": {"@odata.id": f"{path}/ProcessorMetrics"},
            "EnvironmentMetrics": {"@odata.id": f"{path}/EnvironmentMetrics"},
            "Ports": {"@odata.id": f"{path}/Ports"},
            "Oem": {"Nvidia": {"ProcessorResetMetrics": {"@odata.id": f"{path}/{_RESETS}"}}},
            "Links": {
                "Memory": [{"@odata.id": memory}],
                "PCIeDevice": {"@odata.id": f"{chassis}/PCIeDevices/{gpu.name}"},
            },
        },
        f"{path}/EnvironmentMetrics": {
            # Whichever sensor was read last: here the distance to the limit, which is no temperature.
            "TemperatureCelsius": {"Reading": gpu.headroom, "DataSourceUri": f"{chassis}/Sensors/TEMP_1"},
            "PowerLimitWatts": {"SetPoint": 1000, "AllowableMax": 1000, "AllowableMin": 200},
        },
        f"{memory}/MemoryMetrics": _nested(_memory_texts(gpu)),
        memory: {**memory_document, **_nested(_row_texts(gpu))},
        f"{path}/{_RESETS}": _nested(_reset_texts(gpu)),
        f"{path}/ProcessorMetrics": _nested(_processor_texts(gpu)),
        chassis: {"Id": f"HGX_{gpu.name}", "Sensors": {"@odata.id": f"{chassis}/Sensors"}},
        f"{chassis}/Sensors": members(*sensors),
        **{
            sensor: {**about, "Reading": None if gpu.lost else reading}
            for sensor, (about, reading) in sensors.items()
        },
    }


def _sensors(gpu: BmcGpu) -> dict[str, tuple[Document, float]]:
    """Return what each sensor is, and its reading."""
    where = f"{ROOT}/Chassis/HGX_{gpu.name}/Sensors/HGX_{gpu.name}"
    limit = "Thermal Limit(TLIMIT) Temperature is the distance in deg C from the GPU temperature to a limit."
    listed = {
        "TEMP_0": ({"ReadingType": "Temperature", "PhysicalContext": "GPU"}, gpu.temperature),
        "TEMP_1": (
            {"ReadingType": "Temperature", "ReadingBasis": "Headroom", "Description": limit},
            gpu.headroom,
        ),
        "Power_0": ({"ReadingType": "Power"}, gpu.power),
        "Energy_0": ({"ReadingType": "EnergyJoules"}, gpu.energy),
        "Voltage_0": ({"ReadingType": "Voltage"}, 0.7),
        "DRAM_0_Temp_0": ({"ReadingType": "Temperature"}, gpu.memory_temperature),
        "DRAM_0_Power_0": ({"ReadingType": "Power"}, 60.25),
    }
    return {
        f"{where}_{name}": ({"Id": f"HGX_{gpu.name}_{name}", **about}, reading)
        for name, (about, reading) in listed.items()
    }


def _environment(gpu: BmcGpu) -> Iterator[Document]:
    for sensor, (_, reading) in _sensors(gpu).items():
        stale = any(sensor.endswith(name) for name in gpu.stale)
        oem = {"Nvidia": {"MetricValueStale": stale or gpu.lost}}
        yield {**_value(sensor, "nan" if gpu.lost else f"{reading:.6f}"), "Oem": oem}


def _processor_texts(gpu: BmcGpu) -> dict[str, str]:
    errors = str(gpu.errors)
    texts = {
        "/OperatingSpeedMHz": "1965",
        "/PowerLimitThrottleDuration": gpu.throttled,
        "/ThermalLimitThrottleDuration": "PT0S",
        "/Oem/Nvidia/HardwareViolationThrottleDuration": "PT0S",
        "/Oem/Nvidia/GlobalSoftwareViolationThrottleDuration": "PT1.5S",
        "/Oem/Nvidia/ThrottleReasons": gpu.reasons,
        "/Oem/Nvidia/SRAMECCErrorThresholdExceeded": "false",
        "/Oem/Nvidia/MIGModeEnabled": "false",
        "/Oem/Nvidia/PCIeRXBytes": str(gpu.pcie_bytes),
        "/Oem/Nvidia/PCIeTXBytes": str(gpu.pcie_bytes + 1),
        "/CacheMetricsTotal/LifeTime/CorrectableECCErrorCount": errors,
        "/CacheMetricsTotal/LifeTime/UncorrectableECCErrorCount": "0",
        "/PCIeErrors/CorrectableErrorCount": errors,
        "/PCIeErrors/FatalErrorCount": "0",
        "/PCIeErrors/ReplayCount": errors,
        "/BandwidthPercent": "87.5",
    }
    return dict.fromkeys(texts, "nan") if gpu.lost else texts


def _row_texts(gpu: BmcGpu) -> dict[str, str]:
    oem = "/Oem/Nvidia"
    texts = {f"{oem}/RowRemappingFailed": "false", f"{oem}/RowRemappingPending": "true"}
    return dict.fromkeys(texts, "NA") if gpu.lost else texts


def _processor(gpu: BmcGpu) -> Iterator[Document]:
    metrics = f"{SYSTEM}/Processors/{gpu.name}/ProcessorMetrics#"
    for pointer, text in _processor_texts(gpu).items():
        yield _value(metrics + pointer, text)
    for pointer, text in _row_texts(gpu).items():
        yield _value(f"{SYSTEM}/Memory/{gpu.name}_DRAM_0#{pointer}", text)


def _gpm(gpu: BmcGpu) -> Iterator[Document]:
    metrics = f"{SYSTEM}/Processors/{gpu.name}/ProcessorMetrics#/Oem/Nvidia"
    for name in ("SMUtilization", "TensorCoreActivity", "IntergerActivityUtilization", "NVDecUtilization"):
        yield _value(f"{metrics}/{name}Percent", "nan" if gpu.lost else "25.000000")


def _memory_texts(gpu: BmcGpu) -> dict[str, str]:
    texts = {
        "/LifeTime/CorrectableECCErrorCount": str(2 * gpu.errors),
        "/LifeTime/UncorrectableECCErrorCount": "0",
        "/OperatingSpeedMHz": "3996",
        "/Oem/Nvidia/RowRemapping/CorrectableRowRemappingCount": str(gpu.errors),
        "/Oem/Nvidia/RowRemapping/MaxAvailablityBankCount": "6400",
        "/CapacityUtilizationPercent": "12.5",
    }
    return dict.fromkeys(texts, "nan") if gpu.lost else texts


def _memory(gpu: BmcGpu) -> Iterator[Document]:
    metrics = f"{SYSTEM}/Memory/{gpu.name}_DRAM_0/MemoryMetrics#"
    for pointer, text in _memory_texts(gpu).items():
        yield _value(metrics + pointer, text)


def _nested(texts: dict[str, str]) -> Document:
    """Return a resource with the values that a report writes as texts under pointers."""
    document: Document = {}
    for pointer, text in texts.items():
        *parents, name = pointer.split("/")[1:]
        inner = document
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = _value_of(text)
    return document


def _value_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None if text in ("nan", "NA") else text


def _health(gpu: BmcGpu) -> Iterator[Document]:
    yield _value(f"{ROOT}/Chassis/HGX_{gpu.name}#/Status/Health", gpu.health)


def _reset_texts(gpu: BmcGpu) -> dict[str, str]:
    texts = {
        "/PF_FLR_ResetEntryCount": str(gpu.resets),
        "/PF_FLR_ResetExitCount": str(gpu.resets),
        "/ConventionalResetEntryCount": "3",
        "/ConventionalResetExitCount": "3",
        "/FundamentalResetEntryCount": "1",
        "/FundamentalResetExitCount": "1",
        "/IRoTResetExitCount": "1",
        "/LastResetType": gpu.last_reset,
    }
    return dict.fromkeys(texts, "nan") if gpu.lost else texts


def _resets(gpu: BmcGpu) -> Iterator[Document]:
    for pointer, text in _reset_texts(gpu).items():
        yield _value(f"{SYSTEM}/Processors/{gpu.name}/{_RESETS}#{pointer}", text)


def _port_texts(gpu: BmcGpu, link: int) -> dict[str, str]:
    texts = {
        "/RXBytes": str(gpu.link_bytes + link),
        "/TXBytes": str(2 * gpu.link_bytes),
        "/RXErrors": str(gpu.errors),
        "/Oem/Nvidia/NVLinkErrors/ReplayCount": str(gpu.errors),
        "/Oem/Nvidia/SymbolErrors": "0",
        "/Oem/Nvidia/TXWait": "4294967295",
        "/Oem/Nvidia/EffectiveBER": "1.5e-254",
    }
    return dict.fromkeys(texts, "nan") if gpu.lost else texts


def _port(gpu: BmcGpu, link: int) -> Iterator[Document]:
    port = f"{SYSTEM}/Processors/{gpu.name}/Ports/NVLink_{link}"
    yield _value(f"{port}#/LinkStatus", "LinkUp")
    for pointer, text in _port_texts(gpu, link).items():
        yield _value(f"{port}/Metrics#{pointer}", text)


def _of_ports(gpu: BmcGpu, links: int) -> dict[str, Document]:
    """Return the ports of a GPU: its NVLinks, and one that is none."""
    ports = f"{SYSTEM}/Processors/{gpu.name}/Ports"
    names = [f"{ports}/NVLink_{link}" for link in range(links)]
    up = {"LinkStatus": "LinkUp", "Status": {"State": "Enabled", "Health": "OK"}}
    return {
        ports: members(*names, f"{ports}/PCIe_0"),
        **{name: {"Id": name.rpartition("/")[2], **up} for name in names},
        **{f"{name}/Metrics": _nested(_port_texts(gpu, link)) for link, name in enumerate(names)},
    }
