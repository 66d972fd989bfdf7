"""What stands between the network and the pages, as the web-config file has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostcollector.config import WebConfig, read_web_file
from hostcollector.errors import CertificateError, ConfigError
from hostcollector.web.admission import Admission
from hostcollector.web.certificates import Certificates
from hostcollector.web.passwords import Passwords


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """TLS and authentication, ready for use in one event loop; `Door()` is open to everybody."""

    config: WebConfig = field(default_factory=WebConfig)
    certificates: Certificates | None = None
    admission: Admission = field(default_factory=Admission)

    @property
    def scheme(self) -> str:
        """How a client's URL begins."""
        return "http" if self.certificates is None else "https"

    @property
    def headers(self) -> Mapping[str, str]:
        """What the operator wants to stand in every reply."""
        return self.config.http_server_config.headers

    def close(self) -> None:
        """Let the threads end."""
        if self.certificates is not None:
            self.certificates.close()
        self.admission.close()


def open_door(path: Path | None) -> Door:
    """Return the door of a web-config file, None for none. Reads it and the files that it names.

    Raises `ConfigError` with every problem that was found.
    """
    config = read_web_file(path)
    tls = config.tls_server_config
    try:
        certificates = Certificates(tls) if tls else None
    except CertificateError as error:
        raise ConfigError(str(path), error.problems) from error
    passwords = Passwords(config.basic_auth_users) if config.basic_auth_users else None
    admission = Admission(passwords, tls.client_allowed_sans if tls else ())
    return Door(config=config, certificates=certificates, admission=admission)
