"""Finds out everything that can block before the event loop runs: password, certificates, addresses."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hostcollector.config import NdfcSettings
from hostcollector.errors import SourceUnavailableError

CREDENTIAL = "ndfc-password"
"""The name of the credential that is read where no file is configured (systemd.exec(5), LoadCredential=)."""

HTTPS_PORT = 443
_LONGEST_PASSWORD = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A controller with what it takes to ask it. `addresses` are families and numeric addresses."""

    url: str
    user: str
    domain: str
    password: str = field(repr=False)
    context: ssl.SSLContext = field(repr=False)
    addresses: tuple[tuple[int, str], ...]


def prepare(settings: NdfcSettings, environment: Mapping[str, str]) -> Target:
    """Read the files and look up the name; may block. Raises `SourceUnavailableError`."""
    return Target(
        url=settings.url,
        user=settings.user,
        domain=settings.domain,
        password=_password(settings, environment),
        context=_context(settings),
        addresses=_addresses(settings.url),
    )


def _password(settings: NdfcSettings, environment: Mapping[str, str]) -> str:
    if settings.password_file is not None:
        path = Path(settings.password_file)
    elif directory := environment.get("CREDENTIALS_DIRECTORY"):
        path = Path(directory) / CREDENTIAL
    else:
        raise SourceUnavailableError(
            f"there is no password: set ndfc.password_file, or LoadCredential={CREDENTIAL}:... in the unit"
        )
    try:
        with path.open("rb") as file:
            password = file.read(_LONGEST_PASSWORD + 1).decode().rstrip("\r\n")
    except OSError as error:
        raise SourceUnavailableError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Without the cause: it quotes the password.
        raise SourceUnavailableError(f"{path} is not UTF-8") from None
    if not password or len(password) > _LONGEST_PASSWORD or not password.isprintable():
        raise SourceUnavailableError(f"{path} does not hold a password in one line")
    return password


def _context(settings: NdfcSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise SourceUnavailableError(
            f"{settings.ca_file} cannot be used: {error.strerror or error}"
        ) from error
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _addresses(url: str) -> tuple[tuple[int, str], ...]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port or HTTPS_PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceUnavailableError(f"the name {host!r} cannot be resolved: {error}") from error
    return tuple((int(family), str(address[0])) for family, _, _, _, address in found)
