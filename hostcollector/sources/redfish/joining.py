"""Which PCI address each GPU of the BMC has: the operator's map, else what its driver once told; no guess.

Nothing that a BMC says carries a bus number, and the numbers in its names are no order on the bus.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hostcollector.gpu_identities import GpuIdentity
from hostcollector.gpu_map import GpuMap
from hostcollector.redfish import Gpu

# What stands for "none" where a number should stand.
_SHORTEST_SERIAL = 4


class By(StrEnum):
    """How it is known which GPU it is."""

    NOTHING = ""
    MAP = "map"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A GPU of the BMC with its PCI address, empty if that is not known. `name` is unique on this BMC.

    `doubt` is why evidence was not believed.
    """

    gpu: Gpu
    name: str
    address: str = ""
    by: By = By.NOTHING
    doubt: str = ""

    @property
    def shown_as(self) -> str:
        """What the GPU is called on the page: its address, else the BMC's name."""
        return self.address or self.name


def join(
    gpus: Collection[Gpu],
    addresses: Collection[str],
    mapped: GpuMap,
    identities: Mapping[str, GpuIdentity],
) -> list[Joined]:
    """Return the BMC's GPUs with those of the host's `addresses` that are known to be theirs."""
    names = _unique_names(gpus)
    by_name = {name: address for address, name in mapped.items() if address in addresses}
    present = {address: it for address, it in identities.items() if address in addresses}
    return list(_undisputed([_joined(gpu, names[gpu.path], by_name, present) for gpu in gpus]))


def _joined(gpu: Gpu, name: str, by_name: Mapping[str, str], identities: Mapping[str, GpuIdentity]) -> Joined:
    told = next((by_name[key] for key in (gpu.path, name) if key in by_name), "")
    same = [address for address, identity in identities.items() if _is(gpu, identity)]
    unmoved = [address for address in same if _is_in_place(gpu, identities[address])]
    if told:
        if same and told not in same:
            doubt = f"the map says that {name} is {told}, its serial number or UUID says {same[0]}"
            return Joined(gpu=gpu, name=name, doubt=doubt)
        other = identities.get(told)
        if other is not None and not same and _tells_apart(gpu, other):
            doubt = f"the map says that {name} is {told}, whose driver told another serial number or UUID"
            return Joined(gpu=gpu, name=name, doubt=doubt)
        return Joined(gpu=gpu, name=name, address=told, by=By.MAP)
    if len(unmoved) == 1 == len(same):
        return Joined(gpu=gpu, name=name, address=unmoved[0], by=By.IDENTITY)
    doubt = ""
    if len(same) > 1:
        doubt = f"{name} has the serial number or UUID of more than one GPU: {', '.join(sorted(same))}"
    elif same:
        doubt = f"{name} was in another place when its driver told that it is {same[0]}: it may have moved"
    return Joined(gpu=gpu, name=name, doubt=doubt)


def _undisputed(joined: list[Joined]) -> Iterator[Joined]:
    """Yield the GPUs; an address that two of them have is neither's."""
    for one in joined:
        twins = [other.name for other in joined if other.address == one.address]
        if one.address and len(twins) > 1:
            doubt = f"{' and '.join(twins)} of the BMC would both be {one.address}"
            yield Joined(gpu=one.gpu, name=one.name, doubt=doubt)
        else:
            yield one


def _unique_names(gpus: Iterable[Gpu]) -> dict[str, str]:
    """Return the GPUs' names by path, with the system's name where two systems use the same ones."""
    names: dict[str, list[Gpu]] = {}
    for gpu in gpus:
        names.setdefault(gpu.name, []).append(gpu)
    return {
        gpu.path: name if len(same) == 1 else f"{gpu.system}/{name}"
        for name, same in names.items()
        for gpu in same
    }


def _is(gpu: Gpu, identity: GpuIdentity) -> bool:
    """Whether a GPU is the one that a driver told of: by serial number, else by UUID."""
    if _counts(gpu.serial) and _counts(identity.serial):
        return gpu.serial == identity.serial
    return bool(_plain(gpu.uuid)) and _plain(gpu.uuid) == _plain(identity.uuid)


def _tells_apart(gpu: Gpu, identity: GpuIdentity) -> bool:
    """Whether both have something by which they could be the same; they are not, then."""
    serials = _counts(gpu.serial) and _counts(identity.serial)
    return serials or bool(_plain(gpu.uuid) and _plain(identity.uuid))


def _is_in_place(gpu: Gpu, identity: GpuIdentity) -> bool:
    return not identity.place or (identity.baseboard, identity.place) == (gpu.baseboard, gpu.path)


def _counts(serial: str) -> bool:
    return len(serial) >= _SHORTEST_SERIAL


def _plain(uuid: str) -> str:
    """Return a UUID without what the tellers put around it: ``GPU-`` and hyphens, capital letters."""
    return uuid.lower().removeprefix("gpu-").replace("-", "")
