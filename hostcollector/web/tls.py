"""Certificate files to what a TLS handshake needs."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from hostcollector.base.errors import CertificateError
from hostcollector.config.files import open_to_everybody
from hostcollector.config.web_config import ClientAuthType, TlsServerConfig, TlsVersion

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
    """A context that knows by which rules it lets clients in; two with the same rules let in the same."""

    rules: tuple[object, ...] = ()


def server_context(tls: TlsServerConfig) -> ServerContext:
    """Return a context of the files as they are now; reads them, so it belongs into a lane.

    Raises `CertificateError` with every problem; a key file that everybody on the machine may read or write
    is one.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _Telling
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    # Without tickets no session outlives its context. Sessions of TLS 1.2 live in it: `Admission` looks again
    # whether the certificate is still valid that such a session began with.
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


class _Telling(ssl.SSLObject):
    """A handshake that tells the client why it fails.

    asyncio closes the connection before the alert has left, and the client's engineer reads "connection
    reset" instead of "certificate required". An error that waits for the client once more lets it leave.
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
                raise  # who does not speak TLS does not understand an alert either
            # Without its traceback, whose frames hold this very object.
            self._failure = error.with_traceback(None)
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the alert is on its way") from error


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
    """Return why a file cannot be opened, which OpenSSL's own error does not say; None if it can."""
    try:
        with Path(path).open("rb"):
            return None
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


class _PassphraseError(Exception):
    """The key file is encrypted."""


def _no_passphrase() -> str:
    raise _PassphraseError
