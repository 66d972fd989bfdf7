"""When the certificates end that the configuration names: X.509 files to Unix times.

Python's `ssl` reports the dates of a peer's certificate only, so the few bytes around them are read here
(RFC 5280, section 4.1; DER: ITU-T X.690).
"""

import binascii
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hostcollector.base.errors import LaneBusyError, LaneClosedError
from hostcollector.base.lanes import Clock, Lane
from hostcollector.config import checks
from hostcollector.config.named_files import named_files
from hostcollector.config.web_config import WebConfig

LOOK_SECONDS = 60.0
"""Pause between two looks at the files."""

LARGEST = 4 * 1024 * 1024
"""Bytes of a file that are read; a system's whole store of authorities has a tenth of it."""

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_VALIDITY = 3
"""The place of the dates in a certificate, after serial number, algorithm and issuer."""


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A file with certificates, and the `setting` that names it.

    `presented` is whether it is the collector's own certificate with its chain, which ends with the first of
    them. Of authorities that are trusted, one that is left may be enough.
    """

    setting: str
    path: Path
    presented: bool

    def expiry(self) -> float | None:
        """Return when the file's certificates end, as a Unix time; None where it has none.

        Raises `OSError`, and `ValueError` for one that cannot be read.
        """
        with self.path.open("rb") as file:
            found = [not_after(der) for der in _certificates(file.read(LARGEST))]
        return (min if self.presented else max)(found, default=None)


def certificate_files(settings: Any, web: WebConfig) -> Iterator[CertificateFile]:
    """Yield the files of both configurations that hold certificates; `settings` are a program's."""
    if web.tls_server_config is not None:
        tls = web.tls_server_config
        yield CertificateFile("tls_server_config.cert_file", Path(tls.cert_file), presented=True)
        if tls.client_ca_file is not None:
            yield CertificateFile(
                "tls_server_config.client_ca_file", Path(tls.client_ca_file), presented=False
            )
    for named in named_files(settings):
        if named.kind is checks.CERTIFICATES:
            yield CertificateFile(named.key, named.path, presented=named.key.endswith("certificate_file"))


class Expiries:
    """Follows when certificates end. It reads in a lane, so that a disk that hangs delays no collection."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lane = Lane("certificate-expiries", clock)
        self._files: tuple[CertificateFile, ...] = ()
        self._look_at = 0.0
        self._flight: Future[Mapping[str, float]] | None = None
        self._known: Mapping[str, float] = {}

    def follow(self, settings: Any, web: WebConfig) -> None:
        """Follow the files of this configuration from now on."""
        self._files = tuple(certificate_files(settings, web))
        self._known, self._flight, self._look_at = {}, None, self._clock()
        self.known()

    def known(self) -> Mapping[str, float]:
        """Return the expiry by setting, as far as the looks so far have shown. Never blocks."""
        if self._flight is not None and self._flight.done():
            self._known, self._flight = self._flight.result(), None
        if self._files and self._clock() >= self._look_at:
            files = self._files
            with suppress(LaneBusyError, LaneClosedError):
                self._flight = self._lane.submit(lambda: _expiries(files))
                self._look_at = self._clock() + LOOK_SECONDS
        return self._known

    def close(self) -> None:
        """Let the lane's thread end."""
        self._lane.close()


def _expiries(files: tuple[CertificateFile, ...]) -> Mapping[str, float]:
    """Return the expiry by setting, without the files that cannot be read: their readers report them."""
    found = {}
    for file in files:
        with suppress(OSError, ValueError):
            if (expiry := file.expiry()) is not None:
                found[file.setting] = expiry
    return found


def _certificates(pem: bytes) -> Iterator[bytes]:
    for block in _PEM.findall(pem):
        try:
            yield ssl.PEM_cert_to_DER_cert(block.decode("ascii"))
        except binascii.Error as error:
            raise ValueError("not PEM") from error


def not_after(der: bytes) -> float:
    """Return when a certificate in DER ends, as a Unix time. Raises `ValueError` for what is none."""
    _, certificate = next(_elements(der))
    _, to_be_signed = next(_elements(certificate))
    fields = [(tag, content) for tag, content in _elements(to_be_signed) if tag != _VERSION]
    if len(fields) <= _VALIDITY:
        raise ValueError("a certificate without dates")
    dates = list(_elements(fields[_VALIDITY][1]))
    if len(dates) != 2:
        raise ValueError("a certificate without its two dates")
    return _time(*dates[1])


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the elements that follow each other. Raises `ValueError`."""
    at = 0
    while at < len(der) or at == 0:
        if len(der) < at + 2:
            raise ValueError("an element that is cut off")
        tag, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(der[at : at + digits], "big")
            at += digits
        if len(der) < at + size:
            raise ValueError("an element that is cut off")
        yield tag, der[at : at + size]
        at += size


def _time(tag: int, content: bytes) -> float:
    """Return a date; one with two digits for the year is from 1950 to 2049 (RFC 5280, 4.1.2.5)."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = f"{19 if text >= '5' else 20}{text}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError("not a date")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
