"""What stands between the network and the pages, as the web-config file has it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostcollector.base.errors import CertificateError, ConfigError
from hostcollector.config.files import open_to_everybody
from hostcollector.config.web_config import WebConfig, read_web_config
from hostcollector.web.admission import Admission
from hostcollector.web.certificates import Certificates
from hostcollector.web.passwords import Passwords

logger = logging.getLogger(__name__)


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

    @property
    def is_open(self) -> bool:
        """Whether everybody is served, and in the clear."""
        return self.certificates is None and self.admission.passwords is None

    def close(self, successor: "Door | None" = None) -> None:
        """Let the threads end that `successor` has not taken over."""
        if self.certificates is not None and (
            successor is None or successor.certificates is not self.certificates
        ):
            self.certificates.close()
        self.admission.close()


def open_door(path: Path | None, predecessor: Door | None = None) -> Door:
    """Return the door of a web-config file, None for none. Reads it and the files that it names.

    `predecessor` is the door in use: whoever was let in by a rule that is still the same stays in. Raises
    `ConfigError` with every problem that was found.
    """
    predecessor = predecessor or Door()
    config = read_web_config(path)
    if path is not None and config.basic_auth_users and (complaint := open_to_everybody(path)):
        logger.warning("%s, with the hashes of the passwords in it, %s", path, complaint)
    tls, users = config.tls_server_config, config.basic_auth_users
    if tls == predecessor.config.tls_server_config:
        certificates = predecessor.certificates
    else:
        try:
            certificates = Certificates(tls) if tls else None
        except CertificateError as error:
            raise ConfigError(str(path), error.problems) from error
    known = predecessor.admission.passwords
    passwords = Passwords(users, memory=known.memory if known else None) if users else None
    sans = tls.client_allowed_sans if tls else ()
    return Door(
        config=config,
        certificates=certificates,
        admission=Admission(passwords, sans, certificates=certificates),
    )
