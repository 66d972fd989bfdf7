"""The protocols of sd_notify(3) and sd_listen_fds(3), with the standard library only."""

import os
import socket
import time
from collections.abc import Callable, Mapping

from hostcollector.base.errors import ListenError
from hostcollector.base.units import MICROSECONDS_PER_SECOND
from hostcollector.base.wording import one_line

FIRST_SOCKET = 3
"""The descriptor of the first socket that systemd passes; the others follow."""

MOST_SOCKETS = 16


class Notifier:
    """Sends states to systemd; without systemd it sends nothing, and it never waits.

    `environment` gives NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; `clock_ns` is CLOCK_MONOTONIC in
    nanoseconds; `pid` is this process.
    """

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        pid: int | None = None,
    ) -> None:
        self._clock_ns = clock_ns
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog(environment, os.getpid() if pid is None else pid)
        """Seconds within which `watchdog` must be called again (call twice as often); None without one."""

    def ready(self, status: str = "") -> bool:
        """Report that start-up or reload is over, with a sentence for ``systemctl status``."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """Set the sentence that ``systemctl status`` shows."""
        return self._send(*_status(text))

    def reloading(self) -> bool:
        """Report that a reload begins; `ready` ends it."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={self._clock_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """Report that the daemon is stopping."""
        return self._send("STOPPING=1", *_status(status))

    def watchdog(self) -> bool:
        """Report that the daemon is alive; without a watchdog nothing is sent."""
        return self.watchdog_seconds is not None and self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> bool:
        """Send one datagram. Returns whether it was sent."""
        if not self._address:
            return False
        message = "\n".join(assignments).encode(errors="backslashreplace")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(message, self._address)
            except OSError:
                return False
        return True


def listening_sockets(
    environment: Mapping[str, str] = os.environ, pid: int | None = None, first: int = FIRST_SOCKET
) -> tuple[socket.socket, ...]:
    """Return the TCP sockets on which systemd listens for this process. The caller closes them.

    Raises `ListenError` if there is none, or one that is no TCP socket.
    """
    ours = environment.get("LISTEN_PID") == str(os.getpid() if pid is None else pid)
    count = environment.get("LISTEN_FDS", "") if ours else ""
    if not (count.isascii() and count.isdigit() and 0 < int(count[:4]) <= MOST_SOCKETS):
        raise ListenError("systemd's socket", "there is none; is hostcollector.socket started?")
    sockets = tuple(socket.socket(fileno=first + number) for number in range(int(count)))
    for handed in sockets:
        handed.set_inheritable(False)
        if handed.family not in (socket.AF_INET, socket.AF_INET6) or handed.type != socket.SOCK_STREAM:
            for other in sockets:
                other.close()
            raise ListenError("systemd's socket", "it is not a TCP one: ListenStream=ADDRESS:PORT is needed")
    return sockets


def _address(value: str) -> str:
    """Return the socket's address; ``@`` is the abstract namespace, other forms (vsock) are not supported."""
    if value.startswith("@"):
        return "\0" + value[1:]
    return value if value.startswith("/") else ""


def _watchdog(environment: Mapping[str, str], pid: int) -> float | None:
    """Return sd_watchdog_enabled(3)'s time in seconds."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    if not (microseconds.isascii() and microseconds.isdigit() and len(microseconds) < 19):
        return None
    return int(microseconds) / MICROSECONDS_PER_SECOND or None


def _status(text: str) -> tuple[str, ...]:
    # A line break would end the assignment and begin another one.
    return (f"STATUS={one_line(text)}",) if text else ()
