"""What GPUs say of themselves while a driver of the host has them, kept for the time when none has.

A BMC knows serial numbers and no PCI addresses; NVIDIA's driver knows both, but only of the GPUs that it has.
So what the driver told is kept on disk, and once a BMC has been seen to have such a GPU, also which one it is
there: if the GPU turns up in another place the record is not believed any more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hostcollector.devices.kept_record import PATIENCE_SECONDS, Form, KeptRecord

FILE_NAME = "gpus/identities.json"
"""In a folder of its own: writers of one folder keep each other out."""

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuIdentity:
    """What the driver said of the GPU at a PCI address; empty text for what it did not say.

    `baseboard` and `place` are the BMC's serial number of the board and its resource for the GPU, from the
    first time on that a BMC had a GPU with this identity.
    """

    serial: str = ""
    uuid: str = ""
    baseboard: str = ""
    place: str = ""


class GpuIdentities:
    """The identities by PCI address. Safe to use from several threads; read from disk at the first use.

    Where `writes` is False (a collection by hand, beside a daemon) the file stays as it is. `patience` is for
    how many seconds the disk is waited for.
    """

    def __init__(self, directory: Path, *, writes: bool = True, patience: float = PATIENCE_SECONDS) -> None:
        self._kept = KeptRecord(directory, _FORM, writes=writes, patience=patience)

    @property
    def known(self) -> Mapping[str, GpuIdentity]:
        """Return what is known by PCI address."""
        with self._kept.entries() as records:
            return dict(records or {})

    def learn(self, address: str, serial: str, uuid: str) -> None:
        """Keep what the driver says of the GPU at an address; another GPU than before is a new one.

        Of one number that the driver does not say this time the one it said before stays.
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
        """Keep where on which board a BMC has the GPU of an address."""
        with self._kept.entries() as records:
            known = records.get(address) if records is not None else None
            if records is None or known is None or (known.baseboard, known.place) == (baseboard, place):
                return
            records[address] = replace(known, baseboard=baseboard, place=place)
            self._kept.changed()

    def flush(self) -> None:
        """Write what changed, if anything did; a disk that hangs holds up nobody."""
        self._kept.flush()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read or written, each a sentence with its consequence."""
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
    unread="which GPU of the BMC is which has to be learned anew",
    unwritten="after a restart it is not known which GPU of the BMC is which",
)
