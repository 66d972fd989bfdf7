"""The certificates in use: they follow their files, so that a renewal needs neither restart nor reload."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from hostcollector.base.errors import CertificateError, LaneBusyError, LaneClosedError
from hostcollector.base.lanes import Lane
from hostcollector.base.log import Transitions
from hostcollector.config.web_config import TlsServerConfig
from hostcollector.web.tls import ServerContext, server_context

logger = logging.getLogger(__name__)

Stamp = tuple[tuple[int, ...] | None, ...]

LOOK_SECONDS = 1.0
"""How old the last look at the files may be when a client connects."""

PATIENCE_SECONDS = 1.0
"""How long that client waits for a new look."""


class Certificates:
    """The TLS context for the next connection. Making one reads the files and raises `CertificateError`.

    Later on files that cannot be used leave the old context in use and are logged once; each time that one of
    them changes they are tried again. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        tls: TlsServerConfig,
        transitions: Transitions | None = None,
        clock: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._tls = tls
        self._transitions = transitions or Transitions(logger)
        self._clock = clock
        self._look_seconds = look_seconds
        self._lane = Lane("certificates")
        self._stamp = _stamp(tls)
        self._context = server_context(tls)
        self._looked = clock()

    async def current(self) -> ServerContext:
        """Return the context for a client that connects now; has looked at the files at most a moment ago."""
        if self._clock() - self._looked >= self._look_seconds:
            self._looked = self._clock()
            try:
                flight = self._lane.submit(self._follow)
            except (LaneBusyError, LaneClosedError):
                # A look that hangs, on a dead file system, keeps nobody waiting; nor does an end of looking.
                return self._context
            await asyncio.wait([asyncio.wrap_future(flight)], timeout=PATIENCE_SECONDS)
        return self._context

    async def accept(self, context: ssl.SSLContext | None) -> bool:
        """Whether a connection that was made under `context` would be made by the present rules too."""
        return isinstance(context, ServerContext) and context.rules == (await self.current()).rules

    def close(self) -> None:
        """Let the lane's thread end."""
        self._lane.close()

    def _follow(self) -> None:
        stamp = _stamp(self._tls)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._context = server_context(self._tls)
        except CertificateError as error:
            self._transitions.failed("reading the changed certificates", f"{error}; the old ones stay in use")
        else:
            self._transitions.forget("reading the changed certificates")
            logger.info("changed certificates are in use", extra={"file": self._tls.cert_file})


def _stamp(tls: TlsServerConfig) -> Stamp:
    """Return what tells the files from what they were; with their rights, whose repair is a change too."""
    return tuple(_file_stamp(path) for path in (tls.cert_file, tls.key_file, tls.client_ca_file) if path)


def _file_stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
