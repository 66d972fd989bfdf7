"""Which QEMU process is whose: found in /proc without root and without libvirt, for whoever reads them."""

from hostcollector.qemu_processes.finder import QemuProcesses
from hostcollector.qemu_processes.found import Found, QemuProcess
from hostcollector.qemu_processes.halts import BETWEEN_LOOKS_SECONDS, Halts

__all__ = ["BETWEEN_LOOKS_SECONDS", "Found", "Halts", "QemuProcess", "QemuProcesses"]
