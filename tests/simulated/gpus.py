"""Prints the page of a simulated host with eight GPUs, or writes it to a file.

``python -m tests.simulated.gpus [FILE]``; ``make gpu-page``.
"""

import sys
import tempfile
from pathlib import Path

from hostcollector.outputs.exposition.encoder import Encoder
from hostcollector.outputs.exposition.formats import Format
from tests.simulated.gpu_host import GpuHost, gpu_host


def main(file: Path | None) -> None:
    """Make two collections, so that guests have a start, and give out the second one."""
    with (
        tempfile.TemporaryDirectory(prefix="hostcollector-gpus-") as directory,
        gpu_host(Path(directory)) as host,
    ):
        host.settled()
        work(host)
        host.heard()
        page = Encoder().encode(host.snapshot(), Format.TEXT)
    if file is None:
        sys.stdout.buffer.write(page)
    else:
        file.write_bytes(page)


def work(host: GpuHost) -> None:
    """Let every GPU do something, each of them something else."""
    for number, gpu in enumerate(host.bmc.baseboard.gpus):
        gpu.power += 55.5 * number
        gpu.energy += 1000.0 * (number + 1)
        gpu.temperature += 3 * number
        gpu.headroom -= 3 * number
        gpu.errors += number
        gpu.link_bytes += number << 30
        gpu.pcie_bytes += number << 28
    for device in range(3):
        host.nvml.counters(device, energy=5_000_000 * (device + 1), errors=device)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
