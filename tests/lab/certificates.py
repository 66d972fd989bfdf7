"""Certificate authorities and certificates for tests of TLS, made with openssl; good for one day."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, both in PEM."""

    file: Path
    key: Path


class Authority:
    """An authority of our own, in a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self.certificate = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
        self._openssl("-x509", "-subj", f"/CN={name}", certificate=self.certificate)

    def issue(self, name: str) -> Certificate:
        """Return a new certificate that this authority has signed."""
        issued = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        signer = ("-CA", str(self.certificate.file), "-CAkey", str(self.certificate.key))
        self._openssl("-x509", "-subj", f"/CN={name}", *signer, certificate=issued)
        return issued

    def _openssl(self, *arguments: str, certificate: Certificate) -> None:
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
        files = ("-out", str(certificate.file), "-keyout", str(certificate.key))
        subprocess.run(("openssl", "req", *new, *arguments, *files), check=True, capture_output=True)
