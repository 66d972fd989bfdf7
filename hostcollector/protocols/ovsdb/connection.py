"""Opens connections to a database server over a unix socket, TCP or TLS.

Looking up a name and reading certificates may block, so it is done before the event loop runs.
"""

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from hostcollector.base.errors import SourceDeniedError, SourceError, SourceUnavailableError
from hostcollector.config.address import Remote, Transport

CONNECT_SECONDS = 10.0
CHUNK = 256 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NoServerError(SourceUnavailableError):
    """The server's socket does not exist: the program is not installed, or does not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the authority that signed the server's certificate, and ours where the server wants one."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files. Raises `SourceUnavailableError` naming the one that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The certificates of ovs-pki name no host; the authority signs nothing but this cloud's databases.
        context.check_hostname = False
        try:
            context.load_verify_locations(self.authority)
        except OSError as error:
            raise _unusable(self.authority, error) from error
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key)
            except OSError as error:
                raise _unusable(self.certificate, error, self.key) from error
        return context


@dataclass(frozen=True, slots=True)
class ResolvedRemote:
    """A remote with its numeric address and certificates, which take blocking calls to find."""

    remote: Remote
    address: str = ""
    context: ssl.SSLContext | None = None


def prepare(remote: Remote, tls: TlsFiles | None) -> ResolvedRemote:
    """Look up the address and read the certificates; may block. Raises `SourceError`."""
    if remote.transport is Transport.UNIX:
        return ResolvedRemote(remote)
    try:
        found = socket.getaddrinfo(remote.host, remote.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceUnavailableError(f"the name {remote.host!r} cannot be resolved: {error}") from error
    address = str(found[0][4][0])
    if remote.transport is Transport.TCP:
        return ResolvedRemote(remote, address)
    if tls is None:
        raise SourceUnavailableError("no file of certificate authorities is configured")
    return ResolvedRemote(remote, address, tls.context())


async def connect(target: ResolvedRemote) -> Streams:
    """Open the connection. Raises `SourceError` with the cause and, where known, the fix."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if target.remote.transport is Transport.UNIX:
                return await asyncio.open_unix_connection(target.remote.path, limit=CHUNK)
            return await asyncio.open_connection(
                target.address, target.remote.port, ssl=target.context, limit=CHUNK
            )
    except TimeoutError as error:
        raise SourceUnavailableError(f"no connection within {CONNECT_SECONDS:g} s") from error
    except OSError as error:
        raise explained(target.remote, error) from error


def explained(remote: Remote, error: OSError) -> SourceError:
    """Return an operating system's error on a connection as a `SourceError`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", error)
        return SourceDeniedError(f"the server's certificate is not signed by the configured authority: {why}")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return SourceDeniedError(f"TLS failed: {getattr(error, 'reason', error)}")
    if remote.transport is Transport.UNIX and error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NoServerError("the socket does not exist")
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceDeniedError(
            "permission denied; give the collector's account the group that owns the socket"
        )
    return SourceUnavailableError(error.strerror or str(error))


def _unusable(file: Path, error: OSError, other: Path | None = None) -> SourceUnavailableError:
    names = f"{file} and {other}" if other is not None else str(file)
    return SourceUnavailableError(f"{names} cannot be used: {error.strerror or error}")
