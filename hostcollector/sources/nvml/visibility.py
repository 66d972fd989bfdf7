"""Which NVIDIA GPUs and vGPUs there are that NVML does not tell of."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from hostcollector.devices.owners import Owner, Owners
from hostcollector.devices.pci_values import Devices


def unseen(devices: Devices, owners: Owners, seen: AbstractSet[str]) -> Iterator[tuple[str, str, Owner]]:
    """Yield name, physical GPU and owner of what NVML does not tell; what may be anybody's is left out."""
    for function in devices.functions.values():
        address = function.address
        if function.is_nvidia_gpu and address not in seen:
            owner = owners.of(address, held=function.held_for_guests)
            shown = owner is not None and (owner.uuid or function.vgpu_type or not function.physical)
            if owner is not None and shown:
                yield address, devices.physical(address), owner
    for mdev in devices.mdevs.values():
        parent = devices.functions.get(mdev.parent)
        owner = owners.of(mdev.uuid)
        if parent is not None and parent.is_nvidia_gpu and owner is not None and mdev.uuid not in seen:
            yield mdev.uuid, devices.physical(mdev.parent), owner
