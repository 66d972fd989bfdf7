"""A server with accelerators in its slots: each path ends with a slash, and no report has a GPU.

All GPUs are in the server's chassis, with its fans; reports have values with an Id and a definition only.
Written from DMTF's schemas and descriptions; every number is made up here.
"""

from typing import Any

from tests.fakes.bmc.baseboard import Document

ROOT = "/redfish/v1"
SYSTEM = f"{ROOT}/Systems/1"
CHASSIS = f"{ROOT}/Chassis/1"
REPORTS = f"{ROOT}/TelemetryService/MetricReports"


class Server:
    """`count` GPUs next to two CPUs, with `fans` sensors of other things before the GPUs' ones."""

    def __init__(self, *, count: int = 2, fans: int = 12) -> None:
        self.documents: dict[str, Document] = {}
        processors = [f"{SYSTEM}/Processors/{number}" for number in range(1, count + 3)]
        self.gpus = processors[2:]
        self._add(
            "", RedfishVersion="1.18.0", Product="ProLiant", Vendor="HPE", **_to("Systems", f"{ROOT}/Systems")
        )
        self.documents[ROOT].update(_to("TelemetryService", f"{ROOT}/TelemetryService"))
        self.documents[ROOT]["Links"] = _to("Sessions", f"{ROOT}/SessionService/Sessions")
        self._list(f"{ROOT}/Systems", SYSTEM)
        self._add(SYSTEM, Id="1", SerialNumber="CZ1", **_to("Processors", f"{SYSTEM}/Processors"))
        self._list(f"{SYSTEM}/Processors", *processors)
        for cpu in processors[:2]:
            self._add(cpu, Id=cpu[-1], ProcessorType="CPU")
        sensors = [f"{CHASSIS}/Sensors/Fan{fan}" for fan in range(fans)]
        for sensor in sensors:
            self._add(sensor, ReadingType="Percent", PhysicalContext="Fan", Reading=20)
        for number, gpu in enumerate(self.gpus):
            sensors += self._gpu(gpu, number)
        self._add(CHASSIS, Id="1", ChassisType="RackMount", **_to("Sensors", f"{CHASSIS}/Sensors"))
        self._list(f"{CHASSIS}/Sensors", *sensors)
        self._add(f"{ROOT}/TelemetryService", **_to("MetricReports", REPORTS))
        self._list(REPORTS, f"{REPORTS}/CPUUtil")
        value = {
            "MetricId": "CPUUtil",
            "MetricDefinition": {"@odata.id": f"{REPORTS}/x/"},
            "MetricValue": "3",
        }
        self._add(f"{REPORTS}/CPUUtil", MetricValues=[value])

    def document(self, path: str) -> Document | None:
        """Return what is at a path, with or without a slash at its end; None for nothing."""
        return self.documents.get(path.rstrip("/"))

    def _gpu(self, path: str, number: int) -> list[str]:
        environment, memory = f"{path}/EnvironmentMetrics", f"{SYSTEM}/Memory/gpu{number}"
        self._add(
            path,
            Id=path.rpartition("/")[2],
            ProcessorType="GPU",
            Model="Accelerator",
            SerialNumber=f"SN{number}1234",
            Status={"State": "Enabled", "Health": "OK"},
            Links={**_to("Chassis", CHASSIS), "Memory": [{"@odata.id": f"{memory}/"}]},
            **_to("EnvironmentMetrics", environment),
            **_to("Ports", f"{path}/Ports"),
            **_to("Metrics", f"{path}/ProcessorMetrics"),
        )
        source = f"{CHASSIS}/Sensors/Gpu{number}Temp"
        self._add(
            environment,
            PowerWatts={"Reading": 300.0 + number},
            EnergyJoules={"Reading": 5000.25},
            TemperatureCelsius={"Reading": 40.0 + number, "DataSourceUri": f"{source}/"},
        )
        self._add(f"{path}/ProcessorMetrics", CacheMetricsTotal={"LifeTime": {"CorrectableECCErrorCount": 7}})
        self._add(memory, Id=f"gpu{number}", **_to("Metrics", f"{memory}/MemoryMetrics"))
        self._add(f"{memory}/MemoryMetrics", LifeTime={"UncorrectableECCErrorCount": 1})
        self._list(f"{path}/Ports", *(f"{path}/Ports/NVLink{link}" for link in range(3)))
        for link in range(3):
            port = f"{path}/Ports/NVLink{link}"
            self._add(port, LinkStatus="LinkUp" if link else "LinkDown", **_to("Metrics", f"{port}/Metrics"))
            self._add(f"{port}/Metrics", RXBytes=1000 + link, TXBytes=10)
        related = {"RelatedItem": [{"@odata.id": f"{path}/"}]}
        self._add(source, ReadingType="Temperature", ReadingUnits="Cel", Reading=40.0 + number, **related)
        voltage = f"{CHASSIS}/Sensors/Gpu{number}Volt"
        self._add(voltage, ReadingType="Voltage", ReadingUnits="mV", Reading=710, **related)
        return [source, voltage]

    def _add(self, path: str, **properties: Any) -> None:
        self.documents[path or ROOT] = {"@odata.id": f"{path or ROOT}/", **properties}

    def _list(self, path: str, *members: str) -> None:
        self._add(path, Members=[{"@odata.id": f"{one}/"} for one in members])


def _to(name: str, path: str) -> dict[str, Document]:
    return {name: {"@odata.id": f"{path}/"}}
