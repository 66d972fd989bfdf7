"""Libvirt daemons that guests are booted on: any that answers, or a private one that may be mistreated."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import libvirt

from tests.lab.cgroups import groups_of, remove
from tests.lab.connection import connected
from tests.lab.guest import Guest, domain_xml, make_disks
from tests.lab.image import CACHE, GuestImage
from tests.lab.process import Process, spawn, until
from tests.lab.running import RunningGuest

# What the private libvirtd sees as its own. The whole of /run, so that it finds neither the pid files of
# another libvirtd nor a D-Bus by which it would register its guests with systemd.
OWN_PATHS = ("run", "etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt")
# And a name of its own, because libvirt migrates no guest to a host that is called like the first one.
ENTER = (
    'for path in $OWN_PATHS; do mount --bind "$0/$path" "/$path" || exit; done; '
    'hostname "${0##*/}"; exec "$@"'
)
# The same in a root tree, over which lies memory for what is written elsewhere. The laboratory's own files
# stay where they are.
ENTER_TREE = (
    'root="$0/root"; layer="$0/layer"; mkdir -p "$root" "$layer" && mount -t tmpfs lab "$layer" '
    '&& mkdir "$layer/upper" "$layer/work" && mount -t overlay lab "$root" '
    '-o "lowerdir=$TREE,upperdir=$layer/upper,workdir=$layer/work" || exit; '
    'for path in $OWN_PATHS; do mount --bind "$0/$path" "$root/$path" || exit; done; '
    'for path in dev proc sys tmp "$CACHE"; do '
    'mkdir -p "$root/$path" && mount --rbind "/$path" "$root/$path" || exit; done; '
    'hostname "${0##*/}"; exec chroot "$root" "$@"'
)
LIBVIRTD_CONF = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'
# Settings for a laboratory, never for a hypervisor. QEMU runs as root because libvirt probes it anew for each
# guest when the user that it runs as cannot open a /dev/kvm that root can.
QEMU_CONF = """user = "root"
group = "root"
security_driver = "none"
remember_owner = 0
stdio_handler = "file"
"""


# All libvirtds number their taps from vnet0 on, in the one network namespace of the machine.
_TAP_TAKEN = "Unable to create tap device"
_ATTEMPTS = 5


class Hypervisor:
    """A libvirtd, by its URIs and by where it keeps its guests' pid files."""

    def __init__(self, directory: Path, uri: str, uri_readonly: str, runtime: Path) -> None:
        self.directory = directory
        """Where the guests' files are kept, one folder each."""
        self.uri = uri
        self.uri_readonly = uri_readonly
        self.runtime = runtime
        """What /run/libvirt is on an ordinary hypervisor."""

    def boot(self, guest: Guest, image: GuestImage | None = None, *, paused: bool = False) -> RunningGuest:
        """Start a transient domain and return it once its QEMU runs; the kernel then still boots.

        A `paused` guest waits for `resume` before its first instruction.
        """
        directory = self.directory / "guests" / guest.name
        directory.mkdir(parents=True, exist_ok=True)
        make_disks(guest, directory)
        with connected(self.uri) as connection:
            _create(connection, domain_xml(guest, directory, image), libvirt.VIR_DOMAIN_START_PAUSED * paused)
        return self.running(guest)

    def running(self, guest: Guest) -> RunningGuest:
        """Return a guest that runs here, also one that was restored or has migrated to here."""
        pid = int((self.runtime / "qemu" / f"{guest.name}.pid").read_text())
        return RunningGuest(guest, self.uri, self.directory / "guests" / guest.name, Process.of(pid))

    def boot_all(self, guests: Iterable[Guest], image: GuestImage | None = None) -> list[RunningGuest]:
        """Start many guests, a few at a time."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(lambda guest: self.boot(guest, image), guests))


class PrivateHypervisor(Hypervisor):
    """A libvirtd of our own in a mount namespace of its own; everything in there ends with it.

    With a `tree` it is libvirtd and QEMU of that root tree, and the machine's own without.
    """

    def __init__(self, directory: Path, tree: Path | None = None) -> None:
        runtime = directory / "run/libvirt"
        uri = f"qemu+unix:///system?socket={runtime}/libvirt-sock"
        super().__init__(directory, uri, f"{uri}-ro", runtime)
        self.configuration = f'{LIBVIRTD_CONF}host_uuid = "{uuid.uuid4()}"\n'
        """Of libvirtd, as text; one that is written anew is read at the next start."""
        self._tree = tree
        self._child: subprocess.Popen[bytes] | None = None
        self._libvirtd: Process | None = None

    @classmethod
    def start(cls, directory: Path | None = None, tree: Path | None = None) -> Self:
        """Start a libvirtd in a new directory, which must not be under /run, and wait until it answers."""
        # A short path: that of the socket has to fit into 107 bytes.
        directory = directory or Path(tempfile.mkdtemp(prefix="hostcollector-lab-", dir="/tmp"))
        hypervisor = cls(directory, tree)
        try:
            for path in OWN_PATHS:
                (directory / path).mkdir(parents=True)
            cache = (
                CACHE / f"libvirt{f'-{tree.name}' if tree else ''}"
            )  # what libvirt found out about QEMU takes seconds to find out
            cache.mkdir(parents=True, exist_ok=True)
            (directory / "var/cache/libvirt").rmdir()
            (directory / "var/cache/libvirt").symlink_to(cache)
            (directory / "etc/libvirt/libvirtd.conf").write_text(hypervisor.configuration)
            (directory / "etc/libvirt/qemu.conf").write_text(QEMU_CONF)
            hypervisor.restart()
        except BaseException:
            hypervisor.close()
            raise
        return hypervisor

    @classmethod
    def adopt(cls, directory: Path) -> Self:
        """Return the hypervisor whose starter was killed, to close it."""
        hypervisor = cls(directory)
        with suppress(OSError, ValueError):
            hypervisor._libvirtd = Process.of(int((directory / "run/libvirtd.pid").read_text()))
        return hypervisor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The number of libvirtd's process."""
        assert self._libvirtd is not None, "no libvirtd has been started"
        return self._libvirtd.pid

    def kill(self) -> None:
        """Kill libvirtd with SIGKILL; its guests go on."""
        self._send(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def stop(self) -> None:
        """Stop libvirtd with SIGSTOP: its socket still takes connections, and nothing is answered."""
        self._send(signal.SIGSTOP)

    def cont(self) -> None:
        """Let a stopped libvirtd go on."""
        self._send(signal.SIGCONT)

    def restart(self) -> None:
        """Start libvirtd, after killing the one that runs, and wait until it answers."""
        self.kill()
        log = self.directory / "libvirtd.log"
        script = ENTER_TREE if self._tree else ENTER
        enter = ("unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c", script)
        environment = {
            **os.environ,
            "OWN_PATHS": " ".join(OWN_PATHS),
            "TREE": str(self._tree),
            "CACHE": str(CACHE.resolve()),
        }
        self._child = spawn([*enter, str(self.directory), "libvirtd"], log, environment)
        self._libvirtd = Process.of(self._child.pid)
        until(self._answers_or_fails, 30.0, f"an answer of the private libvirtd, see {log}")

    def inhabitants(self) -> list[Process]:
        """Return every process that has our /run as its own: libvirtd, and whatever it started."""
        home = (self.directory / "run").stat()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended while we looked, or is a kernel thread
                if os.path.samestat((entry / "root/run").stat(), home):
                    found.append(Process.of(int(entry.name)))
        return found

    def close(self) -> None:
        """End the guests and libvirtd and remove the directory."""
        with suppress(FileNotFoundError):
            self._end_guests()
            for process in self.inhabitants():
                process.end()
        if self._child is not None:
            self._child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end_guests(self) -> None:
        """Kill every QEMU, and let libvirtd remove their control groups before it ends itself."""
        guests = [process for process in self.inhabitants() if process != self._libvirtd]
        groups = [group for process in guests for group in groups_of(process)]
        if guests and not (self._libvirtd and self._libvirtd.alive()):
            with suppress(TimeoutError, ChildProcessError):
                self.restart()
        self.cont()
        for process in guests:
            process.send(signal.SIGKILL)
        with suppress(TimeoutError, libvirt.libvirtError):
            until(lambda: not self._domains(), 30.0, "the end of all guests")
        remove(groups)

    def _domains(self) -> int:
        with connected(self.uri_readonly, readonly=True) as connection:
            return int(connection.numOfDomains())

    def _answers_or_fails(self) -> bool:
        if self._libvirtd and not self._libvirtd.alive():
            raise ChildProcessError((self.directory / "libvirtd.log").read_text()[-500:])
        with suppress(libvirt.libvirtError):
            return self._domains() >= 0
        return False

    def _send(self, number: signal.Signals) -> None:
        if self._libvirtd is not None:
            self._libvirtd.send(number)


def _create(connection: Any, xml: str, flags: int) -> None:
    """Start a transient domain, again if another libvirtd takes the name of its tap at the same moment."""
    for attempt in range(_ATTEMPTS):
        try:
            connection.createXML(xml, flags)
        except libvirt.libvirtError as error:
            if _TAP_TAKEN not in str(error) or attempt == _ATTEMPTS - 1:
                raise
        else:
            return
