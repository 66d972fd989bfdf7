"""Certificate files to TLS contexts. They follow their files: a renewal needs neither restart nor reload."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hostcollector.base.errors import CertificateError, LaneBusyError, LaneClosedError
from hostcollector.base.lanes import Lane
from hostcollector.base.log import Transitions
from hostcollector.config.files import open_to_everybody
from hostcollector.config.web_config import ClientAuthType, TlsServerConfig, TlsVersion

logger = logging.getLogger(__name__)

Stamp = tuple[tuple[int, ...] | None, ...]

LOOK_SECONDS = 1.0
"""The files are looked at again when a client connects and the last look is older than this."""

PATIENCE_SECONDS = 1.0
"""How long that client waits for the look."""

_VERSIONS = {
    TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2,
    TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3,
}
_VERIFY = {
    ClientAuthType.NONE: ssl.CERT_NONE,
    ClientAuthType.IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuthType.REQUIRED: ssl.CERT_REQUIRED,
}

_NOT_TLS = {"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER"}


class ServerContext(ssl.SSLContext):
    """A context with the rules by which it admits clients; two with equal rules admit the same clients."""

    rules: tuple[object, ...] = ()


def server_context(tls: TlsServerConfig) -> ServerContext:
    """Return a context made from the files. Reading them can block, so this is called in a lane.

    Raises `CertificateError` with every problem, such as a key file that every account may read or write.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _AlertedHandshake
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    # Without tickets no session outlives its context, which keeps the sessions of TLS 1.2. `Admission` checks
    # again that the certificate with which such a session began is still valid.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    problems = [
        f"tls_server_config.{key}: {getattr(tls, key)} {complaint}"
        for key, complaint in (*_pair_complaints(context, tls), *_authority_complaints(context, tls))
    ]
    if problems:
        raise CertificateError(problems)
    context.verify_mode = _VERIFY[tls.client_auth_type]
    authorities = None if tls.client_ca_file is None else Path(tls.client_ca_file).read_bytes()
    context.rules = (tls.client_auth_type, tls.min_version, tls.max_version, authorities)
    return context


class Certificates:
    """Keeps the TLS context for the next connection. The constructor raises `CertificateError`.

    Changed files that cannot be used are logged once, and the old context stays in use. They are tried again
    each time that one of them changes. `clock` is monotonic, in seconds.
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
        """Return the context for a client that connects now, after a look at the files if one is due."""
        if self._clock() - self._looked >= self._look_seconds:
            self._looked = self._clock()
            try:
                flight = self._lane.submit(self._follow)
            except (LaneBusyError, LaneClosedError):
                # A look that hangs on a dead file system, or has ended with `close`, delays no client.
                return self._context
            await asyncio.wait([asyncio.wrap_future(flight)], timeout=PATIENCE_SECONDS)
        return self._context

    async def accept(self, context: ssl.SSLContext | None) -> bool:
        """Whether a connection that was made under `context` meets the present rules too."""
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


class _AlertedHandshake(ssl.SSLObject):
    """A handshake whose failure reaches the client as a TLS alert.

    asyncio closes the connection before the alert is sent, and the client reports "connection reset" instead
    of "certificate required". Raising the error one read later gives asyncio time to send it.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if error.reason in _NOT_TLS:
                raise  # a client that does not speak TLS does not understand an alert
            # Without its traceback, whose frames hold this very object.
            self._failure = error.with_traceback(None)
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the alert is on its way") from error


def _stamp(tls: TlsServerConfig) -> Stamp:
    """Return what changes with the files; their modes too, because a fixed mode is a change."""
    return tuple(_file_stamp(path) for path in (tls.cert_file, tls.key_file, tls.client_ca_file) if path)


def _file_stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _pair_complaints(context: ssl.SSLContext, tls: TlsServerConfig) -> Iterator[tuple[str, str]]:
    """Load certificate and key; yield what is wrong with either."""
    unreadable = {key: _unreadable(getattr(tls, key)) for key in ("cert_file", "key_file")}
    yield from ((key, complaint) for key, complaint in unreadable.items() if complaint)
    if unreadable["key_file"] is None and (complaint := open_to_everybody(Path(tls.key_file))):
        yield "key_file", complaint
    if not any(unreadable.values()):
        yield from _load_pair(context, tls)


def _load_pair(context: ssl.SSLContext, tls: TlsServerConfig) -> Iterator[tuple[str, str]]:
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield "cert_file", f"is not the certificate of the key in {tls.key_file}"
        else:
            yield (
                "cert_file",
                f"or the key in {tls.key_file} is not PEM that can be used ({error.reason or error})",
            )
    except _PassphraseError:
        yield "key_file", "has a passphrase: write the key without one"


def _authority_complaints(context: ssl.SSLContext, tls: TlsServerConfig) -> Iterator[tuple[str, str]]:
    """Load the clients' authorities; yield what is wrong with them."""
    if tls.client_ca_file is None:
        return
    if complaint := _unreadable(tls.client_ca_file):
        yield "client_ca_file", complaint
        return
    try:
        context.load_verify_locations(tls.client_ca_file)
    except ssl.SSLError as error:
        yield "client_ca_file", f"holds no certificates in PEM ({error.reason or error})"


def _unreadable(path: str) -> str | None:
    """Return why a file cannot be opened, which OpenSSL's own error lacks; None if it can."""
    try:
        with Path(path).open("rb"):
            return None
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


class _PassphraseError(Exception):
    """The key file is encrypted."""


def _no_passphrase() -> str:
    raise _PassphraseError
