"""Reads the page of a collector at an address, for a command that a person runs."""

import base64
import ssl
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from hostcollector.base.errors import HostcollectorError


class PageUnreadableError(HostcollectorError):
    """No metrics page can be read at an address; the message is the sentence for the user."""

    def __init__(self, url: str, cause: object) -> None:
        super().__init__(f"cannot read {url}: {cause}")


class _NoRedirects(HTTPRedirectHandler):
    """Answers that point elsewhere are errors: another host would be sent the password."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A collector at `url`, which may leave out ``/metrics``, and what it asks of a client.

    `context` has the authorities and the client's certificate, None for the system's authorities;
    `authorization` is the header of that name. It may be silent for `timeout` seconds.
    """

    url: str
    context: ssl.SSLContext | None = None
    authorization: str = ""
    timeout: float = 10.0

    def read(self) -> str:
        """Return the text of its page. Raises `PageUnreadableError`."""
        try:
            parts = urlsplit(self.url)
            if parts.scheme not in {"http", "https"} or not parts.netloc:
                raise PageUnreadableError(self.url, "an address begins with http:// or https:// and a host")
            return self._body(urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/metrics")))
        except HTTPError as error:
            error.close()  # the error holds the connection
            raise PageUnreadableError(self.url, f"the answer is {error.code} {error.reason}") from error
        except URLError as error:
            raise PageUnreadableError(self.url, _cause(error.reason)) from error
        except (OSError, HTTPException) as error:
            raise PageUnreadableError(self.url, _cause(error)) from error
        except ValueError as error:
            raise PageUnreadableError(self.url, f"the answer is not a metrics page ({error})") from error

    def _body(self, address: str) -> str:
        # The collector is on this host or near it: proxies of the environment are ignored.
        opener = build_opener(ProxyHandler({}), _NoRedirects(), HTTPSHandler(context=self.context))
        request = Request(address, headers={"Accept": "text/plain;version=0.0.4"})  # noqa: S310 - http(s), checked
        if self.authorization:
            request.add_unredirected_header("Authorization", self.authorization)
        with opener.open(request, timeout=self.timeout) as response:
            body: bytes = response.read()
        return body.decode()


def client_context(authority: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return what a client needs that trusts an authority (None: the system's) and shows a certificate.

    The key is in the certificate's file if it has none of its own. Raises `OSError`, or `ssl.SSLError`, for a
    file that cannot be read, or is not PEM.
    """
    context = ssl.create_default_context(cafile=authority)
    if certificate is not None:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    return context


def basic(user: str, password: str) -> str:
    """Return the header ``Authorization`` of a user (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _no_passphrase() -> str:
    raise OSError("the key is encrypted: give one that is not")


def _cause(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return str(error)  # its strerror is cut
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
