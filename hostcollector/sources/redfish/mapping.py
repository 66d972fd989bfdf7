"""Maps each GPU of the BMC to a PCI address: by the operator's map, else by its driver's report; no guess.

A BMC reports no bus numbers, and the numbers in its names are not in bus order. A UUID is of one GPU; a
serial number may be that of a module with two GPUs, and counts only where it is unique.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hostcollector.devices.gpu_identities import GpuIdentity
from hostcollector.devices.gpu_map import GpuMap
from hostcollector.protocols.redfish.values import Gpu

# A UUID of the BMC or the driver, without hyphens.
_UUID = re.compile("[0-9a-f]{32}")
# Fillers in place of a serial number. So is a text that repeats one character.
_SHORTEST_SERIAL = 4
_PLACEHOLDER = re.compile(
    r"unknown|undefined|none|null|(?:not|un)(?:available|specified|applicable|set|assigned)|invalid|reserved"
    r"|tobefilledbyoem|defaultstring|(?:system|chassis|board)?serialnumber|0?123456789"
)


class MappedBy(StrEnum):
    """How the PCI address is known."""

    NOTHING = ""
    MAP = "map"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedGpu:
    """A GPU of the BMC with its PCI address, empty if unknown. `name` is unique on this BMC.

    `doubt` is why evidence was not used.
    """

    gpu: Gpu
    name: str
    address: str = ""
    by: MappedBy = MappedBy.NOTHING
    doubt: str = ""

    @property
    def shown_as(self) -> str:
        """The GPU's name on the page: its address, else the BMC's name."""
        return self.address or self.name


def map_gpus(
    gpus: Collection[Gpu],
    addresses: Collection[str],
    mapped: GpuMap,
    identities: Mapping[str, GpuIdentity],
) -> list[MappedGpu]:
    """Return the BMC's GPUs with their addresses, of the host's `addresses`, where they are known."""
    names = _unique_names(gpus)
    by_name = {name: address for address, name in mapped.items() if address in addresses}
    evidence = _Evidence(gpus, {address: it for address, it in identities.items() if address in addresses})
    return list(_undisputed([_joined(gpu, names[gpu.path], by_name, evidence) for gpu in gpus]))


class _Evidence:
    """The identities that BMC and driver report of the same GPUs; `identities` are the driver's."""

    def __init__(self, gpus: Collection[Gpu], identities: Mapping[str, GpuIdentity]) -> None:
        self.identities = identities
        self._uuids = Counter(_uuid(gpu.uuid) for gpu in gpus)
        self._serials = Counter(_serial(gpu.serial) for gpu in gpus)
        self._driver_serials = Counter(_serial(it.serial) for it in identities.values())

    def same(self, gpu: Gpu) -> list[str]:
        """Return the addresses of the GPUs that this one can be: by UUID, else by a serial number."""
        uuid, serial = _uuid(gpu.uuid), _serial(gpu.serial)
        found = [address for address, it in self.identities.items() if uuid and _uuid(it.uuid) == uuid]
        if found or not serial or self._serials[serial] > 1 or self._driver_serials[serial] > 1:
            return found
        by_serial = (item for item in self.identities.items() if _serial(item[1].serial) == serial)
        return [address for address, it in by_serial if not uuid or not _uuid(it.uuid)]

    def contradicts(self, gpu: Gpu, address: str) -> bool:
        """Whether the GPU at an address has the UUID of another GPU of the BMC, or another serial number.

        UUIDs that merely differ are no evidence: BMC and driver may write them differently.
        """
        identity = self.identities.get(address, GpuIdentity())
        uuid, serials = _uuid(identity.uuid), {_serial(identity.serial), _serial(gpu.serial)} - {""}
        return (bool(uuid) and self._uuids[uuid] > 0) or len(serials) > 1


def _joined(gpu: Gpu, name: str, by_name: Mapping[str, str], evidence: _Evidence) -> MappedGpu:
    mapped = sorted({by_name[key] for key in (gpu.path, name) if key in by_name})
    same = evidence.same(gpu)
    unmoved = [address for address in same if _is_in_place(gpu, evidence.identities[address])]
    doubt = ""
    if len(mapped) > 1:
        doubt = f"the map says that {name} is {' and '.join(mapped)}"
    elif mapped and same and mapped[0] not in same:
        doubt = f"the map says that {name} is {mapped[0]}, its serial number or UUID says {same[0]}"
    elif mapped and not same and evidence.contradicts(gpu, mapped[0]):
        doubt = f"the map says that {name} is {mapped[0]}, whose driver has another serial number or UUID"
    elif mapped:
        return MappedGpu(gpu=gpu, name=name, address=mapped[0], by=MappedBy.MAP)
    elif len(unmoved) == 1 == len(same):
        return MappedGpu(gpu=gpu, name=name, address=unmoved[0], by=MappedBy.IDENTITY)
    elif len(same) > 1:
        doubt = f"{name} has the UUID of more than one GPU: {', '.join(sorted(same))}"
    elif same:
        doubt = f"{name} was in another place when its driver reported it as {same[0]}: it may have moved"
    return MappedGpu(gpu=gpu, name=name, doubt=doubt)


def _undisputed(joined: list[MappedGpu]) -> Iterator[MappedGpu]:
    """Yield the GPUs; an address that two of them claim is given to neither."""
    for one in joined:
        twins = [other.name for other in joined if other.address == one.address]
        if one.address and len(twins) > 1:
            doubt = f"{' and '.join(twins)} of the BMC would both be {one.address}"
            yield MappedGpu(gpu=one.gpu, name=one.name, doubt=doubt)
        else:
            yield one


def _unique_names(gpus: Iterable[Gpu]) -> dict[str, str]:
    """Return the GPUs' names by path: their Id, with the system's before it where two systems have the same.

    Where one system has the same Id twice it is the path.
    """
    known = {(gpu.path, gpu.system, gpu.name) for gpu in gpus}
    ids = Counter(name for _, _, name in known)
    in_system = Counter((system, name) for _, system, name in known)
    return {
        path: name if ids[name] == 1 else f"{system}/{name}" if in_system[system, name] == 1 else path
        for path, system, name in known
    }


def _is_in_place(gpu: Gpu, identity: GpuIdentity) -> bool:
    return not identity.place or (identity.baseboard, identity.place) == (gpu.baseboard, gpu.path)


def _serial(text: str) -> str:
    """Return a serial number; empty for a filler."""
    plain = re.sub(r"\W", "", text).lower()
    filled = len(plain) < _SHORTEST_SERIAL or len(set(plain)) == 1 or _PLACEHOLDER.fullmatch(plain)
    return "" if filled else text.strip()


def _uuid(text: str) -> str:
    """Return a UUID in one spelling; empty for a filler."""
    plain = text.strip().lower().removeprefix("gpu-").replace("-", "")
    return plain if _UUID.fullmatch(plain) and len(set(plain)) > 1 else ""
