"""Reads the running daemon over its unix socket, so that a command by hand needs no calls to libvirt."""

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from hostcollector.base.errors import HostcollectorError
from hostcollector.base.wording import one_line
from hostcollector.config.settings import SOCKET_NAME

PATIENCE_SECONDS = 15.0
"""Time for an answer beyond the budget of a collection."""

LARGEST = 256 * 1024 * 1024
"""Bytes of an answer; a page of 200,000 series has a tenth of it."""


class NotRunningError(HostcollectorError):
    """No daemon can be read here; the message has the cause."""


class DaemonSilentError(HostcollectorError):
    """A daemon runs but gives no valid answer."""


class _Connection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True, slots=True)
class DaemonState:
    """The daemon's ``/status.json``; `healthy` is whether libvirt answered and no source failed.

    `listens_on` is its listen address as configured; empty for a daemon of an older version.
    """

    version: str
    pid: int
    libvirt_up: bool
    healthy: bool
    listens_on: str = ""


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """The daemon whose socket is at `path`; it may be silent for `timeout` seconds."""

    path: Path
    timeout: float

    def state(self) -> DaemonState:
        """Return its state. Raises `NotRunningError` and `DaemonSilentError`."""
        status: Any = None
        with suppress(ValueError, RecursionError):
            status = json.loads(self.read("/status.json"))
        match status:
            case {
                "version": str(version),
                "pid": int(pid),
                "libvirt_up": bool(libvirt_up),
                "healthy": bool(healthy),
            }:
                listens_on = one_line(str(status.get("listen_address", "")))
                return DaemonState(one_line(version), pid, libvirt_up, healthy, listens_on)
        raise DaemonSilentError(f"the program at {self.path} is not a hostcollector")

    def read(self, page: str) -> str:
        """Return the text of a page. Raises `NotRunningError` and `DaemonSilentError`."""
        connection = _Connection(self.path, self.timeout)
        try:
            connection.request("GET", page, headers={"Accept": "text/plain;version=0.0.4"})
            answer = connection.getresponse()
            body = answer.read(LARGEST).decode(errors="replace")
            if answer.length:
                raise DaemonSilentError(f"the daemon at {self.path} did not send its whole answer")
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise NotRunningError(f"no daemon listens at {self.path}") from error
        except PermissionError as error:
            raise NotRunningError(f"{self.path} is for root and the daemon's account only") from error
        except TimeoutError as error:
            raise DaemonSilentError(f"the daemon at {self.path} does not answer") from error
        except (OSError, HTTPException) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
            raise DaemonSilentError(f"the daemon at {self.path} gives no answer: {why}") from error
        finally:
            connection.close()
        if answer.status != 200:
            sentence = one_line(body.strip()[:500])
            raise DaemonSilentError(f"the daemon at {self.path} answers {answer.status}: {sentence}")
        return body


def safe_for_terminal(text: str) -> str:
    """Return a page without control characters: the daemon's account is less trusted than root."""
    return "\n".join(map(one_line, text.split("\n")))


def daemon_at(directory: str, budget: float) -> RunningDaemon:
    """Return the daemon with its socket in a directory. Raises `NotRunningError` where there is none."""
    if not directory:
        raise NotRunningError("paths.runtime_directory is empty")
    path = Path(directory) / SOCKET_NAME
    if not os.path.lexists(path):
        raise NotRunningError(f"no daemon listens at {path}")
    return RunningDaemon(path, budget + PATIENCE_SECONDS)
