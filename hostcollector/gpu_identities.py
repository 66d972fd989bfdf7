"""What GPUs say of themselves while a driver of the host has them, kept for the time when none has.

A BMC knows serial numbers and no PCI addresses; NVIDIA's driver knows both, but only of the GPUs that it has.
So what the driver told is kept on disk, and once a BMC has been seen to have such a GPU, also which one it is
there: if the GPU turns up in another place the record is not believed any more.
"""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hostcollector.errors import StateError
from hostcollector.lanes import Lane
from hostcollector.state_file import StateFile

FILE_NAME = "gpus/identities.json"
PATIENCE_SECONDS = 0.5
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

    `patience` is for how many seconds a flush waits for the disk.
    """

    def __init__(self, directory: Path, *, patience: float = PATIENCE_SECONDS) -> None:
        self._file = StateFile(directory / FILE_NAME)
        self._patience = patience
        self._lane = Lane("gpu-identities")
        self._lock = threading.Lock()
        self._records: dict[str, GpuIdentity] | None = None
        self._changes = self._saved = 0
        self._read_problem = self._write_problem = ""

    @property
    def known(self) -> Mapping[str, GpuIdentity]:
        """Return what is known by PCI address."""
        with self._lock:
            return dict(self._loaded())

    def learn(self, address: str, serial: str, uuid: str) -> None:
        """Keep what the driver says of the GPU at an address; another GPU than before is a new one."""
        if not serial and not uuid:
            return
        with self._lock:
            records = self._loaded()
            known = records.get(address, GpuIdentity())
            if (known.serial, known.uuid) == (serial, uuid):
                return
            for other, record in list(records.items()):
                if uuid and record.uuid == uuid:  # it was moved here
                    del records[other]
            records[address] = GpuIdentity(serial=serial, uuid=uuid)
            self._changes += 1

    def confirm(self, address: str, baseboard: str, place: str) -> None:
        """Keep where on which board a BMC has the GPU of an address."""
        with self._lock:
            records = self._loaded()
            known = records.get(address)
            if known is not None and (known.baseboard, known.place) != (baseboard, place):
                records[address] = replace(known, baseboard=baseboard, place=place)
                self._changes += 1

    def flush(self) -> None:
        """Write what changed, if anything did, and wait for the disk at most for `patience`."""
        with self._lock:
            if self._changes == self._saved or self._lane.busy:
                return
            writing = self._lane.submit(self._write)
        wait([writing], timeout=self._patience)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what could not be read or written, each a sentence with its consequence."""
        with self._lock:
            return tuple(filter(None, (self._read_problem, self._write_problem)))

    def _loaded(self) -> dict[str, GpuIdentity]:
        if self._records is None:
            try:
                self._records = self._load()
            except StateError as error:
                self._records = {}
                self._read_problem = f"{error}: which GPU of the BMC is which has to be learned anew"
        return self._records

    def _load(self) -> dict[str, GpuIdentity]:
        text = self._file.read()
        if text is None:
            return {}
        try:
            return _parsed(text)
        except (ValueError, RecursionError) as error:
            raise self._file.damaged(error) from error

    def _write(self) -> None:
        with self._lock:
            changes = self._changes
            text = _document(self._loaded())
        problem = ""
        try:
            self._file.replace(text)
        except StateError as error:
            problem = f"{error}: after a restart it is not known which GPU of the BMC is which"
        with self._lock:
            self._write_problem = problem
            if not problem:
                self._saved = changes


def _document(records: Mapping[str, GpuIdentity]) -> bytes:
    entries = {address: asdict(record) for address, record in records.items()}
    return json.dumps({"version": VERSION, "gpus": entries}, indent=1).encode()


def _parsed(text: bytes) -> dict[str, GpuIdentity]:
    """Return the records of a document. Raises `ValueError` with what is wrong with it."""
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"not a document of version {VERSION}")
    entries = document.get("gpus")
    if isinstance(entries, dict):
        return {address: _record(entry) for address, entry in entries.items()}
    raise ValueError("no GPUs")


def _record(entry: object) -> GpuIdentity:
    match entry:
        case {"serial": str(serial), "uuid": str(uuid), "baseboard": str(baseboard), "place": str(place)}:
            return GpuIdentity(serial=serial, uuid=uuid, baseboard=baseboard, place=place)
    raise ValueError("a GPU without the four texts of an identity")
