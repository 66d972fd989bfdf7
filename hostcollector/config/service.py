"""What the section of every service that is read over HTTPS has."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from hostcollector.config import checks
from hostcollector.config.checks import whole
from hostcollector.config.reader import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings(Section):
    """The keys of every service that is read over HTTPS."""

    what: ClassVar[str] = "the service"
    """The program at `url`, for errors."""

    url: Annotated[str, checks.HTTPS_URL] = ""
    """The address of the service. Without it the service is not read."""

    user: str = ""
    """An account that may only read: NDFC's role network-operator, a BMC's role ReadOnly."""

    password_file: Annotated[str | None, checks.PASSWORD] = None
    """The file with the password in one line; it is read again for each round.

    Null for the credential ``SECTION-password`` that systemd passes (`LoadCredential=`).
    """

    ca_file: Annotated[str | None, checks.CERTIFICATES] = None
    """The certificates that the server's must be signed by; null for the system's."""

    insecure_skip_verify: bool = False
    """Do not check the server's certificate: a machine in between can then read the password."""

    interval_seconds: Annotated[int, whole(60, 86400)] = 600
    """Seconds between two rounds of requests."""

    @property
    def bearer_file(self) -> str | None:
        """The file with a bearer token; null for a service that takes none."""
        return None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield keys without an address, and an address without an account."""
        if not self.url and self != type(self)():
            yield "", f"url is missing: the address of {self.what}"
        if self.url and not self.user and self.bearer_file is None:
            yield "", "user is missing: an account that may only read"
