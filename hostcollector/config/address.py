"""Addresses: where the collector listens, and where a database server does.

The first as Prometheus's exporters write them, the second as Open vSwitch's programs do (ovsdb(7)).
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_FORM = "write host:port, [IPv6]:port, or :port for every address of the machine"
_REMOTE_FORM = "write unix:/path, tcp:host:port or ssl:host:port"


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on."""

    host: str
    """A name or an IP address without brackets; empty means every address of the machine."""

    port: int
    """The TCP port, 1 to 65535; 0 lets the kernel choose a free one."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address of ``host:port``, ``[::1]:port`` or ``:port``.

    Raises `ValueError` with a sentence.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"no port in {text!r}: {_FORM}")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ValueError(f"{port!r} is not a port from 0 to 65535: {_FORM}")
    return Address(_host(host), int(port))


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
        raise ValueError(f"{text!r} is no address of a database server: {_REMOTE_FORM}")
    transport = Transport(scheme)
    if transport is Transport.UNIX:
        if not rest.startswith("/"):
            raise ValueError(f"{rest!r} is not an absolute path: {_REMOTE_FORM}")
        return Remote(transport, path=rest)
    address = parse_address(rest)
    if not address.host or not address.port:
        raise ValueError(f"{rest!r} lacks a host or a port: {_REMOTE_FORM}")
    return Remote(transport, host=address.host, port=address.port)


def parse_remotes(text: str) -> tuple[Remote, ...]:
    """Return the remotes of a list with commas, as clusters have it. Raises `ValueError` with a sentence."""
    return tuple(parse_remote(part.strip()) for part in text.split(","))


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        return str(_ipv6(text[1:-1]))
    if ":" in text:
        raise ValueError(f"an IPv6 address needs brackets, as in [{text}]:10177")
    if text and not _HOST_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is neither a host name nor an IP address: {_FORM}")
    return text


def _ipv6(text: str) -> ipaddress.IPv6Address:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv6 address: {_FORM}") from None
