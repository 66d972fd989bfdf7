"""The daemon's unix socket: commands by hand on this machine read the running daemon over it.

It serves root and the daemon's own account, without TLS and passwords and with limits of its own. Its paths:

* ``/metrics``: the metrics, always at this path, with the headers and ``collect[]`` of the public page;
* ``/``: the status page; ``/-/healthy`` and ``/-/ready``: the probes;
* ``/diagnose``: the text that `hostcollector diagnose` prints, without the second opinion;
* ``/status.json``: ``version``, ``pid``, ``listen_address``, ``libvirt_uri``, ``libvirt_up`` (whether libvirt
  answered) and ``healthy`` (whether it did and no source failed: the exit status of `diagnose`).

An answer other than 200 is one sentence. The socket is `SOCKET_NAME` in `paths.runtime_directory`.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hostcollector.base.lanes import Lane
from hostcollector.config.settings import SOCKET_NAME
from hostcollector.web.application import Application, Site
from hostcollector.web.clients import ClientLimits
from hostcollector.web.server import Server

logger = logging.getLogger(__name__)

T = TypeVar("T")

LIMITS = ClientLimits(
    connections=16, connections_per_address=16, requests=8, requests_per_address=8, idle_seconds=30.0
)
"""All clients of the socket count as one address."""

_PEER = struct.Struct("iII")
"""A peer's process, user and group (unix(7), SO_PEERCRED)."""


class LocalServer:
    """Serves a site on a unix socket of mode 0600 in a directory that exists, from `start` to `close`.

    A socket that cannot be made is logged, and the daemon serves without it.
    """

    def __init__(self, site: Site, directory: str) -> None:
        self._site = site
        self._directory = directory
        self._path = Path(directory) / SOCKET_NAME
        self._server: Server | None = None
        self._ours: tuple[int, int] | None = None

    async def start(self) -> None:
        """Begin to listen if the socket can be made."""
        listener = await self._in_lane(self._bind)
        if listener is None:
            return
        application = Application(self._site, LIMITS)
        self._server = Server(application, limits=LIMITS, sockets=(listener,), admits=_is_allowed)
        await self._server.start()

    def exchange(self, site: Site) -> None:
        """Serve another site from now on."""
        self._site = site
        if self._server is not None:
            self._server.exchange(site)

    async def close(self) -> None:
        """Stop listening, and remove the socket's file if it is still this socket's."""
        if self._server is not None:
            await self._in_lane(self._unlink)
            await self._server.close()

    @staticmethod
    async def _in_lane(call: Callable[[], T]) -> T:
        """Use the file system, off the event loop."""
        lane = Lane("local-socket")
        flight = lane.submit(call)
        lane.close()
        return await asyncio.wrap_future(flight)

    def _bind(self) -> socket.socket | None:
        if not self._directory:
            return None
        if not self._path.parent.is_dir():
            logger.info("there is no %s, so commands by hand collect for themselves", self._directory)
            return None
        try:
            listener = _bound(self._path)
            self._ours = _identity(self._path)
        except OSError as error:
            logger.warning("no socket for commands by hand at %s: %s", self._path, error.strerror or error)
            return None
        return listener

    def _unlink(self) -> None:
        with suppress(OSError):
            if _identity(self._path) == self._ours:
                self._path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _is_allowed(accepted: socket.socket) -> bool:
    """Whether an accepted connection is root's or this account's."""
    _, user, _ = _PEER.unpack(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return user in (0, os.geteuid())


def _bound(path: Path) -> socket.socket:
    with suppress(FileNotFoundError, ConnectionRefusedError), socket.socket(socket.AF_UNIX) as other:
        other.settimeout(1.0)
        other.connect(str(path))
        raise FileExistsError(None, "another daemon serves it")
    if path.is_socket():
        path.unlink()  # of a daemon that was killed
    listener = socket.socket(socket.AF_UNIX)
    try:
        # Before the file exists, so that it never has another mode: Linux makes it with the socket's.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    return listener
