"""Where the collector listens: a host and a port, written as every exporter writes them."""

import ipaddress
import re
from dataclasses import dataclass

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_FORM = "write host:port, [IPv6]:port, or :port for every address of the machine"


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
