"""Which guest has which vGPU, and what the vGPU is called on the host: by mdev, else by the VM's id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hostcollector.base.model import Guest
from hostcollector.devices.owners import Owner, Owners
from hostcollector.devices.pci_values import Devices
from hostcollector.sources.nvml.vgpus import Vgpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A vGPU with its owner. `gpu` is its name on the host; `named` says whether sysfs has that name too."""

    vgpu: Vgpu
    gpu: str
    owner: Owner
    named: bool


def join(
    vgpus: Sequence[Vgpu], gpu: str, devices: Devices, owners: Owners, guests: Mapping[str, Guest]
) -> list[Joined]:
    """Return the vGPUs of the physical GPU at address `gpu` that have a known owner.

    One whose definition and VM id name different guests is nobody's until they agree.
    """
    found = []
    for vgpu in vgpus:
        owner = _owner(vgpu, owners, guests)
        if owner is not None:
            vf = _vf_of(vgpu, vgpus, gpu, owner, devices, owners)
            name = vgpu.mdev if vgpu.mdev in devices.mdevs else vf
            gpu_name = name or vgpu.uuid or vgpu.mdev
            found.append(Joined(vgpu=vgpu, gpu=gpu_name, owner=owner, named=bool(name)))
    return found


def _owner(vgpu: Vgpu, owners: Owners, guests: Mapping[str, Guest]) -> Owner | None:
    """Return who has the vGPU, by the definitions and by what NVML says of the VM; None if that is open."""
    if vgpu.mdev in owners.disputed:
        return None
    by_mdev = owners.by_device.get(vgpu.mdev) if vgpu.mdev else None
    if vgpu.vm_is_uuid:
        guest = guests.get(vgpu.vm)
    else:
        guest = next((guest for guest in guests.values() if str(guest.domain.id) == vgpu.vm), None)
    by_vm = owners.by_guest.get(guest.domain.uuid) if guest is not None else None
    if by_mdev is not None and by_vm is not None and by_mdev != by_vm:
        return None
    return by_mdev or by_vm


def _vf_of(
    vgpu: Vgpu, vgpus: Sequence[Vgpu], gpu: str, owner: Owner, devices: Devices, owners: Owners
) -> str:
    """Return the VF that is the vGPU (Linux 6.8 and later have no mdevs for it); empty if that is open.

    NVML does not tell the VF. It is certain where the guest has only one vGPU of that type on this GPU.
    """
    twins = [other for other in vgpus if (other.vm, other.type_id) == (vgpu.vm, vgpu.type_id)]
    candidates = [
        function.address
        for function in devices.functions.values()
        if function.physical == gpu
        and function.vgpu_type
        and function.vgpu_type == vgpu.type_id
        and owners.of(function.address) == owner
    ]
    return candidates[0] if len(candidates) == len(twins) == 1 else ""
