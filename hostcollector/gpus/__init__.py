"""Which GPUs, vGPUs and other passed-through PCI functions the host has: sysfs only."""

from hostcollector.gpus.reading import DeviceReader, has_nvidia_device
from hostcollector.gpus.values import Devices, Function, Mdev, Mode

__all__ = [
    "DeviceReader",
    "Devices",
    "Function",
    "Mdev",
    "Mode",
    "has_nvidia_device",
]
