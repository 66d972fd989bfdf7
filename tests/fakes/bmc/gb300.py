"""A compute node with two modules of two GPUs each, whose BMC shows the baseboard next to its own system.

What differs from an HGX baseboard: both GPUs of a module have the module's serial number; reports leave out
what only the resources say (voltage, state of the links, remapping that is pending), name the reasons for
throttling by index, and say that the memory has 0 bytes. Written from descriptions; every number is made up.
"""

from tests.fakes.bmc.baseboard import (
    ENVIRONMENT,
    MEMORY,
    PORTS,
    PROCESSOR,
    ROOT,
    SYSTEM,
    Baseboard,
    Document,
)
from tests.fakes.bmc.machine import members

HOST_SYSTEM = f"{ROOT}/Systems/System_0"
_LEFT_OUT = (
    *("Voltage_0", "RowRemappingPending", "RowRemappingFailed", "SRAMECCErrorThresholdExceeded"),
    *("/LinkStatus", "/ThrottleReasons", "UnsupportedRequestCount"),
)


class Gb300(Baseboard):
    """Four GPUs with 18 NVLinks each. `throttled` are the reasons of the first GPU, in their order."""

    def __init__(self) -> None:
        super().__init__(count=4, prefix="GPU_", first=0)
        self.throttled = ["NA"]
        for number, gpu in enumerate(self.gpus):
            gpu.serial = f"165322403000{number // 2}"

    def _found(self, path: str) -> Document | None:
        systems = {
            f"{ROOT}/Systems": members(SYSTEM, HOST_SYSTEM),
            HOST_SYSTEM: {"Id": "System_0", "Processors": {"@odata.id": f"{HOST_SYSTEM}/Processors"}},
            f"{HOST_SYSTEM}/Processors": members(f"{HOST_SYSTEM}/Processors/CPU_0"),
            f"{HOST_SYSTEM}/Processors/CPU_0": {"Id": "CPU_0", "ProcessorType": "CPU"},
        }
        if path in systems:
            return systems[path]
        document = super()._found(path)
        if document is None:
            return None
        if path in (ENVIRONMENT, PROCESSOR, MEMORY, PORTS):
            return {"MetricValues": [*self._told(path, document)]}
        if "MemorySummary" in document:
            document["MemorySummary"]["TotalMemorySizeMiB"] = 0
        if path.endswith("/ProcessorMetrics"):
            document["PCIeErrors"]["UnsupportedRequestCount"] = 3
            document["Oem"]["Nvidia"].update(PCIeRXBytes=0, PCIeRawRxBandwidthGbps=0.0015)
        return document

    def _told(self, path: str, document: Document) -> list[Document]:
        """Return the entries of a report."""
        entries = [
            entry
            for entry in document["MetricValues"]
            if not entry["MetricProperty"].endswith(_LEFT_OUT) and "/PCIeRX" not in entry["MetricProperty"]
        ]
        if path == PROCESSOR:
            for gpu in self.gpus:
                metrics = f"{SYSTEM}/Processors/{gpu.name}/ProcessorMetrics#/Oem/Nvidia"
                reasons = self.throttled if gpu is self.gpus[0] else ["NA"]
                values = {f"ThrottleReasons/{index}": reason for index, reason in enumerate(reasons)}
                values.update(PCIeRXBytes="0", PCIeRawRxBandwidthGbps="0.0015")
                entries += [
                    {"MetricProperty": f"{metrics}/{name}", "MetricValue": text}
                    for name, text in values.items()
                ]
        return entries
