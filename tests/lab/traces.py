"""What a demo has started, written down before or as it starts, so that a killed demo can be cleaned up."""

import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import libvirt

from tests.lab.connection import connected
from tests.lab.hypervisor import PrivateHypervisor
from tests.lab.process import Process


@dataclass(slots=True)
class Traces:
    """The list, on disk after every change. Processes are named with their start time, guests by UUID."""

    file: Path
    owner: Process
    """The demo itself."""
    directory: Path
    private: bool
    """Whether the libvirtd is the demo's own."""
    guests: list[str] = field(default_factory=list)
    """UUIDs on a libvirtd that is not."""
    processes: list[Process] = field(default_factory=list)

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """Read the list of an earlier demo, if one left any."""
        if not file.exists():
            return None
        found = json.loads(file.read_text())
        return cls(
            file,
            Process(**found["owner"]),
            Path(found["directory"]),
            found["private"],
            found["guests"],
            [Process(**process) for process in found["processes"]],
        )

    def save(self) -> None:
        """Write the list so that it is whole at every moment."""
        self.file.parent.mkdir(exist_ok=True)
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(self), default=str))
        unfinished.rename(self.file)

    def clean(self) -> None:
        """End what is on the list and still runs, the latest first, and remove the files and the list."""
        for process in reversed(self.processes):
            process.end()
        if self.private:
            PrivateHypervisor.adopt(self.directory).close()
        for uuid in self.guests:
            with suppress(libvirt.libvirtError), connected("qemu:///system") as connection:
                connection.lookupByUUIDString(uuid).destroy()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.file.unlink(missing_ok=True)
