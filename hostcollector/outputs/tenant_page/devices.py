"""The numbers of a guest's disks, interfaces and GPUs, in place of the host's names for them.

One kind of number is for all ways in which a guest has such a device: a tap, a VF and a vhost-user port are
interfaces; a passed-through GPU, a vGPU and a MIG instance are GPUs.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from hostcollector.base.definition import Disk, Domain, HostDevice, Nic

KINDS = ("disk", "nic", "gpu")
"""The labels of devices on the tenant page."""

_REPORTED = "reported "
"""How the identity of a device begins that sources name: in a collection without the source it is missing."""

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALIAS_OF_USERS = "ua-"
"""How the aliases begin that libvirt takes from a definition (libvirt: formatdomain, "alias")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of a guest. `kind` is one of `KINDS`, `identity` differs from all other devices of the life.

    `names` are what rows of operators call it. `about` are labels that describe it to the tenant.
    """

    kind: str
    identity: str
    names: frozenset[str]
    about: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What sources have reported of a guest: its GPUs and VFs by name, its switch ports by interface id."""

    gpus: tuple[str, ...] = ()
    vfs: tuple[str, ...] = ()
    ports: Mapping[str, str] = field(default_factory=dict)


def devices_of(domain: Domain, reported: Reported) -> Iterator[Device]:
    """Yield the guest's devices in the sequence of its definition, each with an identity of its own."""
    times: Counter[tuple[str, str]] = Counter()
    for device in _devices(domain, reported):
        times[device.kind, device.identity] += 1
        count = times[device.kind, device.identity]
        yield device if count == 1 else replace(device, identity=f"{device.identity} {count}")


def _devices(domain: Domain, reported: Reported) -> Iterator[Device]:
    for disk in domain.disks:
        yield _disk(disk)
    for nic in domain.nics:
        yield _nic(nic, reported.ports)
    by_name = {device.pci_address or device.mdev_uuid.lower(): device for device in domain.host_devices}
    given = {nic.pci_address for nic in domain.nics}
    for vf in reported.vfs:
        # A VF that is not in the definition by its address is an interface that is counted there already,
        # except behind vDPA.
        if vf not in given and (vf in by_name or any(nic.type == "vdpa" for nic in domain.nics)):
            yield _given("nic", vf, by_name.get(vf), {"port": ""})
    for gpu in reported.gpus:
        yield _given("gpu", gpu, by_name.get(gpu), {})


class Numbers:
    """The numbers of one life's devices; a device that was taken away never gives its number to another.

    `given` has the numbers by kind and identity, `following` each kind's next one.
    """

    def __init__(
        self, given: Mapping[str, Mapping[str, int]] | None = None, following: Mapping[str, int] | None = None
    ) -> None:
        self.given = {kind: dict((given or {}).get(kind, {})) for kind in KINDS}
        self.following = {kind: (following or {}).get(kind, 0) for kind in KINDS}

    def update(self, devices: Iterable[Device]) -> bool:
        """Give new devices a number and forget those that are gone. Return whether anything changed.

        A device that sources name is not forgotten: the source may only have failed.
        """
        present: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}
        for device in devices:
            present[device.kind][device.identity] = None
        changed = False
        for kind, identities in present.items():
            known = self.given[kind]
            for gone in known.keys() - identities.keys():
                if not gone.startswith(_REPORTED):
                    del known[gone]
                    changed = True
            for identity in identities:
                if identity not in known:
                    known[identity] = self.following[kind]
                    self.following[kind] += 1
                    changed = True
        return changed

    def of(self, device: Device) -> str:
        """Return the number of a device that was in the last update."""
        return str(self.given[device.kind][device.identity])


def _disk(disk: Disk) -> Device:
    volume = _uuid(disk.alias.removeprefix(_ALIAS_OF_USERS)) or _uuid(disk.serial)
    return Device(
        kind="disk",
        identity=f"{disk.target} {volume or disk.serial}",
        names=frozenset({disk.target}),
        about={"volume": volume, "address": disk.address},
    )


def _nic(nic: Nic, ports: Mapping[str, str]) -> Device:
    socket = PurePosixPath(nic.source_socket).name if nic.source_socket else ""
    names = {nic.target, nic.pci_address, socket, ports.get(nic.interface_id, "")}
    port = _uuid(nic.interface_id) or _uuid(nic.alias.removeprefix(_ALIAS_OF_USERS))
    return Device(
        kind="nic",
        identity=f"{nic.mac} {nic.pci_address}",
        names=frozenset(names - {""}),
        about={"port": port, "address": nic.address},
    )


def _given(kind: str, name: str, found: HostDevice | None, about: Mapping[str, str]) -> Device:
    address = "" if found is None else found.address
    return Device(
        kind=kind,
        identity=_REPORTED + name,
        names=frozenset({name}),
        about={**about, "address": address},
    )


def _uuid(text: str) -> str:
    """Return a UUID in libvirt's spelling; empty for any other text."""
    plain = text.lower()
    return plain if _UUID.fullmatch(plain) else ""
