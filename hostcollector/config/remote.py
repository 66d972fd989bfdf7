"""Where a database server listens, written as Open vSwitch's own programs write it (ovsdb(7))."""

from dataclasses import dataclass
from enum import StrEnum

from hostcollector.config.address import parse_address

_FORM = "write unix:/path, tcp:host:port or ssl:host:port"


class Transport(StrEnum):
    """How a server is reached."""

    UNIX = "unix"
    TCP = "tcp"
    TLS = "ssl"


@dataclass(frozen=True, slots=True)
class Remote:
    """A server's address: `path` of a unix socket, `host` and `port` of the others."""

    transport: Transport
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.transport is Transport.UNIX:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_remote(text: str) -> Remote:
    """Return the remote of ``unix:/path``, ``tcp:host:port`` or ``ssl:host:port``.

    Raises `ValueError` with a sentence.
    """
    scheme, _, rest = text.partition(":")
    if scheme not in set(Transport):
        raise ValueError(f"{text!r} is no address of a database server: {_FORM}")
    transport = Transport(scheme)
    if transport is Transport.UNIX:
        if not rest.startswith("/"):
            raise ValueError(f"{rest!r} is not an absolute path: {_FORM}")
        return Remote(transport, path=rest)
    address = parse_address(rest)
    if not address.host or not address.port:
        raise ValueError(f"{rest!r} lacks a host or a port: {_FORM}")
    return Remote(transport, host=address.host, port=address.port)


def parse_remotes(text: str) -> tuple[Remote, ...]:
    """Return the remotes of a list with commas, as clusters have it. Raises `ValueError` with a sentence."""
    return tuple(parse_remote(part.strip()) for part in text.split(","))
