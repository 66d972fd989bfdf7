"""Which QEMU process is whose: found in /proc without root and without libvirt, for whoever reads them."""

from hostcollector.qemu_processes.finder import QemuProcesses
from hostcollector.qemu_processes.found import Found, QemuProcess

__all__ = ["Found", "QemuProcess", "QemuProcesses"]
