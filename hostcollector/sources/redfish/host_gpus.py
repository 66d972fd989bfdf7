"""The host's physical GPUs with their owners: those that a BMC could report."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.base.source import Request
from hostcollector.devices.owners import Owner, OwnerFinder
from hostcollector.devices.pci import DeviceReader, Function

_DRIVER = "nvidia"


@dataclass(frozen=True, slots=True)
class HostGpus:
    """GPUs by PCI address. `owners` lacks those whose owner cannot be determined now."""

    functions: Mapping[str, Function]
    owners: Mapping[str, Owner]

    def concerned(self) -> Iterator[tuple[str, Owner]]:
        """Yield the GPUs that a BMC could report; the server's own display is not one."""
        for address, owner in self.owners.items():
            function = self.functions[address]
            if owner.uuid or function.held_for_guests or function.is_nvidia_gpu:
                yield address, owner

    def lacking(self) -> list[tuple[str, Owner]]:
        """Return the GPUs that only a BMC could report."""
        return [
            (address, owner)
            for address, owner in self.concerned()
            if owner.uuid or self.functions[address].held_for_guests
        ]

    def has_driver(self, address: str) -> bool:
        """Whether the GPU has NVIDIA's driver."""
        return address in self.functions and self.functions[address].driver == _DRIVER


def read_gpus(reader: DeviceReader, finder: OwnerFinder, request: Request) -> HostGpus:
    """Return the GPUs that there are now."""
    owners = finder.find(request.guests, all_listed=request.guests_listed)
    functions = {
        function.address: function
        for function in reader.read(owners.functions).functions.values()
        if function.is_gpu and not function.physical
    }
    found = {it.address: owners.of(it.address, held=it.held_for_guests) for it in functions.values()}
    return HostGpus(functions, {address: owner for address, owner in found.items() if owner is not None})
