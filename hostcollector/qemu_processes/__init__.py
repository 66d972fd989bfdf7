"""Which QEMU process is whose: found in /proc without root and without libvirt, for whoever reads them."""

from hostcollector.qemu_processes.finder import Found, QemuProcess, QemuProcesses

__all__ = ["Found", "QemuProcess", "QemuProcesses"]
