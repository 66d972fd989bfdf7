"""Which GPUs, vGPUs and other passed-through PCI functions the host has, and whose they are: sysfs only."""

from hostcollector.gpus.owners import NOBODY, Owner, Owners, find_owners
from hostcollector.gpus.reading import DeviceReader, has_nvidia_device
from hostcollector.gpus.values import Devices, Function, Mdev, Mode

__all__ = [
    "NOBODY",
    "DeviceReader",
    "Devices",
    "Function",
    "Mdev",
    "Mode",
    "Owner",
    "Owners",
    "find_owners",
    "has_nvidia_device",
]
