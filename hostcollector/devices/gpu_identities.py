"""The GPUs' serial numbers and UUIDs by PCI address, kept on disk for GPUs that are passed through.

A BMC reports serial numbers and no PCI addresses. NVIDIA's driver reports both, but only of its own GPUs. So
the driver's answers are kept. Once a BMC has reported a GPU with such a number, its place on the baseboard is
kept too: a record is no longer used if the BMC reports the GPU in another place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hostcollector.devices.kept_record import PATIENCE_SECONDS, Form, KeptRecord

FILE_NAME = "gpus/identities.json"
"""In a folder of its own: a folder has one writer at a time."""

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuIdentity:
    """The numbers of the GPU at a PCI address; empty text for an unknown one.

    `baseboard` and `place` are the BMC's serial number of the board and its resource of the GPU. They are
    empty until a BMC has reported this GPU.
    """

    serial: str = ""
    uuid: str = ""
    baseboard: str = ""
    place: str = ""


class GpuIdentities:
    """The identities by PCI address. Safe to use from several threads; read from disk at the first use.

    With `writes` False (a collection by hand, beside a daemon) the file is not changed. `patience` is the
    longest wait for the disk, in seconds.
    """

    def __init__(self, directory: Path, *, writes: bool = True, patience: float = PATIENCE_SECONDS) -> None:
        self._kept = KeptRecord(directory, _FORM, writes=writes, patience=patience)

    @property
    def known(self) -> Mapping[str, GpuIdentity]:
        """Return the known identities by PCI address."""
        with self._kept.entries() as records:
            return dict(records or {})

    def learn(self, address: str, serial: str, uuid: str) -> None:
        """Keep the driver's numbers of the GPU at an address. Other numbers than before replace the record.

        A number that the driver does not report this time is kept from before.
        """
        if not serial and not uuid:
            return
        with self._kept.entries() as records:
            if records is None:
                return
            known = records.get(address, GpuIdentity())
            if (serial or known.serial, uuid or known.uuid) == (known.serial, known.uuid):
                return
            for other, record in list(records.items()):
                if uuid and record.uuid == uuid:  # it was moved here
                    del records[other]
            records[address] = GpuIdentity(serial=serial, uuid=uuid)
            self._kept.changed()

    def confirm(self, address: str, baseboard: str, place: str) -> None:
        """Keep the baseboard and the place on it where a BMC reports the GPU of an address."""
        with self._kept.entries() as records:
            known = records.get(address) if records is not None else None
            if records is None or known is None or (known.baseboard, known.place) == (baseboard, place):
                return
            records[address] = replace(known, baseboard=baseboard, place=place)
            self._kept.changed()

    def flush(self) -> None:
        """Write the changes, if there are any; a disk that hangs delays only this thread, by `patience`."""
        self._kept.flush()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the failed reads and writes, each a sentence with its consequence."""
        return self._kept.problems


def _write(records: Mapping[str, GpuIdentity]) -> dict[str, Any]:
    return {"gpus": {address: asdict(record) for address, record in records.items()}}


def _read(document: Mapping[str, Any]) -> Iterable[tuple[str, GpuIdentity] | None]:
    entries = document.get("gpus")
    if isinstance(entries, dict):
        return (_entry(address, entry) for address, entry in entries.items())
    raise ValueError("no GPUs")


def _entry(address: str, entry: object) -> tuple[str, GpuIdentity] | None:
    match entry:
        case {"serial": str(serial), "uuid": str(uuid), "baseboard": str(baseboard), "place": str(place)}:
            return address, GpuIdentity(serial=serial, uuid=uuid, baseboard=baseboard, place=place)
    return None


_FORM = Form(
    name=FILE_NAME,
    version=VERSION,
    write=_write,
    read=_read,
    unread="the BMC's GPUs have to be identified anew",
    unwritten="the BMC's GPUs have to be identified anew after a restart",
)
