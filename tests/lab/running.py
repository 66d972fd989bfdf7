"""A guest that runs: its QEMU process, its serial line, its end."""

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

from tests.lab.cgroups import groups_of, remove
from tests.lab.connection import connected
from tests.lab.guest import Guest, serial_file
from tests.lab.process import Process, until
from tests.lab.workload import Account


@dataclass(frozen=True, slots=True)
class RunningGuest:
    """One booted guest, found again by its UUID and by its QEMU process."""

    guest: Guest
    uri: str
    """The read-write URI of the libvirtd that started it."""
    directory: Path
    """Its disks and its serial log."""
    qemu: Process

    @contextmanager
    def domain(self) -> Iterator[Any]:
        """Give libvirt's handle of the guest for the block, read-write."""
        with connected(self.uri) as connection:
            yield connection.lookupByUUIDString(self.guest.uuid)

    def listed(self) -> bool:
        """Whether libvirt counts it among the active guests, as for a moment after the end of QEMU."""
        with suppress(libvirt.libvirtError), self.domain() as domain:
            return bool(domain.isActive())
        return False

    def stop(self) -> None:
        """Stop the QEMU process: libvirt sees a monitor that does not answer."""
        self.qemu.send(signal.SIGSTOP)
        until(lambda: self.qemu.state() == "T", 5.0, f"stopping the QEMU of {self.guest.name}")

    def cont(self) -> None:
        """Let a stopped QEMU go on."""
        self.qemu.send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the QEMU process, as the kernel does when memory runs out."""
        self.qemu.send(signal.SIGKILL)
        until(lambda: not self.qemu.alive(), 10.0, f"the end of the QEMU of {self.guest.name}")

    def destroy(self) -> None:
        """End the guest by way of libvirt, or without it when it does not answer, and remove its files."""
        groups = groups_of(self.qemu)
        self.cont()  # a stopped process would make libvirt wait
        with suppress(libvirt.libvirtError), connected(self.uri) as connection:
            connection.lookupByUUIDString(self.guest.uuid).destroy()
        self.kill()
        remove(groups)
        shutil.rmtree(self.directory, ignore_errors=True)

    def serial(self) -> str:
        """Return what the guest has written on its serial line so far."""
        file = serial_file(self.directory)
        return file.read_text(errors="replace") if file.exists() else ""

    def account(self, phase: str = "done", timeout: float = 45.0) -> Account:
        """Wait for the guest's account of the phase, "ready" (before the work) or "done" (after it)."""
        until(lambda: self._account(phase) is not None, timeout, f"{self.guest.name}'s account '{phase}'")
        account = self._account(phase)
        assert account is not None
        return account

    def xml(self) -> str:
        """Return the live domain XML."""
        with connected(self.uri, readonly=True) as connection:
            return str(connection.lookupByUUIDString(self.guest.uuid).XMLDesc())

    def taps(self) -> list[str]:
        """Return the host's names of its interfaces, in the order of the guest's."""
        return re.findall(r"<target dev='([^']+)'(?! bus)", self.xml())

    def _account(self, phase: str) -> Account | None:
        if failure := re.search(r"@failed .*", text := self.serial()):
            raise AssertionError(f"{self.guest.name}: {failure[0]}")
        lines = re.findall(r"@account (\{.*\})\r?\n", text)
        return next((account for account in map(Account.parse, lines) if account.phase == phase), None)
