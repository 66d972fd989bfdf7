"""How long a collection takes, and what is missing, while NVML hangs, the BMC is gone or a GPU is lost.

``python -m tests.bench.gpu_failures``: the simulated host with eight GPUs, one collection after the other.
"""

import tempfile
import time
from pathlib import Path

from hostcollector.base.model import SourceState
from tests.simulated.gpu_host import GpuHost, gpu_host, wait_until
from tests.simulated.pages import report_of

BUDGET = 2.0
"""Seconds that a collection may take."""

_HEADINGS = f"{'':28} {'ms':>8} {'series':>7}  {'nvml':16} redfish"


def row(host: GpuHost, what: str) -> str:
    """Make a collection and return a line about it."""
    started = time.perf_counter()
    page = host.snapshot(BUDGET)
    milliseconds = (time.perf_counter() - started) * 1e3
    nvml, bmc = report_of(page, "nvml"), report_of(page, "redfish")
    series = sum(len(family.series) for family in page.families)
    state = f"{nvml.state} {nvml.reason or ''}".strip()
    return f"{what:28} {milliseconds:8.1f} {series:7d}  {state:16} {bmc.notes[0][:60]}"


def main(host: GpuHost) -> None:
    """Let go wrong what can, and come back."""
    print(_HEADINGS)
    host.settled()
    print(row(host, "all is well"))
    host.nvml.hang("nvmlDeviceGetPowerUsage")
    for number in (1, 2, 3):
        print(row(host, f"NVML hangs, collection {number}"))
    host.nvml.hang("")
    wait_until(lambda: report_of(host.snapshot(), "nvml").state is not SourceState.FAILED)
    print(row(host, "NVML is back"))
    host.bmc.unplugged = True
    wait_until(lambda: host.client.current()[2] != "")
    host.skipped += 60.0
    print(row(host, "the BMC is gone for 60 s"))
    host.bmc.unplugged = False
    wait_until(lambda: host.client.current()[2] == "")
    host.heard()
    print(row(host, "the BMC is back"))
    for lost in (True, False):
        host.bmc.baseboard.gpus[1].lost = lost
        host.heard()
        print(row(host, "a guest's GPU is lost" if lost else "the GPU is back"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="hostcollector-gpus-") as name, gpu_host(Path(name)) as made:
        main(made)
