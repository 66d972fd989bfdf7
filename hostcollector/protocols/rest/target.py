"""Finds out everything that can block before the event loop runs: password, certificates, addresses."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from hostcollector.base.errors import SourceUnavailableError
from hostcollector.config.files import open_to_everybody
from hostcollector.config.services import ServiceSettings

HTTPS_PORT = 443
_LONGEST_PASSWORD = 1024
_LONGEST_TOKEN = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: its `name` for people, and the `section` of the configuration that it is set in."""

    name: str
    section: str

    @property
    def credential(self) -> str:
        """The credential that is read where no file is configured (systemd.exec(5), LoadCredential=)."""
        return f"{self.section}-password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A service with all that a request needs. `addresses` are families and numeric addresses.

    `token` is for a proxy in front of the service (RFC 6750); empty for none. `user` is empty where the proxy
    logs in.
    """

    service: Service
    url: str
    user: str
    password: str = field(repr=False)
    token: str = field(default="", repr=False)
    context: ssl.SSLContext = field(repr=False)
    addresses: tuple[tuple[int, str], ...]

    @property
    def basic(self) -> str:
        """The credentials behind ``Basic`` in an Authorization header (RFC 7617)."""
        return b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> frozenset[str]:
        """The password and the token in every form in which they go over the wire or may come back."""
        forms = (self.password, self.basic, quote(self.password, safe="")) if self.password else ()
        return frozenset((*forms, self.token) if self.token else forms)


def prepare(service: Service, settings: ServiceSettings, environment: Mapping[str, str]) -> Target:
    """Read the files and look up the name; may block. Raises `SourceUnavailableError`."""
    return Target(
        service=service,
        url=settings.url,
        user=settings.user,
        password=_password(service, settings, environment) if settings.user else "",
        token=_token(Path(settings.bearer_file)) if settings.bearer_file else "",
        context=_context(settings),
        addresses=_addresses(settings.url),
    )


def _password(service: Service, settings: ServiceSettings, environment: Mapping[str, str]) -> str:
    if settings.password_file is not None:
        path = Path(settings.password_file)
    elif directory := environment.get("CREDENTIALS_DIRECTORY"):
        path = Path(directory) / service.credential
    else:
        raise SourceUnavailableError(
            f"there is no password: set {service.section}.password_file, or "
            f"LoadCredential={service.credential}:... in the unit"
        )
    # systemd puts credentials into a directory that no other account can enter.
    password = _secret(path, _LONGEST_PASSWORD, checked=settings.password_file is not None)
    if not password or len(password) > _LONGEST_PASSWORD or not password.isprintable():
        raise SourceUnavailableError(f"{path} does not hold a password in one line")
    return password


def _token(path: Path) -> str:
    token = _secret(path, _LONGEST_TOKEN, checked=True)
    sound = token.isascii() and token.isprintable() and " " not in token
    if not sound or not 0 < len(token) <= _LONGEST_TOKEN:
        raise SourceUnavailableError(f"{path} does not hold a token in one line")
    return token


def _secret(path: Path, longest: int, *, checked: bool) -> str:
    """Return a file's text, cut after `longest` bytes and one. A `checked` one must be private."""
    try:
        with path.open("rb") as file:
            text = file.read(longest + 1).decode().rstrip("\r\n")
        complaint = open_to_everybody(path) if checked else None
    except OSError as error:
        raise SourceUnavailableError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Without the cause: it quotes the secret.
        raise SourceUnavailableError(f"{path} is not UTF-8") from None
    if complaint is not None:
        raise SourceUnavailableError(f"{path} {complaint}")
    return text


def _context(settings: ServiceSettings) -> ssl.SSLContext:
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
