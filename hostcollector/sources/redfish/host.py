"""The physical GPUs of the host with their owners: those that a BMC could tell of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hostcollector.gpus import NOBODY, DeviceReader, Function, Owner, Owners, find_owners
from hostcollector.sources.base import Request

_DRIVER = "nvidia"


@dataclass(frozen=True, slots=True)
class HostGpus:
    """GPUs by PCI address. `owners` lacks those of which it cannot be said now whose they are."""

    functions: Mapping[str, Function]
    owners: Mapping[str, Owner]

    def concerned(self) -> Iterator[tuple[str, Owner]]:
        """Yield the GPUs that a BMC could tell of; a server's own display is none of them."""
        for address, owner in self.owners.items():
            function = self.functions[address]
            if owner.uuid or function.held_for_guests or function.is_nvidia_gpu:
                yield address, owner

    def lacking(self) -> list[tuple[str, Owner]]:
        """Return the GPUs that nothing but a BMC could tell of."""
        return [
            (address, owner)
            for address, owner in self.concerned()
            if owner.uuid or self.functions[address].held_for_guests
        ]

    def has_driver(self, address: str) -> bool:
        """Whether the GPU has NVIDIA's driver."""
        return address in self.functions and self.functions[address].driver == _DRIVER


def read_gpus(reader: DeviceReader, request: Request) -> HostGpus:
    """Return the GPUs that there are now."""
    owners = find_owners(request.guests, all_listed=request.guests_listed)
    devices = reader.read(device for device in owners.by_device if ":" in device)
    functions = {
        function.address: function
        for function in devices.functions.values()
        if function.is_gpu and not function.physical
    }
    found = {address: _owner(function, owners) for address, function in functions.items()}
    return HostGpus(functions, {address: owner for address, owner in found.items() if owner is not None})


def _owner(function: Function, owners: Owners) -> Owner | None:
    """Return whose a GPU is; one with a driver of the host is nobody's else, known guests or not."""
    owner = owners.of(function.address)
    if owner is None and function.address not in owners.disputed and not function.held_for_guests:
        return NOBODY
    return owner
