"""Throw-away certificates, made by openssl: an authority and what it signs."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = {alternative}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
_NEW = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, both in PEM."""

    file: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates for whatever name; its own one is in `file`."""

    directory: Path

    @classmethod
    def new(cls, directory: Path) -> "Authority":
        """Make an authority whose files lie in `directory`."""
        authority = cls(directory)
        authority._make("authority", "authority", "DNS:unused", ())
        return authority

    @property
    def file(self) -> Path:
        """The authority's certificate."""
        return self.directory / "authority.pem"

    def server(self, name: str, alternative: str) -> ssl.SSLContext:
        """Return what a server needs that shows a certificate for `alternative` (``DNS:localhost`` ...)."""
        issued = self.issue(name, alternative)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.file, issued.key)
        return context

    def issue(self, name: str, alternative: str) -> Certificate:
        """Return a new certificate for `alternative` (``DNS:localhost, IP:127.0.0.1`` ...), and its key."""
        signed_by = ("-CA", str(self.file), "-CAkey", str(self.directory / "authority.key"))
        self._make(name, "server", alternative, signed_by)
        return Certificate(self.directory / f"{name}.pem", self.directory / f"{name}.key")

    def _make(self, name: str, section: str, alternative: str, more: tuple[str, ...]) -> None:
        config = self.directory / f"{name}.conf"
        config.write_text(_CONFIG.format(name=name, alternative=alternative))
        files = ("-out", str(self.directory / f"{name}.pem"), "-keyout", str(self.directory / f"{name}.key"))
        command = [*_NEW, "-days", "2", "-config", str(config), "-extensions", section, *files, *more]
        subprocess.run(command, check=True, capture_output=True)
