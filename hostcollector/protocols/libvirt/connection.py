"""Read-only connections to libvirt with keepalive, and slots that open them again after a loss."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

from hostcollector.base.errors import SourceDeniedError, SourceUnavailableError
from hostcollector.base.lanes import Backoff, Clock
from hostcollector.protocols.libvirt.this_host import PROC_STAT, ensure_this_host

OpenFunction = Callable[[str], Any]
# Short pauses only: after a restart of the daemon everything should be back within seconds.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Versions as ``major.minor.release`` text; empty when libvirt does not say."""

    hypervisor: str
    daemon: str
    library: str


class Connection:
    """One open connection. `raw` is libvirt-python's object; `alive` is False once libvirt has closed it."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.alive = True
        self.on_lost: Callable[[], None] = _ignore
        self.event_callbacks: list[int] = []

    def lost(self) -> None:
        """Note that libvirt closed the connection; called from the event loop's thread."""
        self.alive = False
        self.on_lost()

    def is_open(self) -> bool:
        """Whether libvirt has not closed the connection; `alive` may change a moment later."""
        try:
            return self.alive and bool(self.raw.isAlive())
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Close the connection, silently if it is broken already."""
        self.alive = False
        for callback in self.event_callbacks:
            # Each callback holds the connection open; a broken connection forgets them and raises.
            with suppress(libvirt.libvirtError):
                self.raw.domainEventDeregisterAny(callback)
        with suppress(libvirt.libvirtError):  # a broken connection has forgotten the callback
            self.raw.unregisterCloseCallback()
        with suppress(libvirt.libvirtError):  # it may be closed already
            self.raw.close()


class Link:
    """Opens connections to one URI and runs libvirt's default event loop, which keepalive needs.

    `open_read_only` may block for as long as a stopped daemon does: call it in a lane.
    """

    def __init__(
        self,
        uri: str,
        *,
        keepalive_interval: int = 5,
        keepalive_count: int = 3,
        opener: OpenFunction = libvirt.openReadOnly,
        proc_stat: Path = PROC_STAT,
    ) -> None:
        self.uri = uri
        self._proc_stat = proc_stat
        self._keepalive = (keepalive_interval, keepalive_count)
        self._opener = opener
        self._lock = threading.Lock()
        self._loop: threading.Thread | None = None
        self.connects = 0

    def open_read_only(self) -> Connection:
        """Open a connection. Raises `SourceUnavailableError` or `SourceDeniedError` with the fix.

        A libvirt of another host is refused.
        """
        self._start_event_loop()
        try:
            raw = self._opener(self.uri)
            connection = Connection(raw)
            raw.registerCloseCallback(lambda _raw, _why, opened: opened.lost(), connection)
            raw.setKeepAlive(*self._keepalive)
        except libvirt.libvirtError as error:
            raise _explained(self.uri, error) from error
        if not self.uri.startswith("test:"):  # the test driver invents its host
            try:
                ensure_this_host(raw, self._proc_stat)
            except SourceUnavailableError as error:
                connection.close()
                raise SourceUnavailableError(f"{self.uri}: {error}") from error
        with self._lock:
            self.connects += 1
        return connection

    def versions(self, connection: Connection) -> Versions:
        """Ask for the versions. For seconds libvirtd may start QEMU's binary: not for the scrape path."""
        try:
            hypervisor = _dotted(connection.raw.getVersion())
        except libvirt.libvirtError:
            hypervisor = ""
        try:
            daemon = _dotted(connection.raw.getLibVersion())
        except libvirt.libvirtError:
            daemon = ""
        return Versions(hypervisor=hypervisor, daemon=daemon, library=_dotted(libvirt.getVersion()))

    def _start_event_loop(self) -> None:
        with self._lock:
            if self._loop is not None:
                return
            # Errors are raised as exceptions; libvirt would print them to standard error as well.
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            libvirt.virEventRegisterDefaultImpl()
            self._loop = threading.Thread(target=_turn_forever, name="libvirt-events", daemon=True)
            self._loop.start()


class Slot:
    """One connection, opened at the first use and again after a loss, with pauses after failures."""

    def __init__(self, link: Link, clock: Clock = time.monotonic) -> None:
        self._link = link
        self._backoff = Backoff(first=FIRST_PAUSE_SECONDS, cap=LONGEST_PAUSE_SECONDS, clock=clock)
        self._connection: Connection | None = None
        self._why: SourceUnavailableError | SourceDeniedError | None = None

    def get(self) -> Connection:
        """Return an open connection. During a pause, raises the error of the last attempt again."""
        if self._connection is not None and self._connection.alive:
            return self._connection
        self.drop()
        if not self._backoff.ready and self._why is not None:
            raise type(self._why)(*self._why.args)
        try:
            self._connection = self._link.open_read_only()
        except (SourceUnavailableError, SourceDeniedError) as error:
            # A copy: the raised error's traceback keeps its caller's frames, a whole collection, in memory.
            self._why = type(error)(*error.args)
            self._backoff.failed()
            raise
        self._backoff.succeeded()
        return self._connection

    def drop(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _ignore() -> None:
    """Do nothing about a loss."""


def _turn_forever() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def _explained(uri: str, error: Any) -> SourceUnavailableError | SourceDeniedError:
    text = error.get_error_message() or str(error)
    if "find user record" in text:
        return SourceDeniedError(
            f"{uri}: {text}; this account needs a name in the /etc/passwd of where libvirt runs"
        )
    if "ermission denied" in text or error.get_error_code() in (
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
        libvirt.VIR_ERR_ACCESS_DENIED,
    ):
        return SourceDeniedError(
            f"{uri}: {text}; let this account read the libvirt-sock-ro socket (group libvirt)"
        )
    return SourceUnavailableError(f"{uri}: {text}; is libvirtd or virtqemud running, and is the URI right?")
